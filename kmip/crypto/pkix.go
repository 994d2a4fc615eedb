package crypto

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"

	"github.com/claviger/claviger/kmip"
)

// PKCS#8 (RFC 5958) and SubjectPublicKeyInfo (RFC 5280 §4.1.2.7) of the keys
// that crypto/x509 does not know. It reads and writes all others.

type (
	privateKeyInfo struct {
		Version   int
		Algorithm pkix.AlgorithmIdentifier
		Key       []byte
	}
	publicKeyInfo struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	// pkixParser makes keys of what the two structures hold, for one algorithm.
	pkixParser struct {
		private func(parameters, key []byte) (otherPrivate, error)
		public  func(parameters, key []byte) (otherKey, error)
	}
)

// pkixParsers are the algorithms by object identifier.
var pkixParsers = func() map[string]pkixParser {
	all := map[string]pkixParser{
		oidDSA:     {parseDSAPrivate, parseDSAPublic},
		oidDHPKCS3: {parseDHPrivate(parsePKCS3), parseDHPublic(parsePKCS3)},
		oidDHX942:  {parseDHPrivate(parseX942), parseDHPublic(parseX942)},
		oidECKey:   {parseKoblitzPKCS8, parseKoblitzSPKI},
		oidEd448:   {curvePrivate(newEd448Private), barePublic(newEd448Public)},
		oidX448:    {curvePrivate(newX448Private), barePublic(newX448Public)},
	}
	for _, a := range quantumAlgorithms {
		all[a.oid] = pkixParser{a.pkcs8, barePublic(a.public)}
	}
	return all
}()

// parsePKCS8 reads a PrivateKeyInfo.
func parsePKCS8(der []byte) (any, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err == nil {
		return key, nil
	}
	var info privateKeyInfo
	if unmarshal(der, &info) != nil {
		return nil, err
	}
	parser, ok := pkixParsers[info.Algorithm.Algorithm.String()]
	if !ok {
		return nil, err
	}
	defer clear(info.Key)
	return parser.private(info.Algorithm.Parameters.FullBytes, info.Key)
}

// parseSPKI reads a SubjectPublicKeyInfo.
func parseSPKI(der []byte) (any, error) {
	key, err := x509.ParsePKIXPublicKey(der)
	if k, ok := key.(*x509DSAPublic); ok {
		return newDSAPublic(k)
	}
	if err == nil {
		return key, nil
	}
	var info publicKeyInfo
	if unmarshal(der, &info) != nil {
		return nil, err
	}
	parser, ok := pkixParsers[info.Algorithm.Algorithm.String()]
	if !ok || info.Key.BitLength%8 != 0 {
		return nil, err
	}
	return parser.public(info.Algorithm.Parameters.FullBytes, info.Key.Bytes)
}

// marshalPKCS8 writes a PrivateKeyInfo of version 1; nil if the key was not
// written.
func marshalPKCS8(oid string, parameters, key []byte) []byte {
	defer clear(key)
	if key == nil {
		return nil
	}
	der, err := asn1.Marshal(privateKeyInfo{0, algorithmIdentifier(oid, parameters), key})
	if err != nil {
		return nil
	}
	return der
}

// marshalSPKI writes a SubjectPublicKeyInfo.
func marshalSPKI(oid string, parameters, key []byte) []byte {
	if key == nil {
		return nil
	}
	der, err := asn1.Marshal(publicKeyInfo{algorithmIdentifier(oid, parameters), asn1.BitString{Bytes: key, BitLength: 8 * len(key)}})
	if err != nil {
		return nil
	}
	return der
}

// algorithmIdentifier makes one; parameters of nil are left out.
func algorithmIdentifier(oid string, parameters []byte) pkix.AlgorithmIdentifier {
	return pkix.AlgorithmIdentifier{Algorithm: parseOID(oid), Parameters: asn1.RawValue{FullBytes: parameters}}
}

// marshal writes ASN.1; nil if that is not possible.
func marshal(value any) []byte {
	der, err := asn1.Marshal(value)
	if err != nil {
		return nil
	}
	return der
}

// integer reads an INTEGER in DER that is positive and not too large; nil if it
// is none.
func integer(der []byte) *big.Int {
	n := new(big.Int)
	if len(der) > maxNumberBytes+8 || unmarshal(der, &n) != nil || n.Sign() <= 0 {
		return nil
	}
	return n
}

// isBetween reports whether low < n < high.
func isBetween(n *big.Int, low int64, high *big.Int) bool {
	return n != nil && n.Cmp(big.NewInt(low)) > 0 && n.Cmp(high) < 0
}

// isKeyNumber reports whether a number is fit as the modulus of DSA or DH.
func isKeyNumber(p *big.Int) bool {
	return p != nil && p.Sign() > 0 && p.Bit(0) == 1 && p.BitLen() >= minGroupBits && p.BitLen() <= maxGroupBits
}

// Bounds of the moduli of DSA and DH.
const (
	minGroupBits = 512
	maxGroupBits = 8192
)

// bigIntegerBytes makes a Big Integer of a number in big-endian order.
func bigIntegerBytes(tag kmip.Tag, n []byte) kmip.Item {
	return bigInteger(tag, new(big.Int).SetBytes(n))
}

// transparent makes the Key Material of a transparent format; a number that is
// nil is left out.
func transparent(fields ...kmip.Item) *kmip.Item {
	t := kmip.Structure(kmip.TagKeyMaterial)
	for _, f := range fields {
		if f.Tag != 0 {
			t.Items = append(t.Items, f)
		}
	}
	return &t
}

// optional is the field of a number, or none for nil.
func optional(tag kmip.Tag, n *big.Int) kmip.Item {
	if n == nil {
		return kmip.Item{}
	}
	return bigInteger(tag, n)
}
