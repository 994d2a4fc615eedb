package crypto

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
)

// Convert returns the key of an object in another Key Format Type.
//
// KMIP 2.1 §6.1.19 (Get): the format that the key is in is always possible;
// between Raw and Transparent Symmetric Key; between the formats of RSA and of
// elliptic curve keys that ParsePrivate and ParsePublic read.
//
// Returns KindKeyFormat if there is no such form of the key, KindInvalidField
// if the key does not parse. The result shares no memory with the key.
func Convert(t kmip.ObjectType, k *kmip.KeyBlock, want kmip.KeyFormatType) (KeyMaterial, error) {
	if want == k.Format {
		m := KeyMaterial{Format: want, LengthBits: k.LengthBits}
		if k.Material != nil {
			m.Bytes = k.Material.Clone()
		}
		if k.Transparent != nil {
			clone := k.Transparent.Clone()
			m.Transparent = &clone
		}
		return m, nil
	}
	switch t {
	case kmip.ObjectTypePrivateKey:
		key, err := ParsePrivate(k.Format, k.Algorithm, k.Material.Reveal(), k.Transparent)
		if err != nil {
			return KeyMaterial{}, err
		}
		return ConvertPrivate(key, want)
	case kmip.ObjectTypePublicKey:
		key, err := ParsePublic(k.Format, k.Algorithm, k.Material.Reveal(), k.Transparent)
		if err != nil {
			return KeyMaterial{}, err
		}
		return ConvertPublic(key, want)
	default:
		m, err := ConvertSymmetric(k.Format, k.Material, k.Transparent, want)
		if k.LengthBits != 0 {
			m.LengthBits = k.LengthBits
		}
		return m, err
	}
}

// ConvertSymmetric returns a symmetric key as Raw or Transparent Symmetric Key.
func ConvertSymmetric(format kmip.KeyFormatType, material *secret.Bytes, transparent *kmip.Item, want kmip.KeyFormatType) (KeyMaterial, error) {
	key, err := symmetricBytes(format, material.Reveal(), transparent)
	if err != nil {
		return KeyMaterial{}, errFormat(want)
	}
	m := KeyMaterial{Format: want, LengthBits: int32(8 * len(key))} //nolint:gosec // bounded by the message size
	switch want {
	case kmip.KeyFormatTypeRaw:
		m.Bytes = secret.Copy(key)
	case kmip.KeyFormatTypeTransparentSymmetricKey:
		t := kmip.Structure(kmip.TagKeyMaterial, kmip.ByteString(kmip.TagKey, append([]byte(nil), key...)))
		m.Transparent = &t
	default:
		return KeyMaterial{}, errFormat(want)
	}
	return m, nil
}

// ConvertPrivate returns a parsed private key in a format.
func ConvertPrivate(key crypto.PrivateKey, want kmip.KeyFormatType) (KeyMaterial, error) {
	var der []byte
	var err error
	switch k := key.(type) {
	case *rsa.PrivateKey:
		k = withPrimes(k)
		key = k
		switch {
		case want == kmip.KeyFormatTypeTransparentRSAPrivateKey:
			return transparentMaterial(key, want, transparentRSAPrivate(k)), nil
		case len(k.Primes) < 2: // neither PKCS#1 nor PKCS#8 can say that
			return KeyMaterial{}, errFormat(want)
		case want == kmip.KeyFormatTypePKCS1:
			der = x509.MarshalPKCS1PrivateKey(k)
		}
	case *ecdsa.PrivateKey:
		switch {
		case want == kmip.KeyFormatTypeECPrivateKey:
			der, err = x509.MarshalECPrivateKey(k)
		case isTransparentECPrivate(want):
			d, rawErr := k.Bytes()
			if rawErr != nil {
				return KeyMaterial{}, errFormat(want)
			}
			defer clear(d)
			return transparentMaterial(key, want, kmip.Structure(kmip.TagKeyMaterial,
				kmip.Enumeration(kmip.TagRecommendedCurve, curveOf(k.Curve)),
				bigIntegerBytes(kmip.TagD, d))), nil
		}
	case ed25519.PrivateKey:
		if want == kmip.KeyFormatTypeRaw {
			der = k.Seed()
		}
	case *ecdh.PrivateKey:
		if want == kmip.KeyFormatTypeRaw {
			der = k.Bytes()
		}
	case otherPrivate:
		return otherMaterial(k, want)
	default:
		return KeyMaterial{}, errFormat(want)
	}
	if want == kmip.KeyFormatTypePKCS8 {
		der, err = x509.MarshalPKCS8PrivateKey(key)
	}
	return derMaterial(key, want, der, err)
}

// ConvertPublic returns a parsed public key in a format.
func ConvertPublic(key crypto.PublicKey, want kmip.KeyFormatType) (KeyMaterial, error) {
	var der []byte
	var err error
	switch k := key.(type) {
	case *rsa.PublicKey:
		switch want {
		case kmip.KeyFormatTypePKCS1:
			der = x509.MarshalPKCS1PublicKey(k)
		case kmip.KeyFormatTypeTransparentRSAPublicKey:
			return transparentMaterial(key, want, transparentRSAPublic(k)), nil
		}
	case *ecdsa.PublicKey:
		if isTransparentECPublic(want) {
			point, pointErr := k.Bytes()
			if pointErr != nil {
				return KeyMaterial{}, errFormat(want)
			}
			return transparentMaterial(key, want, kmip.Structure(kmip.TagKeyMaterial,
				kmip.Enumeration(kmip.TagRecommendedCurve, curveOf(k.Curve)),
				kmip.ByteString(kmip.TagQString, point))), nil
		}
	case ed25519.PublicKey:
		if want == kmip.KeyFormatTypeRaw {
			der = append([]byte(nil), k...)
		}
	case *ecdh.PublicKey:
		if want == kmip.KeyFormatTypeRaw {
			der = k.Bytes()
		}
	case otherKey:
		return otherMaterial(k, want)
	default:
		return KeyMaterial{}, errFormat(want)
	}
	if want == kmip.KeyFormatTypeX509 {
		der, err = x509.MarshalPKIXPublicKey(key)
	}
	return derMaterial(key, want, der, err)
}

// otherMaterial returns a key that crypto/x509 does not know in a format.
func otherMaterial(key otherKey, want kmip.KeyFormatType) (KeyMaterial, error) {
	b, transparent := key.encode(want)
	if transparent != nil {
		return transparentMaterial(key, want, *transparent), nil
	}
	return derMaterial(key, want, b, nil)
}

func transparentMaterial(key any, format kmip.KeyFormatType, t kmip.Item) KeyMaterial {
	return KeyMaterial{Format: format, Transparent: &t, LengthBits: Length(key)}
}

// derMaterial takes over der; none means that the format is not possible.
func derMaterial(key any, format kmip.KeyFormatType, der []byte, err error) (KeyMaterial, error) {
	if err != nil || der == nil {
		return KeyMaterial{}, errFormat(format)
	}
	return KeyMaterial{Format: format, Bytes: secret.New(der), LengthBits: Length(key)}, nil
}

// Inspect returns what the Key Material of an object says about algorithm and
// length; what the Key Block says, or 0, where the material says nothing. It
// refuses nothing: a server keeps keys that it cannot use itself. Who wants to
// know whether a key parses calls ParsePrivate or ParsePublic.
func Inspect(t kmip.ObjectType, k *kmip.KeyBlock) (alg kmip.CryptographicAlgorithm, lengthBits int32) {
	var key any
	var err error
	switch t {
	case kmip.ObjectTypePrivateKey:
		key, err = ParsePrivate(k.Format, k.Algorithm, k.Material.Reveal(), k.Transparent)
	case kmip.ObjectTypePublicKey:
		key, err = ParsePublic(k.Format, k.Algorithm, k.Material.Reveal(), k.Transparent)
	default:
		b, err := symmetricBytes(k.Format, k.Material.Reveal(), k.Transparent)
		if err != nil || len(b) == 0 {
			return k.Algorithm, k.LengthBits
		}
		return k.Algorithm, symmetricLength(k, len(b))
	}
	if err == nil {
		alg, lengthBits = AlgorithmOf(key), Length(key)
	} else {
		lengthBits = primeLength(k.Transparent)
	}
	if k.Algorithm != 0 {
		alg = k.Algorithm
	}
	if lengthBits == 0 {
		lengthBits = k.LengthBits
	}
	return alg, lengthBits
}

// symmetricLength is the length of a symmetric key of so many bytes. Whether
// the parity bits of DES and 3DES count is as the Key Block says; by default
// they do not (KMIP 2.1 §3.1, Table 11).
func symmetricLength(k *kmip.KeyBlock, size int) int32 {
	without := int32(0)
	for lengthBits, n := range desBytes[k.Algorithm] {
		if n != size {
			continue
		}
		if lengthBits == k.LengthBits {
			return lengthBits
		}
		if without == 0 || lengthBits < without {
			without = lengthBits
		}
	}
	if without != 0 {
		return without
	}
	return int32(8 * size) //nolint:gosec // bounded by the message size
}

// primeLength is the length of a transparent DSA or DH key (KMIP 2.1 §3.5 to
// §3.10): that of P.
func primeLength(t *kmip.Item) int32 {
	if t == nil {
		return 0
	}
	p := number(t, kmip.TagP)
	if p == nil {
		return 0
	}
	return int32(p.BitLen()) //nolint:gosec // bounded by number
}
