package custody

import (
	"context"
	"errors"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip"
	kmipcrypto "github.com/claviger/claviger/kmip/crypto"
	"github.com/claviger/claviger/kmip/secret"
)

// newResidentKey makes a symmetric key in a token.
func (s *Service) newResidentKey(ctx context.Context, sc *Scope, attrs kmip.Attributes, dates kmip.Dates) (*managed, residence, error) {
	alg := kmip.CryptographicAlgorithm(attrs.Uint32(kmip.TagCryptographicAlgorithm))
	if alg == 0 {
		alg = kmip.CryptographicAlgorithmAES
	}
	length := attrs.Int32(kmip.TagCryptographicLength)
	if length == 0 {
		length = defaultLength(alg)
	}
	mask := kmip.CryptographicUsageMask(attrs.Uint32(kmip.TagCryptographicUsageMask))
	if !attrs.Has(kmip.TagCryptographicUsageMask) {
		mask = defaultMask(kmip.ObjectTypeSymmetricKey)
	}
	spec := hsm.ObjectSpec{Kind: hsm.ObjectAES, Bits: int(length), Sign: mask&macMask != 0}
	spec.Encrypt, spec.Decrypt = mask&kmip.CryptographicUsageMaskEncrypt != 0, mask&kmip.CryptographicUsageMaskDecrypt != 0
	switch {
	case alg == kmip.CryptographicAlgorithmAES:
	case kmipcrypto.MACHash(alg) != 0:
		spec.Kind, spec.Encrypt, spec.Decrypt, spec.Sign = hsm.ObjectHMAC, false, false, true
	default:
		return nil, residence{}, kmip.Fail(kmip.KindStorageMask, "keys of %v do not live in hardware here", alg)
	}
	attrs = append(kmip.Attributes{}, attrs...).Remove(kmip.TagCryptographicAlgorithm, kmip.TagCryptographicLength)
	return s.newResident(ctx, sc, newborn{typ: kmip.ObjectTypeSymmetricKey, attrs: attrs, algorithm: alg, length: length, format: kmip.KeyFormatTypeRaw, dates: dates}, spec)
}

const macMask = kmip.CryptographicUsageMaskMACGenerate | kmip.CryptographicUsageMaskMACVerify

// newResidentPair makes a key pair of which the private half lives in a token.
func (s *Service) newResidentPair(ctx context.Context, sc *Scope, alg kmip.CryptographicAlgorithm, length int32, curve kmip.RecommendedCurve, private kmip.Attributes) (*managed, residence, kmipcrypto.KeyMaterial, error) {
	mask := kmip.CryptographicUsageMask(private.Uint32(kmip.TagCryptographicUsageMask))
	if !private.Has(kmip.TagCryptographicUsageMask) {
		mask = defaultMask(kmip.ObjectTypePrivateKey)
	}
	spec := hsm.ObjectSpec{Kind: hsm.ObjectRSA, Bits: int(length), Sign: mask&kmip.CryptographicUsageMaskSign != 0, Decrypt: mask&kmip.CryptographicUsageMaskDecrypt != 0}
	switch alg {
	case kmip.CryptographicAlgorithmRSA:
	case kmip.CryptographicAlgorithmECDSA, kmip.CryptographicAlgorithmEC:
		spec.Kind, spec.Decrypt = hsm.ObjectEC, false
		bits, ok := map[kmip.RecommendedCurve]int32{
			0: length, kmip.RecommendedCurveP256: 256, kmip.RecommendedCurveP384: 384, kmip.RecommendedCurveP521: 521,
		}[curve]
		if !ok || length != 0 && length != bits {
			return nil, residence{}, kmipcrypto.KeyMaterial{}, kmip.Fail(kmip.KindPrivateStorage, "keys on this curve do not live in hardware here")
		}
		spec.Bits, length = int(bits), bits
	default:
		return nil, residence{}, kmipcrypto.KeyMaterial{}, kmip.Fail(kmip.KindPrivateStorage, "keys of %v do not live in hardware here", alg)
	}
	m, where, err := s.newResident(ctx, sc, newborn{typ: kmip.ObjectTypePrivateKey, attrs: private, algorithm: alg, length: length, format: kmip.KeyFormatTypePKCS8}, spec)
	if errors.Is(err, hsm.ErrUnsupported) {
		err = kmip.FailFrom(err, kmip.KindPrivateStorage, "no hardware token here makes or uses such a key")
	}
	if err != nil {
		return nil, where, kmipcrypto.KeyMaterial{}, err
	}
	return m, where, kmipcrypto.KeyMaterial{Format: kmip.KeyFormatTypeX509, Bytes: secret.Copy(where.Public), LengthBits: length}, nil
}
