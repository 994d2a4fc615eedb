//go:build cgo

package pkcs11

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/miekg/pkcs11"

	"github.com/claviger/claviger/hsm"
)

// Who makes the nonce of AES-GCM, as a Token has learned it from its first seal.
const (
	nonceUnknown int32 = iota
	nonceOurs
	nonceOfToken // it takes a buffer of zeros and writes its own nonce there
)

const (
	nonceBytes = 12
	tagBits    = 128
)

var errFixedNonce = fmt.Errorf("the token refuses a nonce for AES-GCM and makes none itself, so that each seal would have the same one, which is fatal; hide AES-GCM with the maker's tool, or use another token: %w", hsm.ErrUnsupported)

// sealGCM returns nonce, ciphertext and tag. A token that refuses our nonce may
// make one itself.
func (t *Token) sealGCM(s *session, key pkcs11.ObjectHandle, plain, aad []byte) ([]byte, error) {
	nonce := make([]byte, nonceBytes)
	known := t.gcmNonce.Load()
	if known == nonceOfToken {
		return t.sealByNonce(s, key, nonce, plain, aad)
	}
	_, _ = rand.Read(nonce) // never fails
	sealed, err := t.sealByNonce(s, key, nonce, plain, aad)
	switch {
	case known == nonceOurs:
	case err == nil:
		t.gcmNonce.CompareAndSwap(nonceUnknown, nonceOurs)
	case refusesNonce(err):
		own, failed := t.sealByNonce(s, key, make([]byte, nonceBytes), plain, aad)
		if failed == nil {
			t.gcmNonce.CompareAndSwap(nonceUnknown, nonceOfToken)
			return own, nil
		}
		if errors.Is(failed, errFixedNonce) {
			err = failed
		}
	}
	return sealed, err
}

// sealByNonce seals by a nonce, or by the one that the token puts in its place:
// some do so whatever they are given. A nonce of zeros is never used.
func (t *Token) sealByNonce(s *session, key pkcs11.ObjectHandle, nonce, plain, aad []byte) ([]byte, error) {
	params := pkcs11.NewGCMParams(nonce, aad, tagBits)
	defer params.Free()
	if err := t.calls.EncryptInit(s.handle, mechanism(pkcs11.CKM_AES_GCM, params), key); err != nil {
		return nil, fmt.Errorf("AES-GCM: %w", err)
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
	if bytes.Equal(nonce, make([]byte, nonceBytes)) {
		return nil, errFixedNonce
	}
	return append(nonce, sealed...), nil
}

// refusesNonce tells whether an error may mean that the token wants to make the
// nonce itself.
func refusesNonce(err error) bool {
	for _, code := range []pkcs11.Error{pkcs11.CKR_MECHANISM_PARAM_INVALID, pkcs11.CKR_ARGUMENTS_BAD, pkcs11.CKR_DATA_INVALID} {
		if errors.Is(err, code) {
			return true
		}
	}
	return false
}
