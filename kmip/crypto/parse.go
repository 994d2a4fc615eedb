package crypto

import (
	"crypto"
	"crypto/x509"

	"github.com/claviger/claviger/kmip"
)

// ParsePrivate reads a private key: *rsa.PrivateKey, *ecdsa.PrivateKey,
// ed25519.PrivateKey, *ecdh.PrivateKey for X25519, or one of this package for
// the algorithms that the standard library has no type for.
//
// KMIP 2.1 §3.1 and §11.25 (Key Format Type): PKCS#1, PKCS#8, ECPrivateKey, Raw
// for algorithms whose standard says what the bytes are, and the transparent
// formats, also those of 1.x for ECDSA, ECDH and ECMQV. An algorithm of 0 is
// not checked.
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
		key, err = parsePKCS8(material)
	case kmip.KeyFormatTypeECPrivateKey:
		if key, err = x509.ParseECPrivateKey(material); err != nil {
			if k, otherErr := parseKoblitzECPrivateKey(material, nil); otherErr == nil {
				key, err = k, nil
			}
		}
	case kmip.KeyFormatTypeRaw:
		key, err = parseRawPrivate(alg, material)
	case kmip.KeyFormatTypeTransparentRSAPrivateKey:
		key, err = parseTransparentRSAPrivate(transparent)
	case kmip.KeyFormatTypeTransparentDSAPrivateKey:
		key, err = parseTransparentDSAPrivate(transparent)
	case kmip.KeyFormatTypeTransparentDHPrivateKey:
		key, err = parseTransparentDHPrivate(transparent)
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

// ParsePublic reads a public key: *rsa.PublicKey, *ecdsa.PublicKey,
// ed25519.PublicKey, *ecdh.PublicKey for X25519, or one of this package.
//
// KMIP 2.1 §3.1 and §11.25: PKCS#1, X.509 (a SubjectPublicKeyInfo), Raw and the
// transparent formats as for ParsePrivate. Errors are those of ParsePrivate.
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
		key, err = parseSPKI(material)
	case kmip.KeyFormatTypeRaw:
		key, err = parseRawPublic(alg, material)
	case kmip.KeyFormatTypeTransparentRSAPublicKey:
		key, err = parseTransparentRSAPublic(transparent)
	case kmip.KeyFormatTypeTransparentDSAPublicKey:
		key, err = parseTransparentDSAPublic(transparent)
	case kmip.KeyFormatTypeTransparentDHPublicKey:
		key, err = parseTransparentDHPublic(transparent)
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

func errMissing(tag kmip.Tag) error {
	return kmip.Fail(kmip.KindInvalidField, "%s is missing or out of range", tag.Title())
}
