package crypto

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"math/big"

	"github.com/claviger/claviger/kmip"
)

// ParsePrivate reads a private key: *rsa.PrivateKey, *ecdsa.PrivateKey or
// ed25519.PrivateKey.
//
// KMIP 2.1 §3.1 and §11.25 (Key Format Type): PKCS#1, PKCS#8, ECPrivateKey,
// Raw for Ed25519 (the seed), Transparent RSA and EC Private Key. An algorithm
// of 0 is not checked.
//
// Returns KindKeyFormat for other formats, KindInvalidField if the material
// does not parse or is a key of another algorithm. The result is secret.
func ParsePrivate(format kmip.KeyFormatType, alg kmip.CryptographicAlgorithm, material []byte, transparent *kmip.Item) (crypto.PrivateKey, error) {
	var key crypto.PrivateKey
	var err error
	if len(material) > maxMaterialBytes {
		return nil, errMaterial(nil)
	}
	switch format {
	case kmip.KeyFormatTypePKCS1:
		key, err = x509.ParsePKCS1PrivateKey(material)
	case kmip.KeyFormatTypePKCS8:
		key, err = x509.ParsePKCS8PrivateKey(material)
	case kmip.KeyFormatTypeECPrivateKey:
		key, err = x509.ParseECPrivateKey(material)
	case kmip.KeyFormatTypeRaw:
		key, err = parseRawPrivate(alg, material)
	case kmip.KeyFormatTypeTransparentRSAPrivateKey:
		key, err = parseTransparentRSAPrivate(transparent)
	case kmip.KeyFormatTypeTransparentECPrivateKey, kmip.KeyFormatTypeTransparentECDSAPrivateKey,
		kmip.KeyFormatTypeTransparentECDHPrivateKey, kmip.KeyFormatTypeTransparentECMQVPrivateKey:
		key, err = parseTransparentECPrivate(transparent)
	default:
		return nil, errFormat(format)
	}
	if err != nil {
		return nil, errMaterial(err)
	}
	if err := checkKind(alg, key); err != nil {
		return nil, err
	}
	return key, nil
}

// ParsePublic reads a public key: *rsa.PublicKey, *ecdsa.PublicKey or
// ed25519.PublicKey.
//
// KMIP 2.1 §3.1 and §11.25: PKCS#1, X.509 (a SubjectPublicKeyInfo), Raw for
// Ed25519, Transparent RSA and EC Public Key. Errors are those of ParsePrivate.
func ParsePublic(format kmip.KeyFormatType, alg kmip.CryptographicAlgorithm, material []byte, transparent *kmip.Item) (crypto.PublicKey, error) {
	var key crypto.PublicKey
	var err error
	if len(material) > maxMaterialBytes {
		return nil, errMaterial(nil)
	}
	switch format {
	case kmip.KeyFormatTypePKCS1:
		key, err = x509.ParsePKCS1PublicKey(material)
	case kmip.KeyFormatTypeX509:
		key, err = x509.ParsePKIXPublicKey(material)
	case kmip.KeyFormatTypeRaw:
		key, err = parseRawPublic(alg, material)
	case kmip.KeyFormatTypeTransparentRSAPublicKey:
		key, err = parseTransparentRSAPublic(transparent)
	case kmip.KeyFormatTypeTransparentECPublicKey, kmip.KeyFormatTypeTransparentECDSAPublicKey,
		kmip.KeyFormatTypeTransparentECDHPublicKey, kmip.KeyFormatTypeTransparentECMQVPublicKey:
		key, err = parseTransparentECPublic(transparent)
	default:
		return nil, errFormat(format)
	}
	if err != nil {
		return nil, errMaterial(err)
	}
	if err := checkKind(alg, key); err != nil {
		return nil, err
	}
	return key, nil
}

// transparentCurve reads the Recommended Curve of a transparent key.
func transparentCurve(t *kmip.Item) (elliptic.Curve, error) {
	f, _ := t.Field(kmip.TagRecommendedCurve)
	curve, ok := curves[kmip.RecommendedCurve(f.Uint32())]
	if !ok {
		return nil, kmip.Fail(kmip.KindParametersUnsupported, "Recommended Curve is not supported")
	}
	return curve, nil
}

// parseTransparentECPrivate reads KMIP 2.1 §3.11.
func parseTransparentECPrivate(t *kmip.Item) (*ecdsa.PrivateKey, error) {
	if t == nil {
		return nil, errMissing(kmip.TagKeyMaterial)
	}
	curve, err := transparentCurve(t)
	if err != nil {
		return nil, err
	}
	d := number(t, kmip.TagD)
	size := (curve.Params().N.BitLen() + 7) / 8
	if d == nil || d.BitLen() > 8*size {
		return nil, errMissing(kmip.TagD)
	}
	return ecdsa.ParseRawPrivateKey(curve, d.FillBytes(make([]byte, size)))
}

// parseTransparentECPublic reads KMIP 2.1 §3.12. The point may be compressed.
func parseTransparentECPublic(t *kmip.Item) (*ecdsa.PublicKey, error) {
	if t == nil {
		return nil, errMissing(kmip.TagKeyMaterial)
	}
	curve, err := transparentCurve(t)
	if err != nil {
		return nil, err
	}
	q, ok := t.Field(kmip.TagQString)
	if !ok || len(q.Bytes) == 0 {
		return nil, errMissing(kmip.TagQString)
	}
	point := q.Bytes
	if point[0] == 2 || point[0] == 3 {
		x, y := elliptic.UnmarshalCompressed(curve, point)
		if x == nil {
			return nil, errMissing(kmip.TagQString)
		}
		point = uncompressed(curve, x, y)
	}
	return ecdsa.ParseUncompressedPublicKey(curve, point)
}

func uncompressed(curve elliptic.Curve, x, y *big.Int) []byte {
	size := (curve.Params().BitSize + 7) / 8
	point := make([]byte, 1+2*size)
	point[0] = 4
	x.FillBytes(point[1 : 1+size])
	y.FillBytes(point[1+size:])
	return point
}

func errMissing(tag kmip.Tag) error {
	return kmip.Fail(kmip.KindInvalidField, "%s is missing or out of range", tag.Title())
}
