package crypto

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"math/big"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
)

// KeyMaterial is the Key Material of a key in one Key Format Type (KMIP 2.1
// §3.1): bytes, or a structure in the transparent formats. Both are secret,
// for public keys too, and the caller's to destroy.
type KeyMaterial struct {
	Format      kmip.KeyFormatType
	Bytes       *secret.Bytes
	Transparent *kmip.Item
	LengthBits  int32 // Cryptographic Length
}

// Length returns the Cryptographic Length of a parsed key in bits: of the
// modulus for RSA, of the field for elliptic curves. 0 for an unknown type.
func Length(key any) int32 {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		return int32(k.N.BitLen()) //nolint:gosec // small
	case *rsa.PublicKey:
		return int32(k.N.BitLen()) //nolint:gosec // small
	case *ecdsa.PrivateKey:
		return int32(k.Curve.Params().BitSize) //nolint:gosec // small
	case *ecdsa.PublicKey:
		return int32(k.Curve.Params().BitSize) //nolint:gosec // small
	case ed25519.PrivateKey, ed25519.PublicKey, *ecdh.PrivateKey, *ecdh.PublicKey:
		return 256
	case *x509DSAPublic:
		return int32(k.P.BitLen()) //nolint:gosec // small
	case otherKey:
		return k.lengthBits()
	default:
		return 0
	}
}

// AlgorithmOf returns the Cryptographic Algorithm of a parsed key; 0 for an
// unknown type. Elliptic curves are ECDSA, which all versions have.
func AlgorithmOf(key any) kmip.CryptographicAlgorithm {
	switch k := key.(type) {
	case *rsa.PrivateKey, *rsa.PublicKey:
		return kmip.CryptographicAlgorithmRSA
	case *ecdsa.PrivateKey, *ecdsa.PublicKey:
		return kmip.CryptographicAlgorithmECDSA
	case ed25519.PrivateKey, ed25519.PublicKey:
		return kmip.CryptographicAlgorithmEd25519
	case *ecdh.PrivateKey, *ecdh.PublicKey: // X25519 has no name of its own
		return kmip.CryptographicAlgorithmECDH
	case *x509DSAPublic:
		return kmip.CryptographicAlgorithmDSA
	case otherKey:
		return k.algorithm()
	default:
		return 0
	}
}

// isEC reports whether keys of the algorithm are points of a curve.
func isEC(a kmip.CryptographicAlgorithm) bool {
	switch a {
	case kmip.CryptographicAlgorithmEC, kmip.CryptographicAlgorithmECDSA, kmip.CryptographicAlgorithmECDH, kmip.CryptographicAlgorithmECMQV:
		return true
	default:
		return false
	}
}

// isEdwards reports whether keys of the algorithm are on the curves that EC and
// ECDSA keys of clients may be on by name (CURVE25519, CURVE448).
func isEdwards(a kmip.CryptographicAlgorithm) bool {
	return a == kmip.CryptographicAlgorithmEd25519 || a == kmip.CryptographicAlgorithmEd448
}

// checkKind refuses a parsed key of a type that is not used here, and one that
// is not of the algorithm that its object claims; 0 claims nothing.
func checkKind(a kmip.CryptographicAlgorithm, key any) error {
	got := AlgorithmOf(key)
	if got == 0 {
		return kmip.Fail(kmip.KindKeyFormat, "this type of key is not supported")
	}
	if a == 0 || a == got || isEC(a) && isEC(got) || isEC(a) && isEdwards(got) {
		return nil
	}
	return kmip.Fail(kmip.KindInvalidField, "the Key Material is not that of a key for %v", a)
}

func errFormat(f kmip.KeyFormatType) error {
	return kmip.Fail(kmip.KindKeyFormat, "Key Format Type %v is not possible for this key", f)
}

// errMaterial makes the failure for material that does not parse; a cause that
// is a failure itself says it better.
func errMaterial(cause error) error {
	var f *kmip.Failure
	if errors.As(cause, &f) {
		return f
	}
	return kmip.FailFrom(cause, kmip.KindInvalidField, "the Key Material does not fit its Key Format Type")
}

// curves are the Recommended Curves (KMIP 2.1 §11.45) that are there.
var curves = map[kmip.RecommendedCurve]elliptic.Curve{
	kmip.RecommendedCurveP224: elliptic.P224(),
	kmip.RecommendedCurveP256: elliptic.P256(),
	kmip.RecommendedCurveP384: elliptic.P384(),
	kmip.RecommendedCurveP521: elliptic.P521(),
}

// curveOf names a curve; 0 if it has no name here.
func curveOf(c elliptic.Curve) kmip.RecommendedCurve {
	for name, curve := range curves {
		if curve == c {
			return name
		}
	}
	return 0
}

// symmetricBytes returns the key of a symmetric format; it aliases what is
// given.
func symmetricBytes(format kmip.KeyFormatType, material []byte, transparent *kmip.Item) ([]byte, error) {
	switch format {
	case 0, kmip.KeyFormatTypeRaw, kmip.KeyFormatTypeOpaque:
		return material, nil
	case kmip.KeyFormatTypeTransparentSymmetricKey:
		if transparent == nil {
			return nil, errMaterial(nil)
		}
		key, ok := transparent.Field(kmip.TagKey)
		if !ok || key.Type != kmip.TypeByteString {
			return nil, errMaterial(nil)
		}
		return key.Bytes, nil
	default:
		return nil, errFormat(format)
	}
}

// What is read as an asymmetric key is bounded, because the time that checking
// takes grows with the cube of the size: 16,384 bits, and what PKCS#8 makes of
// an RSA key of that size.
const (
	maxNumberBytes   = 2048 + 8
	maxMaterialBytes = 16 << 10
)

// bigInteger makes a Big Integer of a number that is not negative: two's
// complement in a multiple of eight bytes (KMIP 2.1 §10.1.2).
func bigInteger(tag kmip.Tag, n *big.Int) kmip.Item {
	return kmip.Item{Tag: tag, Type: kmip.TypeBigInteger, Bytes: n.FillBytes(make([]byte, 8*(n.BitLen()/64+1)))}
}

// number reads a Big Integer field that is positive; nil when it is not there,
// not positive, or larger than any key.
func number(structure *kmip.Item, tag kmip.Tag) *big.Int {
	f, ok := structure.Field(tag)
	if !ok || f.Type != kmip.TypeBigInteger || len(f.Bytes) == 0 || f.Bytes[0] >= 0x80 || len(f.Bytes) > maxNumberBytes {
		return nil
	}
	n := new(big.Int).SetBytes(f.Bytes)
	if n.Sign() == 0 {
		return nil
	}
	return n
}
