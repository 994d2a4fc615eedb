package soft

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"fmt"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/hsm/keywrap"
	"github.com/claviger/claviger/kmip/secret"
)

// wrapName is what the software token wraps by: RFC 3394.
const wrapName = "AES-KW"

// Wrap implements hsm.Token.
func (t *Token) Wrap(ctx context.Context, keyID string, value *secret.Bytes) (hsm.WrappedKey, error) {
	if value.Len() != hsm.RootKeyBits/8 {
		return hsm.WrappedKey{}, fmt.Errorf("wrap a key of %d bytes, only %d are taken: %w", value.Len(), hsm.RootKeyBits/8, hsm.ErrUnsupported)
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	if err := t.ready(ctx); err != nil {
		return hsm.WrappedKey{}, err
	}
	root, err := t.wrapKey(keyID)
	if err != nil {
		return hsm.WrappedKey{}, fmt.Errorf("wrap: %w", err)
	}
	wrapped, err := keywrap.Wrap(root, value)
	if err != nil {
		return hsm.WrappedKey{}, fmt.Errorf("wrap under root key %s: %w", keyID, err)
	}
	return hsm.WrappedKey{RootKey: keyID, Value: wrapped}, nil
}

// EncryptWrapped implements hsm.Token.
func (t *Token) EncryptWrapped(ctx context.Context, k hsm.WrappedKey, plaintext *secret.Bytes, aad []byte) ([]byte, error) {
	return t.encryptBy(ctx, plaintext, aad, func() (cipher.AEAD, error) { return t.unwrapped(k) })
}

// DecryptWrapped implements hsm.Token.
func (t *Token) DecryptWrapped(ctx context.Context, k hsm.WrappedKey, ciphertext, aad []byte) (*secret.Bytes, error) {
	return t.decryptBy(ctx, k.RootKey, ciphertext, aad, func() (cipher.AEAD, error) { return t.unwrapped(k) })
}

// wrapKey finds the value of a wrap key. The caller holds mu.
func (t *Token) wrapKey(keyID string) (*secret.Bytes, error) {
	k, ok := t.keys[keyID]
	switch {
	case !ok:
		return nil, fmt.Errorf("root key %q: %w", keyID, hsm.ErrNotFound)
	case k.purpose != hsm.PurposeWrap:
		return nil, fmt.Errorf("root key %s is for %s: %w", keyID, k.purpose, hsm.ErrUnsupported)
	}
	return k.value, nil
}

// unwrapped is the cipher of a wrapped key. Unwrapping costs this token no more
// than keeping would, so nothing is kept. The caller holds mu.
func (t *Token) unwrapped(k hsm.WrappedKey) (cipher.AEAD, error) {
	root, err := t.wrapKey(k.RootKey)
	if err != nil {
		return nil, err
	}
	value, err := keywrap.Unwrap(root, k.Value)
	if err != nil {
		return nil, fmt.Errorf("key under root key %s: %w", k.RootKey, err)
	}
	defer value.Destroy()
	if value.Len() != hsm.RootKeyBits/8 {
		return nil, fmt.Errorf("key of %d bytes under root key %s: %w", value.Len(), k.RootKey, hsm.ErrIntegrity)
	}
	block, err := aes.NewCipher(value.Reveal())
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
