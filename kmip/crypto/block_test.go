package crypto

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mode(m kmip.BlockCipherMode, p kmip.PaddingMethod) kmip.CryptographicParameters {
	return kmip.CryptographicParameters{BlockCipherMode: m, PaddingMethod: p}
}

func ptr[T any](v T) *T { return &v }

const (
	algAES  = kmip.CryptographicAlgorithmAES
	algDES3 = kmip.CryptographicAlgorithmDES3

	// SP 800-38A, appendix F: keys and plain text of all its examples.
	key128       = "2b7e151628aed2a6abf7158809cf4f3c"
	key192       = "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b"
	key256       = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"
	plain        = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
	firstIV      = "000102030405060708090a0b0c0d0e0f"
	firstCounter = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"
)

func TestBlockCipherVectors(t *testing.T) {
	for _, c := range []struct {
		name       string
		algorithm  kmip.CryptographicAlgorithm
		parameters kmip.CryptographicParameters
		key, iv    string
		data, want string
	}{
		{"FIPS 197 C.1", algAES, mode(kmip.BlockCipherModeECB, 0), "000102030405060708090a0b0c0d0e0f", "", "00112233445566778899aabbccddeeff", "69c4e0d86a7b0430d8cdb78070b4c55a"},
		{"FIPS 197 C.2", algAES, mode(kmip.BlockCipherModeECB, 0), "000102030405060708090a0b0c0d0e0f1011121314151617", "", "00112233445566778899aabbccddeeff", "dda97ca4864cdfe06eaf70a0ec0d7191"},
		{"FIPS 197 C.3", algAES, mode(kmip.BlockCipherModeECB, 0), "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "", "00112233445566778899aabbccddeeff", "8ea2b7ca516745bfeafc49904b496089"},
		{"SP 800-38A F.1.1 ECB-AES128", algAES, mode(kmip.BlockCipherModeECB, 0), key128, "", plain, "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf"},
		{"SP 800-38A F.2.1 CBC-AES128", algAES, mode(kmip.BlockCipherModeCBC, kmip.PaddingMethodNone), key128, firstIV, plain, "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"},
		{"SP 800-38A F.2.3 CBC-AES192", algAES, mode(kmip.BlockCipherModeCBC, 0), key192, firstIV, plain, "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a"},
		{"SP 800-38A F.2.5 CBC-AES256", algAES, mode(kmip.BlockCipherModeCBC, 0), key256, firstIV, plain, "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"},
		{"SP 800-38A F.5.1 CTR-AES128", algAES, mode(kmip.BlockCipherModeCTR, 0), key128, firstCounter, plain, "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"},
		{
			"RFC 3686 vector 1, with Initial Counter Value", algAES,
			kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeCTR, InitialCounterValue: ptr(int32(1))},
			"ae6852f8121067cc4bf7a5765577f39e", "000000300000000000000000", "53696e676c6520626c6f636b206d7367", "e4095d4fb7a7b3792d6175a3261311b8",
		},
		{"SP 800-67 B.1, three keys", algDES3, mode(kmip.BlockCipherModeECB, 0), "0123456789abcdef23456789abcdef01456789abcdef0123", "", "5468652071756663", "a826fd8ce53b855f"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := CipherRequest{Algorithm: c.algorithm, Key: secret.New(unhex(t, c.key)), Parameters: c.parameters, Data: unhex(t, c.data), IV: unhex(t, c.iv)}
			got, err := Encrypt(r)
			if err != nil {
				t.Fatal(err)
			}
			if hex.EncodeToString(got.Data) != c.want || got.IV != nil || got.Tag != nil {
				t.Errorf("Encrypt = %x, IV %x, tag %x; want %s only", got.Data, got.IV, got.Tag, c.want)
			}
			r.Data = got.Data
			back, err := Decrypt(r)
			if err != nil || hex.EncodeToString(back.Data) != c.data {
				t.Errorf("Decrypt = %x, %v; want %s", back.Data, err, c.data)
			}
		})
	}
}

func TestTwoKeyTripleDES(t *testing.T) {
	three := CipherRequest{Algorithm: algDES3, Key: secret.New(unhex(t, "0123456789abcdef23456789abcdef010123456789abcdef")), Parameters: mode(kmip.BlockCipherModeECB, 0), Data: make([]byte, 8)}
	two := three
	two.Key = secret.New(unhex(t, "0123456789abcdef23456789abcdef01"))
	a, errA := Encrypt(three)
	b, errB := Encrypt(two)
	if errA != nil || errB != nil || !bytes.Equal(a.Data, b.Data) {
		t.Errorf("three keys %x, %v; two keys %x, %v", a.Data, errA, b.Data, errB)
	}
	if hex.EncodeToString(two.Key.Reveal()) != "0123456789abcdef23456789abcdef01" {
		t.Error("the key was changed")
	}
}

func TestPadding(t *testing.T) {
	zeros := bytes.NewReader(make([]byte, 16))
	for _, c := range []struct {
		name       string
		method     kmip.PaddingMethod
		data, want string
	}{
		{"PKCS5", kmip.PaddingMethodPKCS5, "0102030405", "0102030405030303"},
		{"PKCS5 of whole blocks", kmip.PaddingMethodPKCS5, "0102030405060708", "01020304050607080808080808080808"},
		{"PKCS5 of nothing", kmip.PaddingMethodPKCS5, "", "0808080808080808"},
		{"ANSI X9.23", kmip.PaddingMethodANSIX923, "0102030405", "0102030405000003"},
		{"ANSI X9.23 of whole blocks", kmip.PaddingMethodANSIX923, "0102030405060708", "01020304050607080000000000000008"},
		{"ISO 10126", kmip.PaddingMethodISO10126, "0102030405", "0102030405000003"},
		{"SSL3", kmip.PaddingMethodSSL3, "0102030405", "0102030405000002"},
		{"SSL3 of whole blocks", kmip.PaddingMethodSSL3, "0102030405060708", "01020304050607080000000000000007"},
		{"SSL3 of nothing", kmip.PaddingMethodSSL3, "", "0000000000000007"},
		{"Zeros", kmip.PaddingMethodZeros, "0102030405", "0102030405000000"},
		{"Zeros of whole blocks", kmip.PaddingMethodZeros, "0102030405060708", "0102030405060708"},
		{"None", kmip.PaddingMethodNone, "0102030405060708", "0102030405060708"},
	} {
		t.Run(c.name, func(t *testing.T) {
			padded, err := pad(c.method, unhex(t, c.data), 8, zeros)
			if err != nil || hex.EncodeToString(padded) != c.want {
				t.Fatalf("pad = %x, %v; want %s", padded, err, c.want)
			}
			want := c.data
			if c.method == kmip.PaddingMethodZeros {
				want = c.want // they stay
			}
			back, err := unpad(c.method, padded, 8)
			if err != nil || hex.EncodeToString(back) != want {
				t.Errorf("unpad = %x, %v; want %s", back, err, want)
			}
		})
	}
}

func TestWrongPaddingIsOneFailure(t *testing.T) {
	var texts []string
	for name, c := range map[string]struct {
		method kmip.PaddingMethod
		data   string
	}{
		"nothing":                        {kmip.PaddingMethodPKCS5, ""},
		"count of 0":                     {kmip.PaddingMethodPKCS5, "0102030405060700"},
		"count beyond the block":         {kmip.PaddingMethodPKCS5, "0909090909090909"},
		"count of 255":                   {kmip.PaddingMethodISO10126, "01020304050607ff"},
		"SSL3, count of a block":         {kmip.PaddingMethodSSL3, "0102030405060708"},
		"one wrong byte":                 {kmip.PaddingMethodPKCS5, "0102030405030203"},
		"first byte of the padding":      {kmip.PaddingMethodPKCS5, "0102030405020303"},
		"ANSI X9.23, a byte that is not": {kmip.PaddingMethodANSIX923, "0102030405010003"},
		"ANSI X9.23, count of 0":         {kmip.PaddingMethodANSIX923, "0102030405060000"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := unpad(c.method, unhex(t, c.data), 8)
			if kmip.KindOf(err) != kmip.KindCryptographicFailure {
				t.Fatalf("error = %v", err)
			}
			texts = append(texts, err.Error())
		})
	}
	for _, text := range texts {
		if text != texts[0] {
			t.Errorf("failures differ: %q and %q", text, texts[0])
		}
	}
}

func TestUnpadAgreesWithPad(t *testing.T) {
	methods := []kmip.PaddingMethod{kmip.PaddingMethodPKCS5, kmip.PaddingMethodSSL3, kmip.PaddingMethodANSIX923, kmip.PaddingMethodISO10126}
	rapid.Check(t, func(t *rapid.T) {
		r := CipherRequest{
			Algorithm:  algAES,
			Key:        secret.New(make([]byte, 32)),
			Parameters: mode(rapid.SampledFrom([]kmip.BlockCipherMode{kmip.BlockCipherModeCBC, kmip.BlockCipherModeECB}).Draw(t, "mode"), rapid.SampledFrom(methods).Draw(t, "padding")),
			Data:       rapid.SliceOfN(rapid.Byte(), 0, 70).Draw(t, "data"),
			IV:         make([]byte, 16),
		}
		want := bytes.Clone(r.Data)
		sealed, err := Encrypt(r)
		if err != nil {
			t.Fatal(err)
		}
		r.Data = sealed.Data
		got, err := Decrypt(r)
		if err != nil || !bytes.Equal(got.Data, want) {
			t.Fatalf("got %x, %v; want %x", got.Data, err, want)
		}
	})
}

func TestIV(t *testing.T) {
	for _, c := range []struct {
		name       string
		parameters kmip.CryptographicParameters
		iv         []byte
		made       int // length of the IV in the result
		refusal    kmip.Kind
	}{
		{"CBC makes one block", kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeCBC}, nil, 16, 0},
		{"CBC with Random IV", kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeCBC, RandomIV: ptr(true)}, nil, 16, 0},
		{"CBC without Random IV", kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeCBC, RandomIV: ptr(false)}, nil, 0, kmip.KindMissingIV},
		{"a given IV is not returned", kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeCBC, RandomIV: ptr(true)}, make([]byte, 16), 0, 0},
		{"CBC with IV Length", kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeCBC, IVLength: ptr(int32(128))}, nil, 16, 0},
		{"CBC with an IV Length that is wrong", kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeCBC, IVLength: ptr(int32(96))}, nil, 0, kmip.KindParametersUnsupported},
		{"CBC with a short IV", kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeCBC}, make([]byte, 15), 0, kmip.KindInvalidField},
		{"CTR makes one block", kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeCTR}, nil, 16, 0},
		{"CTR leaves room for the counter", kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeCTR, InitialCounterValue: ptr(int32(1))}, nil, 12, 0},
		{"CTR with a short IV", kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeCTR}, make([]byte, 12), 0, kmip.KindInvalidField},
		{"GCM makes 96 bits", kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeGCM}, nil, 12, 0},
		{"GCM with IV Length", kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeGCM, IVLength: ptr(int32(128))}, nil, 16, 0},
		{"GCM with an IV Length too short for a random one", kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeGCM, IVLength: ptr(int32(32))}, nil, 0, kmip.KindParametersUnsupported},
		{"GCM with a negative IV Length", kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeGCM, IVLength: ptr(int32(-128))}, nil, 0, kmip.KindParametersUnsupported},
		{"ECB needs none", kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeECB, RandomIV: ptr(false)}, nil, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := CipherRequest{Algorithm: algAES, Key: secret.New(make([]byte, 16)), Parameters: c.parameters, Data: make([]byte, 16), IV: c.iv}
			got, err := Encrypt(r)
			if c.refusal != 0 {
				if kmip.KindOf(err) != c.refusal {
					t.Fatalf("error = %v, want %v", err, c.refusal)
				}
				return
			}
			if err != nil || len(got.IV) != c.made {
				t.Fatalf("IV of %d bytes, %v; want %d", len(got.IV), err, c.made)
			}
			if len(got.IV) > 0 {
				r.IV = got.IV
			}
			r.Data, r.Tag = got.Data, got.Tag
			if back, err := Decrypt(r); err != nil || !bytes.Equal(back.Data, make([]byte, 16)) {
				t.Errorf("Decrypt = %x, %v", back.Data, err)
			}
			r.IV = nil
			if _, err := Decrypt(r); c.parameters.BlockCipherMode != kmip.BlockCipherModeECB && kmip.KindOf(err) != kmip.KindMissingIV {
				t.Errorf("Decrypt without IV: %v", err)
			}
		})
	}
}

func TestCipherRefusals(t *testing.T) {
	good := CipherRequest{Algorithm: algAES, Key: secret.New(make([]byte, 16)), Parameters: mode(kmip.BlockCipherModeCBC, 0), Data: make([]byte, 16), IV: make([]byte, 16)}
	for _, c := range []struct {
		name   string
		change func(*CipherRequest)
		want   kmip.Kind
	}{
		{"no mode", func(r *CipherRequest) { r.Parameters.BlockCipherMode = 0 }, kmip.KindParametersMissing},
		{"a mode that is not there", func(r *CipherRequest) { r.Parameters.BlockCipherMode = kmip.BlockCipherModeX9102AESKW }, kmip.KindParametersUnsupported},
		{"an unknown mode", func(r *CipherRequest) { r.Parameters.BlockCipherMode = 0x80000001 }, kmip.KindParametersUnsupported},
		{"a padding for RSA signatures", func(r *CipherRequest) { r.Parameters.PaddingMethod = kmip.PaddingMethodX931 }, kmip.KindParametersUnsupported},
		{"a padding for RSA", func(r *CipherRequest) { r.Parameters.PaddingMethod = kmip.PaddingMethodOAEP }, kmip.KindParametersUnsupported},
		{"padding with CTR", func(r *CipherRequest) {
			r.Parameters = mode(kmip.BlockCipherModeCTR, kmip.PaddingMethodPKCS5)
		}, kmip.KindParametersUnsupported},
		{"GCM with 3DES", func(r *CipherRequest) {
			r.Algorithm, r.Key = algDES3, secret.New(make([]byte, 24))
			r.Parameters.BlockCipherMode = kmip.BlockCipherModeGCM
		}, kmip.KindParametersUnsupported},
		{"parameters for another algorithm", func(r *CipherRequest) { r.Parameters.CryptographicAlgorithm = algDES3 }, kmip.KindParametersUnsupported},
		{"an algorithm that does not encrypt", func(r *CipherRequest) { r.Algorithm = kmip.CryptographicAlgorithmHMACSHA256 }, kmip.KindParametersUnsupported},
		{"half a block without padding", func(r *CipherRequest) { r.Data = r.Data[:8] }, kmip.KindCryptographicFailure},
		{"a key of no length that AES has", func(r *CipherRequest) { r.Key = secret.New(make([]byte, 17)) }, kmip.KindCryptographicFailure},
		{"no key", func(r *CipherRequest) { r.Key = nil }, kmip.KindCryptographicFailure},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := good
			c.change(&r)
			if _, err := Encrypt(r); kmip.KindOf(err) != c.want {
				t.Errorf("Encrypt: %v, want %v", err, c.want)
			}
			if _, err := Decrypt(r); kmip.KindOf(err) != c.want {
				t.Errorf("Decrypt: %v, want %v", err, c.want)
			}
		})
	}
	r := good
	r.IV, r.Rand = nil, iotest.ErrReader(errors.New("no entropy"))
	if _, err := Encrypt(r); kmip.KindOf(err) != kmip.KindCryptographicFailure {
		t.Errorf("without randomness: %v", err)
	}
}

func TestTransparentSymmetricKeyEncrypts(t *testing.T) {
	transparent := kmip.Structure(kmip.TagKeyMaterial, kmip.ByteString(kmip.TagKey, unhex(t, key128)))
	r := CipherRequest{Algorithm: algAES, Format: kmip.KeyFormatTypeTransparentSymmetricKey, Transparent: &transparent, Parameters: mode(kmip.BlockCipherModeECB, 0), Data: unhex(t, plain)[:16]}
	got, err := Encrypt(r)
	if err != nil || hex.EncodeToString(got.Data) != "3ad77bb40d7a3660a89ecaf32466ef97" {
		t.Errorf("got %x, %v", got.Data, err)
	}
}
