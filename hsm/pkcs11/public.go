//go:build cgo

package pkcs11

import (
	"crypto/ecdh"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"math/big"

	"github.com/miekg/pkcs11"

	"github.com/claviger/claviger/hsm"
)

// curve is a named curve: as PKCS#11 wants it, and as Go has it.
type curve struct {
	parameters []byte
	ecdh       ecdh.Curve
}

// curves are the curves by their bits.
var curves = map[int]curve{
	256: {oid(1, 2, 840, 10045, 3, 1, 7), ecdh.P256()},
	384: {oid(1, 3, 132, 0, 34), ecdh.P384()},
	521: {oid(1, 3, 132, 0, 35), ecdh.P521()},
}

func oid(arcs ...int) []byte {
	der, err := asn1.Marshal(asn1.ObjectIdentifier(arcs))
	if err != nil {
		panic(err) // the arcs are constants
	}
	return der
}

// publicKey reads the public half of a pair as SubjectPublicKeyInfo.
func (t *Token) publicKey(s *session, o *object) ([]byte, error) {
	a, err := t.values(s, o.public, pkcs11.CKA_MODULUS, pkcs11.CKA_PUBLIC_EXPONENT, pkcs11.CKA_EC_PARAMS, pkcs11.CKA_EC_POINT)
	if err != nil {
		return nil, err
	}
	if o.kind == hsm.ObjectRSA {
		exponent := new(big.Int).SetBytes(a[pkcs11.CKA_PUBLIC_EXPONENT])
		key := &rsa.PublicKey{N: new(big.Int).SetBytes(a[pkcs11.CKA_MODULUS]), E: int(exponent.Int64())}
		if key.N.Sign() <= 0 || !exponent.IsInt64() || exponent.BitLen() > 31 || key.E < 3 {
			return nil, fmt.Errorf("the token gave no RSA public key: %w", hsm.ErrUnavailable)
		}
		o.bits = key.N.BitLen()
		return x509.MarshalPKIXPublicKey(key)
	}
	for bits, c := range curves {
		if string(c.parameters) != string(a[pkcs11.CKA_EC_PARAMS]) {
			continue
		}
		point := a[pkcs11.CKA_EC_POINT]
		var inner []byte // the standard wants an OCTET STRING; some tokens give the point as it is
		if rest, err := asn1.Unmarshal(point, &inner); err == nil && len(rest) == 0 {
			point = inner
		}
		key, err := c.ecdh.NewPublicKey(point)
		if err != nil {
			return nil, fmt.Errorf("the token gave no point of the curve: %w: %w", err, hsm.ErrUnavailable)
		}
		o.bits = bits
		return x509.MarshalPKIXPublicKey(key)
	}
	return nil, fmt.Errorf("the token gave a key of an unknown curve: %w", hsm.ErrUnsupported)
}
