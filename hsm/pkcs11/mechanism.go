//go:build cgo

package pkcs11

import (
	"errors"
	"fmt"

	"github.com/miekg/pkcs11"

	"github.com/claviger/claviger/hsm"
)

// The names of Capabilities.Seal.
const (
	sealGCM = "AES-GCM"
	sealEtM = "AES-CBC + HMAC-SHA-256"
)

// wrapMechanism is a mechanism that wraps keys.
type wrapMechanism struct {
	typ  uint
	name string
}

// wrapOrder are the mechanisms for wrapping, the best first.
var wrapOrder = []wrapMechanism{
	{pkcs11.CKM_AES_KEY_WRAP, "AES-KW"},
	{0x0000210B, "AES-KWP"}, // CKM_AES_KEY_WRAP_KWP of version 3.0, which the binding does not know
	{pkcs11.CKM_AES_KEY_WRAP_PAD, "AES-KW-PAD"},
}

// offer is what a token has of the mechanisms that root keys need.
type offer struct {
	generate bool
	seal     string // as Capabilities.Seal
	wrap     []wrapMechanism
	objects  []hsm.ObjectKind
}

// offers asks the token what it has.
func (t *Token) offers(slot uint) (offer, error) {
	var failed error
	can := func(mechanism, flags uint) bool {
		info, err := t.calls.GetMechanismInfo(slot, []*pkcs11.Mechanism{pkcs11.NewMechanism(mechanism, nil)})
		var code pkcs11.Error
		switch {
		case err == nil:
			return info.Flags&flags == flags
		case errors.As(err, &code) && (code == pkcs11.CKR_MECHANISM_INVALID || code == pkcs11.CKR_FUNCTION_NOT_SUPPORTED):
			return false
		case failed == nil:
			failed = fmt.Errorf("ask for mechanism 0x%x: %w", mechanism, err)
		}
		return false
	}
	const (
		crypt  = pkcs11.CKF_ENCRYPT | pkcs11.CKF_DECRYPT
		verify = pkcs11.CKF_SIGN | pkcs11.CKF_VERIFY
	)
	o := offer{generate: can(pkcs11.CKM_AES_KEY_GEN, pkcs11.CKF_GENERATE)}
	gcm, cbc := can(pkcs11.CKM_AES_GCM, crypt), can(pkcs11.CKM_AES_CBC_PAD, crypt)
	hmac := can(pkcs11.CKM_GENERIC_SECRET_KEY_GEN, pkcs11.CKF_GENERATE) && can(pkcs11.CKM_SHA256_HMAC, verify)
	switch {
	case gcm:
		o.seal = sealGCM
	case cbc && hmac:
		o.seal = sealEtM
	}
	for _, m := range wrapOrder {
		if gcm && can(m.typ, pkcs11.CKF_WRAP|pkcs11.CKF_UNWRAP) { // what is unwrapped is used by AES-GCM
			o.wrap = append(o.wrap, m)
		}
	}
	for _, k := range []struct {
		kind hsm.ObjectKind
		can  bool
	}{
		{hsm.ObjectAES, o.generate && (gcm || cbc)},
		{hsm.ObjectHMAC, hmac},
		{hsm.ObjectRSA, can(pkcs11.CKM_RSA_PKCS_KEY_PAIR_GEN, pkcs11.CKF_GENERATE_KEY_PAIR) && can(pkcs11.CKM_RSA_PKCS, pkcs11.CKF_SIGN)},
		{hsm.ObjectEC, can(pkcs11.CKM_EC_KEY_PAIR_GEN, pkcs11.CKF_GENERATE_KEY_PAIR) && can(pkcs11.CKM_ECDSA, pkcs11.CKF_SIGN)},
	} {
		if k.can {
			o.objects = append(o.objects, k.kind)
		}
	}
	return o, failed
}

func mechanism(typ uint, parameter any) []*pkcs11.Mechanism {
	return []*pkcs11.Mechanism{pkcs11.NewMechanism(typ, parameter)}
}
