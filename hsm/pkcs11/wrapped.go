//go:build cgo

package pkcs11

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/miekg/pkcs11"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip/secret"
)

// The sizes of an AES-256 key under the mechanisms of wrapOrder.
const (
	minWrappedBytes = 32 + 8
	maxWrappedBytes = 32 + 16
)

// Wrap implements hsm.Token. What the token made is unwrapped once before it is
// returned: a key that cannot be unwrapped would lose what it protects.
func (t *Token) Wrap(ctx context.Context, keyID string, value *secret.Bytes) (hsm.WrappedKey, error) {
	if value.Len() != hsm.RootKeyBits/8 {
		return hsm.WrappedKey{}, fmt.Errorf("wrap a key of %d bytes, only %d are taken: %w", value.Len(), hsm.RootKeyBits/8, hsm.ErrUnsupported)
	}
	own := value.Clone()
	return runLong(ctx, t, "wrap", func(ctx context.Context, s *session) (hsm.WrappedKey, error) {
		k, err := t.root(ctx, s, keyID, hsm.PurposeWrap)
		if err != nil {
			return hsm.WrappedKey{}, err
		}
		if err := t.prove(s, k); err != nil {
			return hsm.WrappedKey{}, err
		}
		wrapped, err := t.wrap(s, k, own.Reveal())
		if err != nil {
			return hsm.WrappedKey{}, fmt.Errorf("under root key %s: %w", keyID, err)
		}
		return hsm.WrappedKey{RootKey: keyID, Value: wrapped}, nil
	}, own.Destroy)
}

// EncryptWrapped implements hsm.Token. The key proves itself each time, as in
// Encrypt.
func (t *Token) EncryptWrapped(ctx context.Context, k hsm.WrappedKey, plaintext *secret.Bytes, aad []byte) ([]byte, error) {
	if err := hsm.CheckPlaintext(plaintext.Len()); err != nil {
		return nil, err
	}
	own, aad := plaintext.Clone(), bytes.Clone(aad)
	k.Value = bytes.Clone(k.Value)
	return run(ctx, t, "encrypt by a wrapped key", func(ctx context.Context, s *session) ([]byte, error) {
		w, err := t.unwrapped(ctx, s, k)
		if err != nil {
			return nil, err
		}
		defer t.letGo(s, w)
		if err := t.proveWrapped(s, w); err != nil {
			return nil, err
		}
		sealed, err := t.sealGCM(s, w.handle, own.Reveal(), aad)
		return sealed, refusedNow(err)
	}, own.Destroy)
}

// DecryptWrapped implements hsm.Token.
func (t *Token) DecryptWrapped(ctx context.Context, k hsm.WrappedKey, ciphertext, aad []byte) (*secret.Bytes, error) {
	own := slices.Concat(ciphertext, aad, k.Value) // in one piece, because this is done often
	n, m := len(ciphertext), len(ciphertext)+len(aad)
	ciphertext, aad, k.Value = own[:n], own[n:m], own[m:]
	return run(ctx, t, "decrypt by a wrapped key", func(ctx context.Context, s *session) (*secret.Bytes, error) {
		w, err := t.unwrapped(ctx, s, k)
		if err != nil {
			return nil, err
		}
		defer t.letGo(s, w)
		if err := hsm.CheckCiphertext(len(ciphertext)); err != nil {
			return nil, fmt.Errorf("key under root key %s: %w", k.RootKey, err)
		}
		plain, err := t.openGCM(s, w.handle, ciphertext, aad)
		switch {
		case err == nil:
			return secret.New(plain), nil
		case !isDoubtful(err):
			return nil, refusedNow(err)
		}
		if ill := t.onAnother(s.conn, func(s *session) error { return t.proveWrapped(s, w) }); ill != nil {
			return nil, ill
		}
		return nil, fmt.Errorf("key under root key %s: %w", k.RootKey, hsm.ErrIntegrity)
	})
}

func (t *Token) proveWrapped(s *session, w *wrappedKey) error {
	if err := t.proveCipher(s, sealer{key: w.handle}, w.witness, w.value); err != nil {
		return fmt.Errorf("key under root key %s: %w", w.root, refusedNow(err))
	}
	return nil
}

// wrappedID tells wrapped keys apart.
func wrappedID(k hsm.WrappedKey) string { return k.RootKey + "|" + string(k.Value) }

// unwrapped returns the object that a wrapped key is in the token, unwrapping it
// if this connection has not done so. The caller lets it go after its use.
func (t *Token) unwrapped(ctx context.Context, s *session, k hsm.WrappedKey) (*wrappedKey, error) {
	cache, id := s.conn.wrapped, wrappedID(k)
	if w := cache.get(id); w != nil {
		return w, nil
	}
	anchor, err := cache.lock(ctx, s.conn, t.cfg.Timeout)
	if err != nil {
		return nil, err
	}
	defer cache.unlock()
	if w := cache.get(id); w != nil {
		return w, nil
	}
	root, err := t.root(ctx, s, k.RootKey, hsm.PurposeWrap)
	if err != nil {
		return nil, err
	}
	w := &wrappedKey{root: k.RootKey, value: randomID(), users: 1}
	if w.handle, err = t.unwrap(anchor, root, k.Value); err != nil {
		if !isDoubtful(err) {
			return nil, refusedNow(err) // Wrap has unwrapped every key once
		}
		if ill := t.probe(root); ill != nil {
			return nil, ill
		}
		return nil, fmt.Errorf("wrapped key under root key %s: %w", k.RootKey, hsm.ErrIntegrity)
	}
	if w.witness, err = t.sealGCM(s, w.handle, w.value, witnessAAD); err == nil {
		err = t.proveWrapped(s, w)
	}
	if err != nil {
		_ = t.calls.DestroyObject(s.handle, w.handle) // the first error tells more
		return nil, fmt.Errorf("first use of a wrapped key: %w", refusedNow(err))
	}
	for _, old := range cache.put(id, w) {
		_ = t.calls.DestroyObject(s.handle, old) // it ends with the connection at the latest
	}
	return w, nil
}

// letGo ends one use of a wrapped key.
func (t *Token) letGo(s *session, w *wrappedKey) {
	if s.conn.wrapped.release(w) {
		_ = t.calls.DestroyObject(s.handle, w.handle) // it ends with the connection at the latest
	}
}

// lock gives the connection's anchor session to one operation: session objects
// last as long as the session that made them. If the holder has not come back for
// longer than a call may take, the connection is given up.
func (c *wrappedKeys) lock(ctx context.Context, conn *connection, timeout time.Duration) (*session, error) {
	select {
	case c.anchor <- struct{}{}:
		c.since.Store(time.Now().UnixNano())
		return &session{handle: conn.anchor, conn: conn}, nil
	case <-ctx.Done():
		if time.Since(time.Unix(0, c.since.Load())) > timeout/2 {
			c.stuck.Store(true)
		}
		return nil, ctx.Err()
	}
}

func (c *wrappedKeys) unlock() { <-c.anchor }

// unwrap brings a wrapped key into the token, sensitive and not extractable, as an
// object of the session. The mechanism that made it is tried first, and the
// others that the token has after that.
func (t *Token) unwrap(s *session, root *rootKey, wrapped []byte) (handle pkcs11.ObjectHandle, err error) {
	err = pkcs11.Error(pkcs11.CKR_WRAPPED_KEY_LEN_RANGE)
	if len(wrapped) < minWrappedBytes || len(wrapped) > maxWrappedBytes {
		return 0, err
	}
	if len(s.conn.offer.wrap) == 0 {
		return 0, errNoWrap
	}
	template := []*pkcs11.Attribute{
		attr(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY), attr(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_AES),
		attr(pkcs11.CKA_TOKEN, false), attr(pkcs11.CKA_PRIVATE, true),
		attr(pkcs11.CKA_SENSITIVE, true), attr(pkcs11.CKA_EXTRACTABLE, false),
		attr(pkcs11.CKA_ENCRYPT, true), attr(pkcs11.CKA_DECRYPT, true),
		attr(pkcs11.CKA_WRAP, false), attr(pkcs11.CKA_UNWRAP, false),
		attr(pkcs11.CKA_SIGN, false), attr(pkcs11.CKA_VERIFY, false), attr(pkcs11.CKA_DERIVE, false),
	}
	for _, m := range s.conn.offer.wrap {
		handle, err = t.calls.UnwrapKey(s.handle, mechanism(m.typ, nil), root.handle, wrapped, template)
		if errors.Is(err, pkcs11.Error(pkcs11.CKR_MECHANISM_INVALID)) {
			err = fmt.Errorf("%w: %w", err, errNoWrap)
		}
		if err == nil || !isDoubtful(err) {
			return handle, err
		}
	}
	return 0, err
}
