//go:build cgo

package pkcs11

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"github.com/miekg/pkcs11"

	"github.com/claviger/claviger/hsm"
)

// ObjectEncrypt implements hsm.Token. An RSA object encrypts by its public half.
func (t *Token) ObjectEncrypt(ctx context.Context, id string, r hsm.CipherRequest) ([]byte, error) {
	r = ownCipher(r)
	return run(ctx, t, "encrypt by an object", func(_ context.Context, s *session) ([]byte, error) {
		return t.withObject(s, id, func(o *object) ([]byte, error) {
			if err := checkCipher(o, r); err != nil {
				return nil, err
			}
			out, err := t.objectEncrypt(s, o, r)
			return out, t.objectError(s, o, r, err, hsm.ErrUnsupported)
		})
	})
}

// ObjectDecrypt implements hsm.Token.
func (t *Token) ObjectDecrypt(ctx context.Context, id string, r hsm.CipherRequest) ([]byte, error) {
	r = ownCipher(r)
	return run(ctx, t, "decrypt by an object", func(_ context.Context, s *session) ([]byte, error) {
		return t.withObject(s, id, func(o *object) ([]byte, error) {
			if err := checkCipher(o, r); err != nil {
				return nil, err
			}
			if r.Mode == hsm.ModeCBCPad && (len(r.Data) == 0 || len(r.Data)%blockBytes != 0) ||
				r.Mode == hsm.ModeGCM && len(r.Data) < r.TagBits/8 {
				return nil, fmt.Errorf("object %s: %d bytes cannot be a ciphertext: %w", id, len(r.Data), hsm.ErrIntegrity)
			}
			out, err := t.objectDecrypt(s, o, r)
			return out, t.objectError(s, o, r, err, hsm.ErrIntegrity)
		})
	})
}

func ownCipher(r hsm.CipherRequest) hsm.CipherRequest {
	r.IV, r.AAD, r.Data = bytes.Clone(r.IV), bytes.Clone(r.AAD), bytes.Clone(r.Data)
	return r
}

// checkCipher returns hsm.ErrUnsupported unless a request makes sense for an
// object.
func checkCipher(o *object, r hsm.CipherRequest) error {
	unfit := ""
	switch r.Mode {
	case hsm.ModeGCM:
		if len(r.IV) == 0 || !slices.Contains([]int{32, 64, 96, 104, 112, 120, 128}, r.TagBits) {
			unfit = "that nonce or tag"
		}
	case hsm.ModeCBC, hsm.ModeCBCPad, hsm.ModeCTR:
		if len(r.IV) != blockBytes {
			unfit = "that initialisation vector"
		}
	case hsm.ModeECB:
		if len(r.IV) != 0 {
			unfit = "an initialisation vector"
		}
	case hsm.ModeOAEP:
		if _, ok := hashMechanisms[r.Hash]; !ok {
			unfit = "that hash"
		}
	case hsm.ModePKCS1:
	default:
		unfit = "an unknown mode"
	}
	kind := hsm.ObjectAES
	if r.Mode == hsm.ModeOAEP || r.Mode == hsm.ModePKCS1 {
		kind = hsm.ObjectRSA
	}
	switch {
	case unfit != "":
	case o.kind != kind:
		unfit = "an object of kind " + string(o.kind)
	case r.Mode != hsm.ModeGCM && len(r.AAD) > 0:
		unfit = "associated data"
	case (r.Mode == hsm.ModeCBC || r.Mode == hsm.ModeECB) && (len(r.Data) == 0 || len(r.Data)%blockBytes != 0):
		unfit = "other than whole blocks"
	}
	if unfit != "" {
		return fmt.Errorf("object %s: %q with %s: %w", o.id, r.Mode, unfit, hsm.ErrUnsupported)
	}
	return nil
}

// cipherMechanism is how PKCS#11 calls a mode. The parameters of GCM, in which the
// token may put a nonce of its own, are to be freed after the operation.
func cipherMechanism(r hsm.CipherRequest) (m []*pkcs11.Mechanism, gcm *pkcs11.GCMParams) {
	switch r.Mode {
	case hsm.ModeGCM:
		gcm = pkcs11.NewGCMParams(r.IV, r.AAD, r.TagBits)
		return mechanism(pkcs11.CKM_AES_GCM, gcm), gcm
	case hsm.ModeCBC:
		return mechanism(pkcs11.CKM_AES_CBC, r.IV), nil
	case hsm.ModeCBCPad:
		return mechanism(pkcs11.CKM_AES_CBC_PAD, r.IV), nil
	case hsm.ModeCTR: // CK_AES_CTR_PARAMS: the bits of the counter, and its block
		return mechanism(pkcs11.CKM_AES_CTR, append(attr(0, 8*blockBytes).Value, r.IV...)), nil
	case hsm.ModeECB:
		return mechanism(pkcs11.CKM_AES_ECB, nil), nil
	case hsm.ModeOAEP:
		return mechanism(pkcs11.CKM_RSA_PKCS_OAEP, oaep(r.Hash)), nil
	default:
		return mechanism(pkcs11.CKM_RSA_PKCS, nil), nil
	}
}

func (t *Token) objectEncrypt(s *session, o *object, r hsm.CipherRequest) ([]byte, error) {
	key := o.handle
	if objectKinds[o.kind].pair {
		key = o.public
	}
	m, gcm := cipherMechanism(r)
	defer gcm.Free()
	if err := t.calls.EncryptInit(s.handle, m, key); err != nil {
		return nil, initError(string(r.Mode), err)
	}
	out, err := t.calls.Encrypt(s.handle, r.Data)
	if err == nil && gcm != nil && !bytes.Equal(gcm.IV(), r.IV) {
		return nil, fmt.Errorf("the token takes no nonce from outside: %w", hsm.ErrUnsupported)
	}
	return out, err
}

func (t *Token) objectDecrypt(s *session, o *object, r hsm.CipherRequest) ([]byte, error) {
	m, gcm := cipherMechanism(r)
	defer gcm.Free()
	if err := t.calls.DecryptInit(s.handle, m, o.handle); err != nil {
		return nil, initError(string(r.Mode), err)
	}
	return t.calls.Decrypt(s.handle, r.Data)
}

// initError tells a token that refuses parameters from one that is ill: before
// any data is given, nothing else explains these errors.
func initError(what string, err error) error {
	if refusesNonce(err) || errors.Is(err, pkcs11.Error(pkcs11.CKR_DATA_LEN_RANGE)) {
		return fmt.Errorf("%s: the token does not take these parameters: %w: %w", what, err, hsm.ErrUnsupported)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// objectError says what a doubtful error of an object means: kind, if the token
// still does the same with data that is certainly right, and that it is ill if
// not.
func (t *Token) objectError(s *session, o *object, r hsm.CipherRequest, err, kind error) error {
	if err == nil || !isDoubtful(err) {
		return err
	}
	if ill := t.onAnother(s.conn, func(s *session) error { return t.probeObject(s, o, r) }); ill != nil {
		return ill
	}
	return fmt.Errorf("object %s: %w", o.id, kind)
}

// probeObject returns nil if the object is the one that it was and works with
// known data, where it can be given some, and the token works at all.
func (t *Token) probeObject(s *session, o *object, r hsm.CipherRequest) error {
	a, err := t.values(s, o.handle, pkcs11.CKA_ID, pkcs11.CKA_LABEL)
	if err != nil {
		return err
	}
	if fmt.Sprintf("%x", a[pkcs11.CKA_ID]) != o.id || string(a[pkcs11.CKA_LABEL]) != objectLabel {
		return fmt.Errorf("object %s: %w", o.id, errOtherKey)
	}
	known := bytes.Repeat([]byte{0x5a}, blockBytes)
	if o.encrypts {
		r.Data = known
		r.IV = bytes.Clone(r.IV)
		_, _ = rand.Read(r.IV) // never a nonce that was used; never fails
		sealed, err := t.objectEncrypt(s, o, r)
		if err == nil {
			r.Data = sealed
			sealed, err = t.objectDecrypt(s, o, r)
		}
		if err == nil && bytes.Equal(sealed, known) {
			return nil
		}
		var code pkcs11.Error
		oneHalf := errors.As(err, &code) && code == pkcs11.CKR_KEY_FUNCTION_NOT_PERMITTED
		if !oneHalf && !errors.Is(err, hsm.ErrUnsupported) { // as of a token that makes nonces itself
			return errIll
		}
	}
	return t.probeAny(s)
}

// probeAny returns nil if the token encrypts and decrypts by a key that it makes
// for this.
func (t *Token) probeAny(s *session) error {
	template := []*pkcs11.Attribute{
		attr(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY), attr(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_AES), attr(pkcs11.CKA_VALUE_LEN, 32),
		attr(pkcs11.CKA_TOKEN, false), attr(pkcs11.CKA_ENCRYPT, true), attr(pkcs11.CKA_DECRYPT, true),
		attr(pkcs11.CKA_SENSITIVE, true), attr(pkcs11.CKA_EXTRACTABLE, false),
	}
	handle, err := t.calls.GenerateKey(s.handle, mechanism(pkcs11.CKM_AES_KEY_GEN, nil), template)
	if err != nil {
		return err
	}
	defer func() { _ = t.calls.DestroyObject(s.handle, handle) }() // it ends with the session at the latest
	r := hsm.CipherRequest{Mode: hsm.ModeCBCPad, IV: make([]byte, blockBytes), Data: []byte("known")}
	o := &object{kind: hsm.ObjectAES, handle: handle}
	sealed, err := t.objectEncrypt(s, o, r)
	if err == nil {
		r.Data = sealed
		sealed, err = t.objectDecrypt(s, o, r)
	}
	if err != nil || string(sealed) != "known" {
		return errIll
	}
	return nil
}
