//go:build cgo

package pkcs11

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // in OAEP it is not weak, and all that some tokens have
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"math/big"

	"github.com/miekg/pkcs11"

	"github.com/claviger/claviger/hsm"
)

var errNoWrap = fmt.Errorf("the token offers no AES key wrap (RFC 3394 or 5649) beside AES-GCM; use domain keys of mode envelope with it: %w", hsm.ErrUnsupported)

// wrap brings an AES key into the token for as long as it takes to wrap it, and
// makes sure that it can be unwrapped.
func (t *Token) wrap(s *session, root *rootKey, value []byte) ([]byte, error) {
	if len(s.conn.offer.wrap) == 0 {
		return nil, errNoWrap
	}
	m := s.conn.offer.wrap[0]
	handle, err := t.bringIn(s, value)
	if err != nil {
		return nil, fmt.Errorf("bring the key into the token: %w", err)
	}
	defer func() { _ = t.calls.DestroyObject(s.handle, handle) }() // it ends with the session at the latest
	wrapped, err := t.calls.WrapKey(s.handle, mechanism(m.typ, nil), root.handle, handle)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.name, err)
	}
	same, err := t.unwrapsTo(s, root, wrapped, value)
	if err != nil && !isDoubtful(err) {
		return nil, fmt.Errorf("unwrap what was wrapped by %s: %w", m.name, err)
	}
	if !same {
		return nil, fmt.Errorf("the token's %s gave %d bytes that do not unwrap to the key: %w", m.name, len(wrapped), errIll)
	}
	return wrapped, nil
}

// unwrapsTo tells whether wrapped is a key of this value.
func (t *Token) unwrapsTo(s *session, root *rootKey, wrapped, value []byte) (bool, error) {
	handle, err := t.unwrap(s, root, wrapped)
	if err != nil {
		return false, err
	}
	defer func() { _ = t.calls.DestroyObject(s.handle, handle) }() // it ends with the session at the latest
	sealed, err := t.sealGCM(s, handle, witnessAAD, nil)
	if err != nil {
		return false, err
	}
	block, err := aes.NewCipher(value)
	if err != nil {
		return false, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return false, err
	}
	_, err = aead.Open(nil, nil, sealed, nil)
	return err == nil, nil
}

// testifyWrap makes the witness of a wrap key: a throw-away key, wrapped.
func (t *Token) testifyWrap(s *session, k *rootKey) (witness, value []byte, err error) {
	value = make([]byte, hsm.RootKeyBits/8)
	_, _ = rand.Read(value) // never fails
	witness, err = t.wrap(s, k, value)
	return witness, value, err
}

// proveWrap is proveCipher for a wrap key.
func (t *Token) proveWrap(s *session, k *rootKey) error {
	same, err := t.unwrapsTo(s, k, k.witness, k.value)
	if same {
		return nil
	}
	if err != nil && !isDoubtful(err) {
		return refusedNow(err)
	}
	if _, err := t.wrap(s, k, k.value); err != nil {
		return refusedNow(err) // errIll, if what it wraps cannot be unwrapped
	}
	return errOtherKey
}

// refused are the errors by which tokens say that a secret key must not come in
// from outside in plain.
var refused = map[pkcs11.Error]bool{
	pkcs11.CKR_ACTION_PROHIBITED:       true,
	pkcs11.CKR_FUNCTION_NOT_SUPPORTED:  true,
	pkcs11.CKR_TEMPLATE_INCONSISTENT:   true,
	pkcs11.CKR_TEMPLATE_INCOMPLETE:     true,
	pkcs11.CKR_ATTRIBUTE_TYPE_INVALID:  true,
	pkcs11.CKR_ATTRIBUTE_VALUE_INVALID: true,
	pkcs11.CKR_ATTRIBUTE_READ_ONLY:     true,
}

// transient is an AES key that is there to be wrapped.
func transient(more ...*pkcs11.Attribute) []*pkcs11.Attribute {
	return append([]*pkcs11.Attribute{
		attr(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY), attr(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_AES),
		attr(pkcs11.CKA_TOKEN, false), attr(pkcs11.CKA_PRIVATE, true),
		attr(pkcs11.CKA_SENSITIVE, true), attr(pkcs11.CKA_EXTRACTABLE, true),
		attr(pkcs11.CKA_ENCRYPT, false), attr(pkcs11.CKA_DECRYPT, false),
	}, more...)
}

// bringIn gives an AES key to the token, to be wrapped: as it is, or under an RSA
// key of the token where it refuses that.
func (t *Token) bringIn(s *session, value []byte) (pkcs11.ObjectHandle, error) {
	handle, err := t.calls.CreateObject(s.handle, transient(attr(pkcs11.CKA_VALUE, value)))
	var code pkcs11.Error
	if err == nil || !errors.As(err, &code) || !refused[code] {
		return handle, err
	}
	handle, byRSA := t.bringInByRSA(s, value)
	if byRSA != nil {
		return 0, fmt.Errorf("it refuses a key in plain (%w) and under an RSA key (%w); allow either with the maker's tool, or use domain keys of mode envelope: %w", err, byRSA, hsm.ErrUnsupported)
	}
	return handle, nil
}

// bringInByRSA encrypts the key by OAEP for an RSA key pair that the token makes
// for this, and has the token unwrap it.
func (t *Token) bringInByRSA(s *session, value []byte) (pkcs11.ObjectHandle, error) {
	exponent := []byte{1, 0, 1}
	public, private, err := t.calls.GenerateKeyPair(s.handle, mechanism(pkcs11.CKM_RSA_PKCS_KEY_PAIR_GEN, nil),
		[]*pkcs11.Attribute{
			attr(pkcs11.CKA_TOKEN, false), attr(pkcs11.CKA_WRAP, true),
			attr(pkcs11.CKA_MODULUS_BITS, 2048), attr(pkcs11.CKA_PUBLIC_EXPONENT, exponent),
		},
		[]*pkcs11.Attribute{
			attr(pkcs11.CKA_TOKEN, false), attr(pkcs11.CKA_PRIVATE, true), attr(pkcs11.CKA_SENSITIVE, true),
			attr(pkcs11.CKA_EXTRACTABLE, false), attr(pkcs11.CKA_UNWRAP, true),
			attr(pkcs11.CKA_DECRYPT, false), attr(pkcs11.CKA_SIGN, false),
		})
	if err != nil {
		return 0, err
	}
	defer func() {
		_ = t.calls.DestroyObject(s.handle, private) // they end with the session at the latest
		_ = t.calls.DestroyObject(s.handle, public)
	}()
	a, err := t.values(s, public, pkcs11.CKA_MODULUS)
	if err != nil {
		return 0, err
	}
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(a[pkcs11.CKA_MODULUS]), E: 1<<16 + 1}
	var handle pkcs11.ObjectHandle
	for _, h := range []struct {
		hash func() hash.Hash
		id   crypto.Hash
	}{{sha256.New, crypto.SHA256}, {sha1.New, crypto.SHA1}} {
		sealed, oaepErr := rsa.EncryptOAEP(h.hash(), rand.Reader, key, value, nil)
		if oaepErr != nil {
			return 0, oaepErr
		}
		handle, err = t.calls.UnwrapKey(s.handle, mechanism(pkcs11.CKM_RSA_PKCS_OAEP, oaep(h.id)), private, sealed, transient())
		if err == nil {
			return handle, nil
		}
	}
	return 0, err
}
