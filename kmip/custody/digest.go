package custody

import (
	"crypto/sha256"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/crypto"
	"github.com/claviger/claviger/kmip/secret"
)

// withDigests adds the SHA-256 Digests of the value (§4.21): in the format that
// it is in, and in the default format for such keys (§4.26) when that is
// another.
func (s *Service) withDigests(a kmip.Attributes, n newborn) (kmip.Attributes, error) {
	add := func(data []byte, format kmip.KeyFormatType) {
		sum := sha256.Sum256(data)
		a = a.Add(kmip.NewAttribute(kmip.DigestValue{Algorithm: kmip.HashingAlgorithmSHA256, Value: sum[:], Format: format}.Item()))
	}
	switch o := n.value; {
	case !o.HasValue(), n.resident:
	case o.Type == kmip.ObjectTypeCertificate:
		add(o.CertificateValue, n.format)
	case o.Type == kmip.ObjectTypeCertificateRequest:
		add(o.RequestValue, n.format)
	case o.Type == kmip.ObjectTypeOpaqueObject:
		add(o.OpaqueDataValue.Reveal(), 0)
	case o.Key == nil || o.Key.Wrapping != nil: // nothing there, or nothing that the server can read
	default:
		material := s.digestible(crypto.KeyMaterial{Bytes: o.Key.Material, Transparent: o.Key.Transparent})
		defer material.Destroy()
		add(material.Reveal(), n.format)
		standard := defaultFormat(o.Type, n.algorithm)
		if standard == 0 || standard == n.format {
			return a, nil
		}
		other, err := crypto.Convert(o.Type, o.Key, standard)
		if err != nil {
			return a, nil //nolint:nilerr // a key that has no such form has no such digest
		}
		converted := s.digestible(other)
		defer converted.Destroy()
		destroyMaterial(&other)
		add(converted.Reveal(), standard)
	}
	return a, nil
}

// digestible is what a digest of key material is computed on: its bytes, or the
// TTLV of its structure. The caller destroys it.
func (s *Service) digestible(k crypto.KeyMaterial) *secret.Bytes {
	if k.Transparent != nil {
		return secret.New(s.encode(k.Transparent.WithTag(kmip.TagKeyMaterial)))
	}
	return k.Bytes.Clone()
}

func destroyMaterial(k *crypto.KeyMaterial) {
	k.Bytes.Destroy()
	if k.Transparent != nil {
		(&kmip.Object{Key: &kmip.KeyBlock{Transparent: k.Transparent}}).Destroy()
	}
}

// defaultFormat is the form that keys have by default (§4.26, Table 81); 0 when
// the table has none.
func defaultFormat(t kmip.ObjectType, alg kmip.CryptographicAlgorithm) kmip.KeyFormatType {
	private := t == kmip.ObjectTypePrivateKey
	if !private && t != kmip.ObjectTypePublicKey {
		return kmip.KeyFormatTypeRaw
	}
	choose := func(p, q kmip.KeyFormatType) kmip.KeyFormatType {
		if private {
			return p
		}
		return q
	}
	switch alg {
	case kmip.CryptographicAlgorithmRSA:
		return kmip.KeyFormatTypePKCS1
	case kmip.CryptographicAlgorithmEC, kmip.CryptographicAlgorithmECDSA, kmip.CryptographicAlgorithmECDH, kmip.CryptographicAlgorithmECMQV:
		return choose(kmip.KeyFormatTypeTransparentECPrivateKey, kmip.KeyFormatTypeTransparentECPublicKey)
	case kmip.CryptographicAlgorithmDSA:
		return choose(kmip.KeyFormatTypeTransparentDSAPrivateKey, kmip.KeyFormatTypeTransparentDSAPublicKey)
	}
	return 0
}
