//go:build cgo

package pkcs11

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"

	"github.com/miekg/pkcs11"

	"github.com/claviger/claviger/hsm"
)

// Authenticated encryption for tokens that have no AES-GCM: AES-CBC with PKCS#7
// padding, then HMAC-SHA-256 under a second key. The MAC is over
//
//	version | length of aad, 8 bytes | aad | iv | ciphertext
//
// and the result is version, iv, ciphertext, MAC. What the MAC does not confirm is
// never decrypted.
const (
	etmVersion  = 1
	blockBytes  = 16
	macBytes    = 32
	macKeyBytes = 32
)

func etmInput(body, aad []byte) []byte {
	out := make([]byte, 0, 1+8+len(aad)+len(body)-1)
	out = append(out, body[0])
	out = binary.BigEndian.AppendUint64(out, uint64(len(aad)))
	out = append(out, aad...)
	return append(out, body[1:]...)
}

func (t *Token) sealEtM(s *session, c sealer, plain, aad []byte) ([]byte, error) {
	body := make([]byte, 1+blockBytes, len(plain)+hsm.MaxOverheadBytes)
	body[0] = etmVersion
	_, _ = rand.Read(body[1:]) // never fails
	if err := t.calls.EncryptInit(s.handle, mechanism(pkcs11.CKM_AES_CBC_PAD, body[1:1+blockBytes]), c.key); err != nil {
		return nil, fmt.Errorf("AES-CBC: %w", err)
	}
	sealed, err := t.calls.Encrypt(s.handle, plain)
	if err != nil {
		return nil, err
	}
	if want := (len(plain)/blockBytes + 1) * blockBytes; len(sealed) != want {
		return nil, fmt.Errorf("the token's AES-CBC gave %d bytes for %d and not %d: %w", len(sealed), len(plain), want, hsm.ErrUnsupported)
	}
	body = append(body, sealed...)
	if err := t.calls.SignInit(s.handle, mechanism(pkcs11.CKM_SHA256_HMAC, nil), c.mac); err != nil {
		return nil, fmt.Errorf("HMAC-SHA-256: %w", err)
	}
	mac, err := t.calls.Sign(s.handle, etmInput(body, aad))
	if err != nil {
		return nil, err
	}
	if len(mac) != macBytes {
		return nil, fmt.Errorf("the token's HMAC-SHA-256 gave %d bytes: %w", len(mac), hsm.ErrUnsupported)
	}
	return append(body, mac...), nil
}

func (t *Token) openEtM(s *session, c sealer, sealed, aad []byte) ([]byte, error) {
	n := len(sealed) - macBytes
	if n < 1+2*blockBytes || (n-1)%blockBytes != 0 || sealed[0] != etmVersion {
		return nil, pkcs11.Error(pkcs11.CKR_ENCRYPTED_DATA_LEN_RANGE)
	}
	body, mac := sealed[:n], sealed[n:]
	if err := t.calls.VerifyInit(s.handle, mechanism(pkcs11.CKM_SHA256_HMAC, nil), c.mac); err != nil {
		return nil, fmt.Errorf("HMAC-SHA-256: %w", err)
	}
	if err := t.calls.Verify(s.handle, etmInput(body, aad), mac); err != nil {
		return nil, err
	}
	if err := t.calls.DecryptInit(s.handle, mechanism(pkcs11.CKM_AES_CBC_PAD, body[1:1+blockBytes]), c.key); err != nil {
		return nil, fmt.Errorf("AES-CBC: %w", err)
	}
	return t.calls.Decrypt(s.handle, body[1+blockBytes:])
}
