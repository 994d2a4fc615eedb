package soft

import (
	"context"
	"crypto/cipher"
	"fmt"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip/secret"
)

// aead finds the cipher of a seal key. The caller holds mu.
func (t *Token) aead(keyID string) (cipher.AEAD, error) {
	k, ok := t.keys[keyID]
	switch {
	case !ok:
		return nil, fmt.Errorf("root key %q: %w", keyID, hsm.ErrNotFound)
	case k.aead == nil:
		return nil, fmt.Errorf("root key %s is for %s: %w", keyID, k.purpose, hsm.ErrUnsupported)
	}
	return k.aead, nil
}

// Encrypt implements hsm.Token.
func (t *Token) Encrypt(ctx context.Context, keyID string, plaintext *secret.Bytes, aad []byte) ([]byte, error) {
	return t.encryptBy(ctx, plaintext, aad, func() (cipher.AEAD, error) { return t.aead(keyID) })
}

// Decrypt implements hsm.Token.
func (t *Token) Decrypt(ctx context.Context, keyID string, ciphertext, aad []byte) (*secret.Bytes, error) {
	return t.decryptBy(ctx, keyID, ciphertext, aad, func() (cipher.AEAD, error) { return t.aead(keyID) })
}

// encryptBy encrypts by the cipher that key gives while the token is held.
func (t *Token) encryptBy(ctx context.Context, plaintext *secret.Bytes, aad []byte, key func() (cipher.AEAD, error)) ([]byte, error) {
	if err := hsm.CheckPlaintext(plaintext.Len()); err != nil {
		return nil, err
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	if err := t.ready(ctx); err != nil {
		return nil, err
	}
	aead, err := key()
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	return aead.Seal(nil, nil, plaintext.Reveal(), aad), nil //nolint:gosec // the cipher makes the nonce itself
}

// decryptBy opens by the cipher that key gives, of or under the named root key.
func (t *Token) decryptBy(ctx context.Context, rootID string, ciphertext, aad []byte, key func() (cipher.AEAD, error)) (*secret.Bytes, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if err := t.ready(ctx); err != nil {
		return nil, err
	}
	aead, err := key()
	if err != nil {
		return nil, fmt.Errorf("decrypt: %w", err)
	}
	if err := hsm.CheckCiphertext(len(ciphertext)); err != nil {
		return nil, fmt.Errorf("decrypt under root key %s: %w", rootID, err)
	}
	plain, err := aead.Open(nil, nil, ciphertext, aad)
	if err != nil {
		return nil, fmt.Errorf("decrypt under root key %s: %w", rootID, hsm.ErrIntegrity)
	}
	return secret.New(plain), nil
}
