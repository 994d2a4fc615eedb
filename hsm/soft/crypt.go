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
	if err := hsm.CheckPlaintext(plaintext.Len()); err != nil {
		return nil, err
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	if err := t.ready(ctx); err != nil {
		return nil, err
	}
	aead, err := t.aead(keyID)
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	return aead.Seal(nil, nil, plaintext.Reveal(), aad), nil //nolint:gosec // the cipher makes the nonce itself
}

// Decrypt implements hsm.Token.
func (t *Token) Decrypt(ctx context.Context, keyID string, ciphertext, aad []byte) (*secret.Bytes, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if err := t.ready(ctx); err != nil {
		return nil, err
	}
	aead, err := t.aead(keyID)
	if err != nil {
		return nil, fmt.Errorf("decrypt: %w", err)
	}
	if err := hsm.CheckCiphertext(len(ciphertext)); err != nil {
		return nil, fmt.Errorf("decrypt under root key %s: %w", keyID, err)
	}
	plain, err := aead.Open(nil, nil, ciphertext, aad)
	if err != nil {
		return nil, fmt.Errorf("decrypt under root key %s: %w", keyID, hsm.ErrIntegrity)
	}
	return secret.New(plain), nil
}
