package crypto

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"

	"github.com/claviger/claviger/kmip"
)

// GenerateKeyPair makes a key pair with the randomness of the standard library.
//
// KMIP 2.1 §6.1.9 (Create Key Pair). RSA from 1024 to 8192 bits, a multiple of
// eight. EC, ECDSA and ECDH on P-224, P-256, P-384 and P-521: the curve may be
// given by Recommended Curve, by length, or by both if they agree. Ed25519. The
// private key comes as PKCS#1, ECPrivateKey or PKCS#8 in this order, the public
// one as PKCS#1 or X.509; Convert makes others of them.
//
// Returns KindAttributeValue for algorithms, lengths and curves that are not
// there. The results are the caller's to destroy.
func GenerateKeyPair(alg kmip.CryptographicAlgorithm, lengthBits int32, curve kmip.RecommendedCurve) (private, public KeyMaterial, err error) {
	switch {
	case alg == kmip.CryptographicAlgorithmRSA:
		if lengthBits < 1024 || lengthBits > 8192 || lengthBits%8 != 0 {
			return private, public, errKeyLength(alg, lengthBits)
		}
		key, err := rsa.GenerateKey(rand.Reader, int(lengthBits))
		if err != nil {
			return private, public, errGenerate(err)
		}
		return pair(key, kmip.KeyFormatTypePKCS1, kmip.KeyFormatTypePKCS1)
	case alg == kmip.CryptographicAlgorithmEd25519:
		if lengthBits != 0 && lengthBits != 256 || curve != 0 && curve != kmip.RecommendedCurveCURVE25519 {
			return private, public, errKeyLength(alg, lengthBits)
		}
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return private, public, errGenerate(err)
		}
		return pair(key, kmip.KeyFormatTypePKCS8, kmip.KeyFormatTypeX509)
	case isEC(alg) && alg != kmip.CryptographicAlgorithmECMQV:
		if curve == 0 {
			curve = curveOfLength(lengthBits)
		}
		c, ok := curves[curve]
		if !ok {
			return private, public, kmip.Fail(kmip.KindAttributeValue, "no Recommended Curve that is supported is given")
		}
		if lengthBits != 0 && int(lengthBits) != c.Params().BitSize {
			return private, public, errKeyLength(alg, lengthBits)
		}
		key, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			return private, public, errGenerate(err)
		}
		return pair(key, kmip.KeyFormatTypeECPrivateKey, kmip.KeyFormatTypeX509)
	default:
		return private, public, kmip.Fail(kmip.KindAttributeValue, "Cryptographic Algorithm %v has no key pairs that can be made", alg)
	}
}

func pair(key crypto.Signer, privateFormat, publicFormat kmip.KeyFormatType) (private, public KeyMaterial, err error) {
	if private, err = ConvertPrivate(key, privateFormat); err != nil {
		return KeyMaterial{}, KeyMaterial{}, err
	}
	if public, err = ConvertPublic(key.Public(), publicFormat); err != nil {
		private.Bytes.Destroy()
		return KeyMaterial{}, KeyMaterial{}, err
	}
	return private, public, nil
}

func curveOfLength(lengthBits int32) kmip.RecommendedCurve {
	for name, c := range curves {
		if c.Params().BitSize == int(lengthBits) {
			return name
		}
	}
	return 0
}

func errKeyLength(alg kmip.CryptographicAlgorithm, lengthBits int32) error {
	return kmip.Fail(kmip.KindAttributeValue, "Cryptographic Length %d is not possible for this key for %v", lengthBits, alg)
}

func errGenerate(cause error) error {
	return kmip.FailFrom(cause, kmip.KindCryptographicFailure, "the key pair cannot be made")
}
