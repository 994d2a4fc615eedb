//go:build cgo

package pkcs11

import (
	"bytes"
	"context"
	"fmt"

	"github.com/miekg/pkcs11"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip/secret"
)

var witnessAAD = []byte("claviger witness")

// Encrypt implements hsm.Token.
func (t *Token) Encrypt(ctx context.Context, keyID string, plaintext *secret.Bytes, aad []byte) ([]byte, error) {
	if err := hsm.CheckPlaintext(plaintext.Len()); err != nil {
		return nil, err
	}
	own, aad := plaintext.Clone(), bytes.Clone(aad)
	return run(ctx, t, "encrypt", func(ctx context.Context, s *session) ([]byte, error) {
		k, err := t.root(ctx, s, keyID, hsm.PurposeSeal)
		if err != nil {
			return nil, err
		}
		// Sealing under a key that is not what it seems would lose data, and
		// sealing is rare: let the key prove itself each time.
		if err := t.prove(s, k); err != nil {
			return nil, err
		}
		return t.seal(s, k.cipher(), own.Reveal(), aad)
	}, own.Destroy)
}

// Decrypt implements hsm.Token.
func (t *Token) Decrypt(ctx context.Context, keyID string, ciphertext, aad []byte) (*secret.Bytes, error) {
	ciphertext, aad = bytes.Clone(ciphertext), bytes.Clone(aad)
	return run(ctx, t, "decrypt", func(ctx context.Context, s *session) (*secret.Bytes, error) {
		k, err := t.root(ctx, s, keyID, hsm.PurposeSeal)
		if err != nil {
			return nil, err
		}
		if err := hsm.CheckCiphertext(len(ciphertext)); err != nil {
			return nil, fmt.Errorf("root key %s: %w", keyID, err)
		}
		plain, err := t.open(s, k.cipher(), ciphertext, aad)
		switch {
		case err == nil:
			return secret.New(plain), nil
		case !isDoubtful(err):
			return nil, err
		}
		// Either the ciphertext is wrong or the token is ill: what the key
		// opens for certain tells which.
		if ill := t.probe(k); ill != nil {
			return nil, ill
		}
		return nil, fmt.Errorf("root key %s: %w", keyID, hsm.ErrIntegrity)
	})
}

// sealer is what authenticated encryption is done with: an AES key by GCM, or an
// AES key and one for the MAC, by CBC and HMAC.
type sealer struct{ key, mac pkcs11.ObjectHandle }

func (k *rootKey) cipher() sealer { return sealer{k.handle, k.mac} }

// seal and open are the two halves of authenticated encryption. A seal key that
// has a partner for the MAC always works by CBC and HMAC, so that the key says
// how a ciphertext was made.
func (t *Token) seal(s *session, c sealer, plain, aad []byte) ([]byte, error) {
	if c.mac != 0 {
		return t.sealEtM(s, c, plain, aad)
	}
	return t.sealGCM(s, c.key, plain, aad)
}

func (t *Token) open(s *session, c sealer, sealed, aad []byte) ([]byte, error) {
	if c.mac != 0 {
		return t.openEtM(s, c, sealed, aad)
	}
	return t.openGCM(s, c.key, sealed, aad)
}

// proveCipher returns nil if the key opens its witness, errOtherKey if it does
// not although the token is well, and else the token's error or errIll.
func (t *Token) proveCipher(s *session, c sealer, witness, value []byte) error {
	got, err := t.open(s, c, witness, witnessAAD)
	if err == nil && bytes.Equal(got, value) {
		return nil
	}
	if err != nil && !isDoubtful(err) {
		return err
	}
	again, err := t.seal(s, c, value, witnessAAD)
	if err == nil {
		got, err = t.open(s, c, again, witnessAAD)
	}
	if err != nil || !bytes.Equal(got, value) {
		return errIll
	}
	return errOtherKey
}

func (t *Token) openGCM(s *session, key pkcs11.ObjectHandle, sealed, aad []byte) ([]byte, error) {
	params := pkcs11.NewGCMParams(sealed[:nonceBytes], aad, tagBits)
	defer params.Free()
	if err := t.calls.DecryptInit(s.handle, mechanism(pkcs11.CKM_AES_GCM, params), key); err != nil {
		return nil, fmt.Errorf("AES-GCM: %w", err)
	}
	return t.calls.Decrypt(s.handle, sealed[nonceBytes:])
}
