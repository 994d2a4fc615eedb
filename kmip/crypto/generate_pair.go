package crypto

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"io"

	"github.com/claviger/claviger/kmip"
)

// GenerateKeyPair makes a key pair on a curve, or one that needs none: what
// GenerateKeyPairWith does with the Recommended Curve alone.
func GenerateKeyPair(alg kmip.CryptographicAlgorithm, lengthBits int32, curve kmip.RecommendedCurve, random io.Reader) (private, public KeyMaterial, err error) {
	if curve == 0 {
		return GenerateKeyPairWith(alg, lengthBits, nil, random)
	}
	domain := kmip.Structure(kmip.TagCryptographicDomainParameters, kmip.Enumeration(kmip.TagRecommendedCurve, curve))
	return GenerateKeyPairWith(alg, lengthBits, &domain, random)
}

// GenerateKeyPairWith makes a key pair with numbers of random, of crypto/rand if
// that is nil. The standard library uses them for RSA, the NIST curves and X25519 only in
// programs that set GODEBUG cryptocustomrand=1, as Claviger does, and never in
// FIPS mode; it takes those of its own module else. domain is Cryptographic Domain Parameters (KMIP 2.1 §4.14), or nil.
//
// KMIP 2.1 §6.1.9 (Create Key Pair):
//
//   - RSA from 1024 to 8192 bits, a multiple of eight.
//   - EC, ECDSA and ECDH on P-224, P-256, P-384 and P-521: the curve may be given
//     by Recommended Curve, by length, or by both if they agree; on SECP256K1 by
//     Recommended Curve. On CURVE25519, ECDSA is Ed25519, EC and ECDH are X25519;
//     on CURVE448 likewise.
//   - Ed25519 and Ed448.
//   - ML-KEM, ML-DSA and SLH-DSA in all parameter sets; a length is not needed.
//   - DSA of 1024, 2048 and 3072 bits with a Qlength of FIPS 186-4, the larger
//     one when none is given. The search for the group takes its time, two
//     minutes at most.
//   - DH of 2048, 3072, 4096, 6144 and 8192 bits in the groups of RFC 7919; with
//     a Qlength in a group of its own, as for DSA.
//
// The private key comes as PKCS#1, ECPrivateKey, transparent for DSA and DH, or
// PKCS#8, the public one as PKCS#1, transparent for DSA and DH, or X.509;
// Convert makes others of them.
//
// Returns KindAttributeValue for algorithms, lengths and curves that are not
// there. The results are the caller's to destroy.
func GenerateKeyPairWith(alg kmip.CryptographicAlgorithm, lengthBits int32, domain *kmip.Item, random io.Reader) (private, public KeyMaterial, err error) {
	if random == nil {
		random = rand.Reader
	}
	var curve kmip.RecommendedCurve
	var qBits int32
	if domain != nil {
		c, _ := domain.Field(kmip.TagRecommendedCurve)
		q, _ := domain.Field(kmip.TagQlength)
		curve, qBits = kmip.RecommendedCurve(c.Uint32()), int32(q.Int) //nolint:gosec // 32 bits on the wire
	}
	switch alg {
	case kmip.CryptographicAlgorithmRSA:
		if lengthBits < 1024 || lengthBits > 8192 || lengthBits%8 != 0 {
			return private, public, errKeyLength(alg, lengthBits)
		}
		key, err := rsa.GenerateKey(random, int(lengthBits))
		if err != nil {
			return private, public, errGenerate(err)
		}
		return pair(key, kmip.KeyFormatTypePKCS1, kmip.KeyFormatTypePKCS1)
	case kmip.CryptographicAlgorithmDSA:
		key, err := generateDSA(lengthBits, qBits, random)
		if err != nil {
			return private, public, err
		}
		return pair(key, kmip.KeyFormatTypeTransparentDSAPrivateKey, kmip.KeyFormatTypeTransparentDSAPublicKey)
	case kmip.CryptographicAlgorithmDH:
		key, err := generateDH(lengthBits, qBits, random)
		if err != nil {
			return private, public, err
		}
		return pair(key, kmip.KeyFormatTypeTransparentDHPrivateKey, kmip.KeyFormatTypeTransparentDHPublicKey)
	case kmip.CryptographicAlgorithmEC, kmip.CryptographicAlgorithmECDSA, kmip.CryptographicAlgorithmECDH,
		kmip.CryptographicAlgorithmEd25519, kmip.CryptographicAlgorithmEd448:
		return generateOnCurve(alg, lengthBits, curve, random)
	default:
		if key, ok, err := generateQuantum(alg, lengthBits, random); ok {
			if err != nil {
				return private, public, err
			}
			return pair(key, kmip.KeyFormatTypePKCS8, kmip.KeyFormatTypeX509)
		}
		return private, public, kmip.Fail(kmip.KindAttributeValue, "Cryptographic Algorithm %v has no key pairs that can be made", alg)
	}
}

// generateOnCurve makes a key of the algorithms that work on curves.
func generateOnCurve(alg kmip.CryptographicAlgorithm, lengthBits int32, curve kmip.RecommendedCurve, random io.Reader) (private, public KeyMaterial, err error) {
	var key halves
	privateFormat := kmip.KeyFormatTypePKCS8
	switch edwards := edwardsCurves[alg]; {
	case edwards != 0 && curve == 0:
		curve = edwards
	case edwards != 0 && curve != edwards:
		return private, public, errCurve(alg)
	}
	signs := alg == kmip.CryptographicAlgorithmECDSA || isEdwards(alg)
	switch {
	case curve == kmip.RecommendedCurveCURVE25519 && signs:
		_, key, err = ed25519.GenerateKey(random)
	case curve == kmip.RecommendedCurveCURVE448 && signs:
		key, err = generateEd448(random)
	case curve == kmip.RecommendedCurveCURVE25519:
		key, err = ecdh.X25519().GenerateKey(random)
	case curve == kmip.RecommendedCurveCURVE448:
		key, err = generateX448(random)
	case curve == kmip.RecommendedCurveSECP256K1:
		privateFormat = kmip.KeyFormatTypeECPrivateKey
		key, err = generateKoblitz(random)
	default:
		if curve == 0 {
			curve = curveOfLength(lengthBits)
		}
		c, ok := curves[curve]
		if !ok {
			return private, public, errCurve(alg)
		}
		privateFormat = kmip.KeyFormatTypeECPrivateKey
		key, err = ecdsa.GenerateKey(c, random)
	}
	if err != nil {
		return private, public, errGenerate(err)
	}
	if lengthBits != 0 && lengthBits != Length(key) {
		return private, public, errKeyLength(alg, lengthBits)
	}
	return pair(key, privateFormat, kmip.KeyFormatTypeX509)
}

// edwardsCurves are the curves of the algorithms that have one only.
var edwardsCurves = map[kmip.CryptographicAlgorithm]kmip.RecommendedCurve{
	kmip.CryptographicAlgorithmEd25519: kmip.RecommendedCurveCURVE25519,
	kmip.CryptographicAlgorithmEd448:   kmip.RecommendedCurveCURVE448,
}

// halves is a private key that knows its public half.
type halves interface{ Public() crypto.PublicKey }

func errCurve(alg kmip.CryptographicAlgorithm) error {
	return kmip.Fail(kmip.KindAttributeValue, "no Recommended Curve that is supported for %v is given", alg)
}

func pair(key halves, privateFormat, publicFormat kmip.KeyFormatType) (private, public KeyMaterial, err error) {
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
