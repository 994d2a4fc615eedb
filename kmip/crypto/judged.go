package crypto

import (
	"crypto/ecdsa"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
)

// What a policy on algorithms is asked about: what parameters come to, as Sign and MAC
// read them.

// SignatureHash is the hash by which a key of an algorithm signs; 0 for algorithms that
// hash by themselves.
func SignatureHash(alg kmip.CryptographicAlgorithm, p kmip.CryptographicParameters) kmip.HashingAlgorithm {
	switch alg {
	case kmip.CryptographicAlgorithmRSA, kmip.CryptographicAlgorithmDSA,
		kmip.CryptographicAlgorithmEC, kmip.CryptographicAlgorithmECDSA, kmip.CryptographicAlgorithmECDH:
	default:
		return 0
	}
	if s, ok := schemes[p.DigitalSignatureAlgorithm]; ok && s.hash != 0 {
		return s.hash
	}
	if p.HashingAlgorithm != 0 {
		return p.HashingAlgorithm
	}
	return kmip.HashingAlgorithmSHA256
}

// MACAlgorithm is the algorithm of a MAC under a key: an HMAC algorithm, Poly1305, or
// that of the key, whose Block Cipher Mode says the rest.
func MACAlgorithm(key kmip.CryptographicAlgorithm, p kmip.CryptographicParameters) kmip.CryptographicAlgorithm {
	switch {
	case p.BlockCipherMode != 0:
		return key
	case isPoly1305(p.CryptographicAlgorithm, key):
		return kmip.CryptographicAlgorithmPoly1305
	}
	hash := macHash(&p, key)
	for alg, h := range macHashes {
		if h == hash {
			return alg
		}
	}
	return key
}

// CurveOf names the curve of an elliptic curve key; 0 when it is none, or on a curve
// that is not known here.
func CurveOf(t kmip.ObjectType, alg kmip.CryptographicAlgorithm, format kmip.KeyFormatType, material *secret.Bytes, transparent *kmip.Item) kmip.RecommendedCurve {
	switch alg {
	case 0, kmip.CryptographicAlgorithmEC, kmip.CryptographicAlgorithmECDSA, kmip.CryptographicAlgorithmECDH, kmip.CryptographicAlgorithmECMQV:
	default:
		return 0
	}
	if material == nil && transparent == nil {
		return 0
	}
	var b []byte
	if material != nil {
		b = material.Reveal()
	}
	var key any
	var err error
	if t == kmip.ObjectTypePrivateKey {
		key, err = ParsePrivate(format, alg, b, transparent)
	} else {
		key, err = ParsePublic(format, alg, b, transparent)
	}
	if err != nil {
		return 0
	}
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		return curveOf(k.Curve)
	case *ecdsa.PublicKey:
		return curveOf(k.Curve)
	case koblitzPrivate, koblitzPublic:
		return kmip.RecommendedCurveSECP256K1
	}
	return 0
}
