package seal

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip/secret"
)

// Material under a key of mode direct is what the token's AES-256-GCM makes of
// it, in the same form as that of mode envelope. What is larger than a token
// takes at once is encrypted under a content key of its own, which the token
// seals; formatContent is the first byte then:
//
//	formatContent, the sealed content key, nonce, ciphertext, tag
const formatContent = 2

const sealedContentKeyBytes = domainKeyBytes + hsm.OverheadBytes

var contentKeyAAD = []byte("content key\x00")

// inToken asks the tokens that hold a key of mode direct, one after the other.
// When none of them answers the copies are read anew, once: there may be others
// by now. Not after one that took its time to fail: the caller has waited enough.
func inToken[T any](ctx context.Context, r *Ring, k *domainKey, op func(context.Context, handle, hsm.WrappedKey) (T, error)) (T, error) {
	for again := false; ; again = true {
		list := r.handles(func(serial string) bool { _, ok := k.direct.rows[serial]; return ok })
		value, err := each(ctx, r, k.direct.order(list), notOfCopy, func(ctx context.Context, h handle) (T, error) {
			value, err := byCopy(ctx, r, h, k, op)
			if err == nil || !notOfCopy(err) || errors.Is(err, hsm.ErrUnsupported) {
				k.direct.passOver(h.serial, err != nil)
			}
			return value, err
		})
		if err == nil || again || !isOfToken(err) || errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			return value, err
		}
		next, failed := r.reopen(ctx, k.at)
		if failed != nil || next.direct == nil {
			return value, err
		}
		k = next
	}
}

// byCopy asks one token, after its copy has been proved.
func byCopy[T any](ctx context.Context, r *Ring, h handle, k *domainKey, op func(context.Context, handle, hsm.WrappedKey) (T, error)) (T, error) {
	wrapped, err := r.proved(ctx, h, k)
	if err != nil {
		var zero T
		return zero, copyError{err}
	}
	return op(ctx, h, wrapped)
}

// copyError is what is wrong with the copy of a domain key, and not with what was
// asked.
type copyError struct{ error }

func (e copyError) Unwrap() error { return e.error }

// notOfCopy tells errors that the copy for another token cannot help against.
func notOfCopy(err error) bool {
	return notIntegrity(err) || !errors.As(err, new(copyError))
}

// proved returns the wrapped key of a token that has proved that it is the right
// one.
func (r *Ring) proved(ctx context.Context, h handle, k *domainKey) (hsm.WrappedKey, error) {
	if wrapped, ok := k.direct.get(h.serial); ok {
		return wrapped, nil
	}
	held, err := r.proveDirect(ctx, h, k.direct.rows[h.serial])
	if err != nil {
		return hsm.WrappedKey{}, err
	}
	defer held.mac.Destroy()
	if subtle.ConstantTimeCompare(held.check[:], k.check[:]) != 1 {
		return hsm.WrappedKey{}, fmt.Errorf("the copy for this token holds another key: %w", hsm.ErrIntegrity)
	}
	k.direct.proved(h.serial, held.wrapped)
	return held.wrapped, nil
}

func (r *Ring) sealDirect(ctx context.Context, k *domainKey, plaintext *secret.Bytes, aad []byte) ([]byte, error) {
	if n := plaintext.Len(); n > 0 && n <= hsm.MaxPlaintextBytes {
		sealed, err := inToken(ctx, r, k, func(ctx context.Context, h handle, w hsm.WrappedKey) ([]byte, error) {
			return h.EncryptWrapped(ctx, w, plaintext, aad)
		})
		if err != nil {
			return nil, err
		}
		return append([]byte{formatVersion}, sealed...), nil
	}
	content := secret.New(make([]byte, domainKeyBytes))
	defer content.Destroy()
	_, _ = rand.Read(content.Reveal()) // never fails
	sealed, err := inToken(ctx, r, k, func(ctx context.Context, h handle, w hsm.WrappedKey) ([]byte, error) {
		return h.EncryptWrapped(ctx, w, content, slices.Concat(contentKeyAAD, aad))
	})
	if err != nil {
		return nil, err
	}
	aead, err := contentCipher(content)
	if err != nil {
		return nil, err
	}
	out := append([]byte{formatContent}, sealed...)
	return aead.Seal(out, nil, plaintext.Reveal(), aad), nil //nolint:gosec // the cipher makes the nonce itself
}

// openToken opens sealed material by the key for material, wherever that is.
func (r *Ring) openToken(ctx context.Context, k *domainKey, sealed, aad []byte) (*secret.Bytes, error) {
	if k.direct == nil {
		plain, err := k.material.Open(nil, nil, sealed, aad)
		if err != nil {
			return nil, hsm.ErrIntegrity
		}
		return secret.New(plain), nil
	}
	return inToken(ctx, r, k, func(ctx context.Context, h handle, w hsm.WrappedKey) (*secret.Bytes, error) {
		return h.DecryptWrapped(ctx, w, sealed, aad)
	})
}

// openContent opens material that has a content key of its own.
func (r *Ring) openContent(ctx context.Context, k *domainKey, sealed, aad []byte) (*secret.Bytes, error) {
	if len(sealed) < sealedContentKeyBytes+hsm.OverheadBytes {
		return nil, hsm.ErrIntegrity
	}
	content, err := r.openToken(ctx, k, sealed[:sealedContentKeyBytes], slices.Concat(contentKeyAAD, aad))
	if err != nil {
		return nil, err
	}
	defer content.Destroy()
	aead, err := contentCipher(content)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nil, sealed[sealedContentKeyBytes:], aad)
	if err != nil {
		return nil, hsm.ErrIntegrity
	}
	return secret.New(plain), nil
}

func contentCipher(key *secret.Bytes) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key.Reveal())
	if err != nil {
		return nil, fmt.Errorf("content key: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}
