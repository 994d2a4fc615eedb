//go:build cgo

package pkcs11

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"

	"github.com/miekg/pkcs11"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip/secret"
)

const (
	nonceBytes = 12
	tagBits    = 128
)

var witnessAAD = []byte("claviger witness")

// Encrypt implements hsm.Token.
func (t *Token) Encrypt(ctx context.Context, keyID string, plaintext *secret.Bytes, aad []byte) ([]byte, error) {
	if err := hsm.CheckPlaintext(plaintext.Len()); err != nil {
		return nil, err
	}
	own, aad := plaintext.Clone(), bytes.Clone(aad)
	return run(ctx, t, "encrypt", func(ctx context.Context, s *session) ([]byte, error) {
		k, err := t.sealKey(ctx, s, keyID)
		if err != nil {
			return nil, err
		}
		// Sealing under a key that is not what it seems would lose data, and
		// sealing is rare: let the key prove itself each time.
		if err := t.prove(s, k); err != nil {
			return nil, err
		}
		return t.encrypt(s, k.handle, own.Reveal(), aad)
	}, own.Destroy)
}

// Decrypt implements hsm.Token.
func (t *Token) Decrypt(ctx context.Context, keyID string, ciphertext, aad []byte) (*secret.Bytes, error) {
	ciphertext, aad = bytes.Clone(ciphertext), bytes.Clone(aad)
	return run(ctx, t, "decrypt", func(ctx context.Context, s *session) (*secret.Bytes, error) {
		k, err := t.sealKey(ctx, s, keyID)
		if err != nil {
			return nil, err
		}
		if err := hsm.CheckCiphertext(len(ciphertext)); err != nil {
			return nil, fmt.Errorf("root key %s: %w", keyID, err)
		}
		plain, err := t.decrypt(s, k.handle, ciphertext, aad)
		switch {
		case err == nil:
			return secret.New(plain), nil
		case !isDoubtful(err):
			return nil, err
		}
		// Either the ciphertext is wrong or the token is ill: what the key
		// opens for certain tells which.
		if probe := t.probe(ctx, k); probe != nil {
			return nil, probe
		}
		return nil, fmt.Errorf("root key %s: %w", keyID, hsm.ErrIntegrity)
	})
}

// sealKey returns a fit seal key that has a witness.
func (t *Token) sealKey(ctx context.Context, s *session, keyID string) (*rootKey, error) {
	k, err := t.resolve(ctx, s, keyID)
	switch {
	case err != nil:
		return nil, err
	case k.key.Purpose != hsm.PurposeSeal:
		return nil, fmt.Errorf("root key %s is for %s: %w", keyID, k.key.Purpose, hsm.ErrUnsupported)
	case k.witness != nil:
		return k, nil
	}
	if err := k.key.Fit(); err != nil {
		return nil, err
	}
	value := make([]byte, 16)
	_, _ = rand.Read(value) // never fails
	witness, err := t.encrypt(s, k.handle, value, witnessAAD)
	if err != nil {
		return nil, fmt.Errorf("first use of root key %s: %w", keyID, err)
	}
	proven := *k
	proven.witness, proven.value = witness, value
	if err := t.prove(s, &proven); err != nil {
		return nil, fmt.Errorf("first use of root key %s: %w", keyID, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.keys[keyID] = &proven
	return &proven, nil
}

// probe is prove on a session that did not just fail.
func (t *Token) probe(ctx context.Context, k *rootKey) error {
	s, err := t.take(ctx)
	if err != nil {
		return err
	}
	err = t.prove(s, k)
	t.giveBack(s, err == nil)
	return err
}

// prove returns nil if the key opens its witness, errOtherKey if it does not
// although the token is well, and else the token's error or errIll.
func (t *Token) prove(s *session, k *rootKey) error {
	if k.witness == nil {
		return nil
	}
	got, err := t.decrypt(s, k.handle, k.witness, witnessAAD)
	if err == nil && bytes.Equal(got, k.value) {
		return nil
	}
	if err != nil && !isDoubtful(err) {
		return err
	}
	again, err := t.encrypt(s, k.handle, k.value, witnessAAD)
	if err == nil {
		got, err = t.decrypt(s, k.handle, again, witnessAAD)
	}
	if err != nil || !bytes.Equal(got, k.value) {
		return fmt.Errorf("root key %s: %w", k.key.ID, errIll)
	}
	return fmt.Errorf("root key %s: %w", k.key.ID, errOtherKey)
}

// encrypt returns nonce, ciphertext and tag. Some tokens put a nonce of their
// own in the place of ours, so it is read back.
func (t *Token) encrypt(s *session, key pkcs11.ObjectHandle, plain, aad []byte) ([]byte, error) {
	nonce := make([]byte, nonceBytes)
	_, _ = rand.Read(nonce) // never fails
	params := pkcs11.NewGCMParams(nonce, aad, tagBits)
	defer params.Free()
	if err := t.calls.EncryptInit(s.handle, gcm(params), key); err != nil {
		return nil, err
	}
	sealed, err := t.calls.Encrypt(s.handle, plain)
	if err != nil {
		return nil, err
	}
	if used := params.IV(); used != nil {
		nonce = used
	}
	if len(nonce) != nonceBytes || len(sealed) != len(plain)+tagBits/8 {
		return nil, fmt.Errorf("the token's AES-GCM gave %d bytes for %d, with a nonce of %d: %w", len(sealed), len(plain), len(nonce), hsm.ErrUnsupported)
	}
	return append(nonce, sealed...), nil
}

func (t *Token) decrypt(s *session, key pkcs11.ObjectHandle, sealed, aad []byte) ([]byte, error) {
	params := pkcs11.NewGCMParams(sealed[:nonceBytes], aad, tagBits)
	defer params.Free()
	if err := t.calls.DecryptInit(s.handle, gcm(params), key); err != nil {
		return nil, err
	}
	return t.calls.Decrypt(s.handle, sealed[nonceBytes:])
}

func gcm(params *pkcs11.GCMParams) []*pkcs11.Mechanism {
	return []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_GCM, params)}
}
