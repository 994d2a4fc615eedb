//go:build cgo

package pkcs11

import (
	"bytes"
	"encoding/hex"
	"fmt"

	"github.com/miekg/pkcs11"

	"github.com/claviger/claviger/hsm"
)

// values are attributes of an object; one that the token does not tell is
// missing or nil.
type values map[uint][]byte

func (v values) yes(typ uint) bool { return len(v[typ]) == 1 && v[typ][0] == 1 }
func (v values) no(typ uint) bool  { return len(v[typ]) == 1 && v[typ][0] == 0 }

// keyAttributes describe a secret key.
var keyAttributes = append([]uint{
	pkcs11.CKA_ID, pkcs11.CKA_LABEL, pkcs11.CKA_KEY_TYPE, pkcs11.CKA_VALUE_LEN, pkcs11.CKA_CHECK_VALUE,
	pkcs11.CKA_SENSITIVE, pkcs11.CKA_EXTRACTABLE, pkcs11.CKA_ALWAYS_SENSITIVE, pkcs11.CKA_NEVER_EXTRACTABLE,
}, allUses...)

// values reads the attributes that describe a secret key, or others.
func (t *Token) values(s *session, handle pkcs11.ObjectHandle, types ...uint) (values, error) {
	if types == nil {
		types = keyAttributes
	}
	out := values{}
	for _, typ := range types {
		got, err := t.calls.GetAttributeValue(s.handle, handle, []*pkcs11.Attribute{attr(typ, nil)})
		switch {
		case err == nil && len(got) == 1:
			out[typ] = got[0].Value
		case err == nil || isUntold(err):
		case isStale(err):
			return nil, fmt.Errorf("attributes of a key: %w", err)
		default: // nothing was asked for that could be wrong
			return nil, fmt.Errorf("attributes of a key: %w: %w", err, errIll)
		}
	}
	return out, nil
}

// attributes describes a key, and returns its check value.
func (t *Token) attributes(s *session, handle pkcs11.ObjectHandle) (hsm.Key, []byte, error) {
	a, err := t.values(s, handle)
	if err != nil {
		return hsm.Key{}, nil, err
	}
	return a.key(), bytes.Clone(a[pkcs11.CKA_CHECK_VALUE]), nil
}

// key describes a root key. An attribute that the token does not tell counts
// against it.
func (v values) key() hsm.Key {
	k := hsm.Key{
		ID: hex.EncodeToString(v[pkcs11.CKA_ID]), Bits: 8 * int(ulong(v[pkcs11.CKA_VALUE_LEN])), //nolint:gosec // keys are short
		Sensitive: v.yes(pkcs11.CKA_SENSITIVE), Extractable: !v.no(pkcs11.CKA_EXTRACTABLE),
		AlwaysSensitive: v.yes(pkcs11.CKA_ALWAYS_SENSITIVE), NeverExtractable: v.yes(pkcs11.CKA_NEVER_EXTRACTABLE),
		Encrypt: v.yes(pkcs11.CKA_ENCRYPT), Decrypt: v.yes(pkcs11.CKA_DECRYPT),
		Wrap: v.yes(pkcs11.CKA_WRAP), Unwrap: v.yes(pkcs11.CKA_UNWRAP),
	}
	for p, label := range labels {
		if string(v[pkcs11.CKA_LABEL]) == label {
			k.Purpose = p
		}
	}
	if ulong(v[pkcs11.CKA_KEY_TYPE]) != pkcs11.CKK_AES || len(v[pkcs11.CKA_KEY_TYPE]) == 0 {
		k.Bits = 0 // not an AES key at all
	}
	for _, other := range []struct {
		typ  uint
		name string
	}{{pkcs11.CKA_SIGN, "sign"}, {pkcs11.CKA_VERIFY, "verify"}, {pkcs11.CKA_DERIVE, "derive"}} {
		if v.yes(other.typ) {
			k.Other = append(k.Other, other.name)
		}
	}
	return k
}
