package crypto

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"math/big"
	"testing"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
)

type cryptoPublicKey = crypto.PublicKey

func block(m KeyMaterial, alg kmip.CryptographicAlgorithm) *kmip.KeyBlock {
	return &kmip.KeyBlock{Format: m.Format, Material: m.Bytes, Transparent: m.Transparent, Algorithm: alg, LengthBits: m.LengthBits}
}

func same(a, b KeyMaterial) bool {
	if (a.Transparent == nil) != (b.Transparent == nil) || a.Format != b.Format || a.LengthBits != b.LengthBits {
		return false
	}
	if a.Transparent != nil {
		return a.Transparent.Equal(*b.Transparent)
	}
	return a.Bytes.Equal(b.Bytes)
}

// Each format can be made of each other one and back.
func TestConvert(t *testing.T) {
	for _, c := range []struct {
		name            string
		algorithm       kmip.CryptographicAlgorithm
		lengthBits      int32
		private, public []kmip.KeyFormatType
	}{
		{
			"RSA", kmip.CryptographicAlgorithmRSA, 1024,
			[]kmip.KeyFormatType{kmip.KeyFormatTypePKCS1, kmip.KeyFormatTypePKCS8, kmip.KeyFormatTypeTransparentRSAPrivateKey},
			[]kmip.KeyFormatType{kmip.KeyFormatTypePKCS1, kmip.KeyFormatTypeX509, kmip.KeyFormatTypeTransparentRSAPublicKey},
		},
		{
			"EC", kmip.CryptographicAlgorithmEC, 521,
			[]kmip.KeyFormatType{kmip.KeyFormatTypeECPrivateKey, kmip.KeyFormatTypePKCS8, kmip.KeyFormatTypeTransparentECPrivateKey, kmip.KeyFormatTypeTransparentECDSAPrivateKey},
			[]kmip.KeyFormatType{kmip.KeyFormatTypeX509, kmip.KeyFormatTypeTransparentECPublicKey, kmip.KeyFormatTypeTransparentECDHPublicKey},
		},
		{
			"Ed25519", kmip.CryptographicAlgorithmEd25519, 256,
			[]kmip.KeyFormatType{kmip.KeyFormatTypePKCS8, kmip.KeyFormatTypeRaw},
			[]kmip.KeyFormatType{kmip.KeyFormatTypeX509, kmip.KeyFormatTypeRaw},
		},
	} {
		private, public, err := GenerateKeyPair(c.algorithm, c.lengthBits, 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		check := func(objectType kmip.ObjectType, m KeyMaterial, formats []kmip.KeyFormatType) {
			for _, from := range formats {
				a, err := Convert(objectType, block(m, c.algorithm), from)
				if err != nil {
					t.Fatalf("%s %v as %v: %v", c.name, objectType, from, err)
				}
				if alg, n := Inspect(objectType, &kmip.KeyBlock{Format: a.Format, Material: a.Bytes, Transparent: a.Transparent, Algorithm: c.algorithm}); alg != c.algorithm || n != c.lengthBits {
					t.Errorf("%s %v as %v: Inspect = %v, %d", c.name, objectType, from, alg, n)
				}
				for _, to := range formats {
					b, err := Convert(objectType, block(a, c.algorithm), to)
					if err != nil {
						t.Fatalf("%s %v from %v to %v: %v", c.name, objectType, from, to, err)
					}
					back, err := Convert(objectType, block(b, c.algorithm), from)
					if err != nil || !same(a, back) {
						t.Errorf("%s %v from %v to %v and back: %v, or not the same", c.name, objectType, from, to, err)
					}
				}
				if _, err := Convert(objectType, block(a, c.algorithm), kmip.KeyFormatTypeTransparentSymmetricKey); kmip.KindOf(err) != kmip.KindKeyFormat {
					t.Errorf("%s %v as a symmetric key: %v", c.name, objectType, err)
				}
			}
		}
		check(kmip.ObjectTypePrivateKey, private, c.private)
		check(kmip.ObjectTypePublicKey, public, c.public)
	}
}

func TestConvertSymmetric(t *testing.T) {
	raw := KeyMaterial{Format: kmip.KeyFormatTypeRaw, Bytes: secret.New([]byte("0123456789abcdef")), LengthBits: 128}
	k := block(raw, kmip.CryptographicAlgorithmAES)
	transparent, err := Convert(kmip.ObjectTypeSymmetricKey, k, kmip.KeyFormatTypeTransparentSymmetricKey)
	if err != nil {
		t.Fatal(err)
	}
	back, err := Convert(kmip.ObjectTypeSymmetricKey, block(transparent, kmip.CryptographicAlgorithmAES), kmip.KeyFormatTypeRaw)
	if err != nil || !same(raw, back) {
		t.Errorf("there and back: %v, or not the same", err)
	}
	if _, err := Convert(kmip.ObjectTypeSymmetricKey, k, kmip.KeyFormatTypePKCS8); kmip.KindOf(err) != kmip.KindKeyFormat {
		t.Errorf("as PKCS#8: %v", err)
	}
	transparent.Transparent.Items[0].Bytes[0] = 'x'
	if !bytes.Equal(raw.Bytes.Reveal(), []byte("0123456789abcdef")) {
		t.Error("the converted key shares memory with the key")
	}
	if alg, n := Inspect(kmip.ObjectTypeSymmetricKey, k); alg != kmip.CryptographicAlgorithmAES || n != 128 {
		t.Errorf("Inspect = %v, %d", alg, n)
	}
}

func TestInspectCountsParityAsTheKeyBlockSays(t *testing.T) {
	for _, c := range []struct {
		algorithm         kmip.CryptographicAlgorithm
		bytes             int
		claimed, wantBits int32
	}{
		{kmip.CryptographicAlgorithmDES3, 24, 0, 168},
		{kmip.CryptographicAlgorithmDES3, 24, 168, 168},
		{kmip.CryptographicAlgorithmDES3, 24, 192, 192},
		{kmip.CryptographicAlgorithmDES3, 16, 0, 112},
		{kmip.CryptographicAlgorithmDES3, 16, 256, 112},
		{kmip.CryptographicAlgorithmDES, 8, 0, 56},
		{kmip.CryptographicAlgorithmAES, 16, 256, 128},
		{kmip.CryptographicAlgorithmAES, 0, 256, 256},
	} {
		k := &kmip.KeyBlock{Format: kmip.KeyFormatTypeRaw, Material: secret.New(make([]byte, c.bytes)), Algorithm: c.algorithm, LengthBits: c.claimed}
		if _, got := Inspect(kmip.ObjectTypeSymmetricKey, k); got != c.wantBits {
			t.Errorf("%v of %d bytes, %d bits claimed: %d, want %d", c.algorithm, c.bytes, c.claimed, got, c.wantBits)
		}
	}
}

func TestConvertToTheSameFormatNeedsNoParsing(t *testing.T) {
	k := &kmip.KeyBlock{Format: kmip.KeyFormatTypeTransparentDSAPublicKey, Transparent: &kmip.Item{Tag: kmip.TagKeyMaterial, Type: kmip.TypeStructure, Items: []kmip.Item{bigInteger(kmip.TagP, new(big.Int).Lsh(big.NewInt(1), 1023))}}}
	m, err := Convert(kmip.ObjectTypePublicKey, k, kmip.KeyFormatTypeTransparentDSAPublicKey)
	if err != nil || !m.Transparent.Equal(*k.Transparent) {
		t.Errorf("got %v", err)
	}
	if _, n := Inspect(kmip.ObjectTypePublicKey, k); n != 1024 {
		t.Errorf("length of a DSA key = %d, want 1024", n)
	}
}

func TestTransparentRSAParts(t *testing.T) {
	private, _ := rsaPair(t)
	parsed, err := ParsePrivate(private.Format, 0, private.Bytes.Reveal(), nil)
	if err != nil {
		t.Fatal(err)
	}
	key := parsed.(*rsa.PrivateKey)
	full := transparentRSAPrivate(key)
	for _, c := range []struct {
		name  string
		tags  []kmip.Tag
		fails bool
	}{
		{"everything", []kmip.Tag{kmip.TagModulus, kmip.TagPrivateExponent, kmip.TagPublicExponent, kmip.TagP, kmip.TagQ}, false},
		{"primes and Public Exponent", []kmip.Tag{kmip.TagModulus, kmip.TagPublicExponent, kmip.TagP, kmip.TagQ}, false},
		{"primes and Private Exponent", []kmip.Tag{kmip.TagModulus, kmip.TagPrivateExponent, kmip.TagP, kmip.TagQ}, false},
		{"primes and their exponents", []kmip.Tag{kmip.TagModulus, kmip.TagP, kmip.TagQ, kmip.TagPrimeExponentP, kmip.TagPrimeExponentQ}, false},
		{"primes alone", []kmip.Tag{kmip.TagModulus, kmip.TagP, kmip.TagQ}, false},
		{"exponents without primes", []kmip.Tag{kmip.TagModulus, kmip.TagPrivateExponent, kmip.TagPublicExponent}, false},
		{"Private Exponent alone", []kmip.Tag{kmip.TagModulus, kmip.TagPrivateExponent}, false},
		{"prime exponents and Public Exponent", []kmip.Tag{kmip.TagModulus, kmip.TagPublicExponent, kmip.TagPrimeExponentP, kmip.TagPrimeExponentQ}, false},
		{"prime exponents alone", []kmip.Tag{kmip.TagModulus, kmip.TagPrimeExponentP, kmip.TagPrimeExponentQ}, false},
		{"no Modulus", []kmip.Tag{kmip.TagPrivateExponent, kmip.TagPublicExponent}, true},
		{"Modulus alone", []kmip.Tag{kmip.TagModulus, kmip.TagPublicExponent}, true},
		{"one prime exponent", []kmip.Tag{kmip.TagModulus, kmip.TagPublicExponent, kmip.TagPrimeExponentP}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			part := kmip.Structure(kmip.TagKeyMaterial)
			for _, tag := range c.tags {
				f, _ := full.Field(tag)
				part.Items = append(part.Items, f)
			}
			r := CipherRequest{Algorithm: kmip.CryptographicAlgorithmRSA, Format: kmip.KeyFormatTypeTransparentRSAPrivateKey, Transparent: &part, Parameters: kmip.CryptographicParameters{PaddingMethod: kmip.PaddingMethodOAEP}, Data: []byte("data")}
			sealed, err := Encrypt(r)
			if c.fails {
				if kmip.KindOf(err) != kmip.KindInvalidField {
					t.Errorf("error = %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			r.Data = sealed.Data
			if got, err := Decrypt(r); err != nil || string(got.Data) != "data" {
				t.Errorf("Decrypt = %q, %v", got.Data, err)
			}
			m, err := Convert(kmip.ObjectTypePrivateKey, &kmip.KeyBlock{Format: r.Format, Transparent: &part}, kmip.KeyFormatTypePKCS8)
			if err != nil {
				t.Fatal(err)
			}
			whole, err := ParsePrivate(m.Format, 0, m.Bytes.Reveal(), nil)
			if err != nil || whole.(*rsa.PrivateKey).N.Cmp(key.N) != 0 || whole.(*rsa.PrivateKey).E != key.E {
				t.Errorf("as PKCS#8: another key, %v", err)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	curve := func(c kmip.RecommendedCurve, fields ...kmip.Item) *kmip.Item {
		s := kmip.Structure(kmip.TagKeyMaterial, append([]kmip.Item{kmip.Enumeration(kmip.TagRecommendedCurve, c)}, fields...)...)
		return &s
	}
	empty := kmip.Structure(kmip.TagKeyMaterial)
	_, public := rsaPair(t)
	for _, c := range []struct {
		name        string
		private     bool
		format      kmip.KeyFormatType
		alg         kmip.CryptographicAlgorithm
		material    []byte
		transparent *kmip.Item
		want        kmip.Kind
	}{
		{"PKCS#1 that is none", true, kmip.KeyFormatTypePKCS1, 0, []byte{0x30, 0}, nil, kmip.KindInvalidField},
		{"material that is too large", true, kmip.KeyFormatTypePKCS8, 0, make([]byte, maxMaterialBytes+1), nil, kmip.KindInvalidField},
		{"Raw RSA", true, kmip.KeyFormatTypeRaw, kmip.CryptographicAlgorithmRSA, nil, nil, kmip.KindKeyFormat},
		{"short Ed25519", true, kmip.KeyFormatTypeRaw, kmip.CryptographicAlgorithmEd25519, []byte{1}, nil, kmip.KindInvalidField},
		{"an RSA key that claims to be EC", false, kmip.KeyFormatTypePKCS1, kmip.CryptographicAlgorithmEC, public.Bytes.Reveal(), nil, kmip.KindInvalidField},
		{"transparent without structure", true, kmip.KeyFormatTypeTransparentRSAPrivateKey, 0, nil, nil, kmip.KindInvalidField},
		{"transparent EC without structure", false, kmip.KeyFormatTypeTransparentECPublicKey, 0, nil, nil, kmip.KindInvalidField},
		{"transparent RSA without fields", false, kmip.KeyFormatTypeTransparentRSAPublicKey, 0, nil, &empty, kmip.KindInvalidField},
		{"curve that is not there", true, kmip.KeyFormatTypeTransparentECPrivateKey, 0, nil, curve(kmip.RecommendedCurveB163), kmip.KindParametersUnsupported},
		{"D that is missing", true, kmip.KeyFormatTypeTransparentECPrivateKey, 0, nil, curve(kmip.RecommendedCurveP256), kmip.KindInvalidField},
		{"D beyond the order", true, kmip.KeyFormatTypeTransparentECPrivateKey, 0, nil, curve(kmip.RecommendedCurveP256, bigInteger(kmip.TagD, new(big.Int).Lsh(big.NewInt(1), 300))), kmip.KindInvalidField},
		{"a point that is not on the curve", false, kmip.KeyFormatTypeTransparentECPublicKey, 0, nil, curve(kmip.RecommendedCurveP256, kmip.ByteString(kmip.TagQString, append([]byte{4}, make([]byte, 64)...))), kmip.KindInvalidField},
		{"a compressed point that is none", false, kmip.KeyFormatTypeTransparentECPublicKey, 0, nil, curve(kmip.RecommendedCurveP256, kmip.ByteString(kmip.TagQString, []byte{2, 1})), kmip.KindInvalidField},
		{"transparent DSA without fields", false, kmip.KeyFormatTypeTransparentDSAPublicKey, 0, nil, &empty, kmip.KindInvalidField},
		{"transparent DH without structure", true, kmip.KeyFormatTypeTransparentDHPrivateKey, 0, nil, nil, kmip.KindInvalidField},
		{"transparent symmetric key", true, kmip.KeyFormatTypeTransparentSymmetricKey, 0, nil, &empty, kmip.KindKeyFormat},
	} {
		t.Run(c.name, func(t *testing.T) {
			var err error
			if c.private {
				_, err = ParsePrivate(c.format, c.alg, c.material, c.transparent)
			} else {
				_, err = ParsePublic(c.format, c.alg, c.material, c.transparent)
			}
			if err == nil || kmip.KindOf(err) != c.want {
				t.Errorf("error = %v, want %v", err, c.want)
			}
		})
	}
}

// The point of RFC 6979 A.2.5, P-256.
func TestCompressedPoint(t *testing.T) {
	const x, y = "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6", "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
	at := func(point string) KeyMaterial {
		s := kmip.Structure(kmip.TagKeyMaterial, kmip.Enumeration(kmip.TagRecommendedCurve, kmip.RecommendedCurveP256), kmip.ByteString(kmip.TagQString, unhex(t, point)))
		m, err := Convert(kmip.ObjectTypePublicKey, &kmip.KeyBlock{Format: kmip.KeyFormatTypeTransparentECPublicKey, Transparent: &s}, kmip.KeyFormatTypeX509)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	if !same(at("03"+x), at("04"+x+y)) {
		t.Error("the compressed and the uncompressed point are different keys")
	}
}
