package crypto

import (
	"bytes"
	"encoding/hex"
	"testing"

	"pgregory.net/rapid"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
)

func TestWrapVectors(t *testing.T) {
	const kek = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	for _, c := range []struct {
		name             string
		mode             kmip.BlockCipherMode
		key, plain, want string
	}{
		{"RFC 3394 4.1, which no mode means", 0, kek[:32], "00112233445566778899aabbccddeeff", "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5"},
		{"RFC 3394 4.6", kmip.BlockCipherModeNISTKeyWrap, kek, "00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f", "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21"},
		{"RFC 5649 6, 20 bytes", kmip.BlockCipherModeAESKeyWrapPadding, "5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8", "c37b7e6492584340bed12207808941155068f738", "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a"},
		{"RFC 5649 6, 7 bytes", kmip.BlockCipherModeAESKeyWrapPadding, "5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8", "466f7250617369", "afbeb0f07dfbf5419200f2ccb50bb24f"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := CipherRequest{Algorithm: algAES, Key: secret.New(unhex(t, c.key)), Parameters: mode(c.mode, 0)}
			got, err := Wrap(r, secret.New(unhex(t, c.plain)))
			if err != nil || hex.EncodeToString(got.Data) != c.want || got.IV != nil {
				t.Fatalf("Wrap = %x, IV %x, %v; want %s", got.Data, got.IV, err, c.want)
			}
			back, err := Unwrap(r, got.Data)
			if err != nil || hex.EncodeToString(back.Reveal()) != c.plain {
				t.Errorf("Unwrap = %x, %v; want %s", back.Reveal(), err, c.plain)
			}
			for _, iv := range []string{"a6a6a6a6a6a6a6a6", "a65959a6", "0000000000000000"} {
				r.IV = unhex(t, iv)
				padded := c.mode == kmip.BlockCipherModeAESKeyWrapPadding
				_, err := Unwrap(r, got.Data)
				if right := padded && len(r.IV) == 4 || !padded && r.IV[0] == 0xa6 && len(r.IV) == 8; right != (err == nil) || !right && kmip.KindOf(err) != kmip.KindParametersUnsupported {
					t.Errorf("Unwrap with IV %s: %v", iv, err)
				}
			}
		})
	}
}

// wrappings are ways to wrap; authenticated ones find every change.
func wrappings(t testing.TB) map[string]struct {
	r             CipherRequest
	authenticated bool
	iv            int
} {
	rsaKey := signingKey(t, kmip.CryptographicAlgorithmRSA)
	sym := func(a kmip.CryptographicAlgorithm, n int, m kmip.BlockCipherMode, p kmip.PaddingMethod) CipherRequest {
		return CipherRequest{Algorithm: a, Key: secret.New(bytes.Repeat([]byte{1, 2, 3, 4, 5, 6, 7, 8}, 8)[:n]), Parameters: mode(m, p)}
	}
	rsa := func(p kmip.CryptographicParameters) CipherRequest {
		return CipherRequest{Algorithm: rsaKey.Algorithm, Key: rsaKey.Key, Format: rsaKey.Format, Parameters: p}
	}
	short := sym(algAES, 16, kmip.BlockCipherModeGCM, 0)
	short.Parameters.TagLength = ptr(int32(12))
	ccm := sym(algAES, 24, kmip.BlockCipherModeCCM, 0)
	ccm.Parameters.TagLength = ptr(int32(10))
	return map[string]struct {
		r             CipherRequest
		authenticated bool
		iv            int
	}{
		"RFC 3394":            {sym(algAES, 32, 0, 0), true, 0},
		"RFC 5649":            {sym(algAES, 32, kmip.BlockCipherModeAESKeyWrapPadding, 0), true, 0},
		"AES, CBC":            {sym(algAES, 32, kmip.BlockCipherModeCBC, kmip.PaddingMethodPKCS5), false, 16},
		"AES, ECB":            {sym(algAES, 32, kmip.BlockCipherModeECB, kmip.PaddingMethodANSIX923), false, 0},
		"AES, CTR":            {sym(algAES, 32, kmip.BlockCipherModeCTR, 0), false, 16},
		"AES, CFB":            {sym(algAES, 32, kmip.BlockCipherModeCFB, 0), false, 16},
		"AES, OFB":            {sym(algAES, 32, kmip.BlockCipherModeOFB, 0), false, 16},
		"AES, GCM":            {sym(algAES, 32, kmip.BlockCipherModeGCM, 0), true, 12},
		"AES, GCM, short tag": {short, true, 12},
		"AES, CCM":            {ccm, true, 12},
		"ChaCha20-Poly1305":   {sym(kmip.CryptographicAlgorithmChaCha20Poly1305, 32, 0, 0), true, 12},
		"Triple DES, CBC":     {sym(algDES3, 24, kmip.BlockCipherModeCBC, kmip.PaddingMethodPKCS5), false, 8},
		"RSA, OAEP":           {rsa(kmip.CryptographicParameters{PaddingMethod: kmip.PaddingMethodOAEP, HashingAlgorithm: kmip.HashingAlgorithmSHA256}), true, 0},
		"RSA, PKCS #1 v1.5":   {rsa(kmip.CryptographicParameters{PaddingMethod: kmip.PaddingMethodPKCS1V15}), false, 0},
	}
}

func TestUnwrapAgreesWithWrap(t *testing.T) {
	for name, c := range wrappings(t) {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				plain := bytes.Repeat(rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "plain"), rapid.IntRange(2, 8).Draw(t, "blocks"))
				r := c.r
				got, err := Wrap(r, secret.Copy(plain))
				if err != nil || len(got.IV) != c.iv || bytes.Contains(got.Data, plain) {
					t.Fatalf("Wrap = %x, IV %x, %v", got.Data, got.IV, err)
				}
				r.IV = got.IV
				back, err := Unwrap(r, got.Data)
				if err != nil || !bytes.Equal(back.Reveal(), plain) {
					t.Fatalf("Unwrap = %x, %v; want %x", back.Reveal(), err, plain)
				}
				changed := bytes.Clone(got.Data)
				changed[rapid.IntRange(0, len(changed)-1).Draw(t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
				back, err = Unwrap(r, changed)
				switch {
				case err != nil && err.Error() != errUnwrap().Error():
					t.Fatalf("Unwrap of what was changed: %v", err)
				case err == nil && c.authenticated:
					t.Fatalf("Unwrap of what was changed = %x", back.Reveal())
				case err == nil && bytes.Equal(back.Reveal(), plain):
					t.Fatal("a change made no difference")
				}
			})
		})
	}
}

// Nothing tells why a key cannot be unwrapped.
func TestUnwrapFailsInOneWay(t *testing.T) {
	for name, c := range wrappings(t) {
		for _, n := range []int{0, 1, 7, 8, 15, 17, 255} {
			r := c.r
			r.IV = make([]byte, c.iv)
			out, err := Unwrap(r, make([]byte, n))
			if err == nil && !c.authenticated && out != nil {
				continue // a mode that takes anything
			}
			if err == nil || err.Error() != errUnwrap().Error() || out != nil {
				t.Errorf("%s, %d bytes: %v, %v", name, n, out, err)
			}
		}
		r := c.r
		r.Key, r.IV = secret.New([]byte{1, 2, 3}), make([]byte, c.iv)
		if out, err := Unwrap(r, make([]byte, 64)); err == nil || err.Error() != errUnwrap().Error() || out != nil {
			t.Errorf("%s, a wrong key: %v, %v", name, out, err)
		}
	}
}

func TestWrapRefusals(t *testing.T) {
	key := secret.New(make([]byte, 32))
	for _, c := range []struct {
		name string
		r    CipherRequest
		want kmip.Kind
	}{
		{"X9.102 AESKW", CipherRequest{Algorithm: algAES, Key: key, Parameters: mode(kmip.BlockCipherModeX9102AESKW, 0)}, kmip.KindParametersUnsupported},
		{"X9.102 TDKW", CipherRequest{Algorithm: algDES3, Key: secret.New(make([]byte, 24)), Parameters: mode(kmip.BlockCipherModeX9102TDKW, 0)}, kmip.KindParametersUnsupported},
		{"RFC 3394 with Triple DES", CipherRequest{Algorithm: algDES3, Key: secret.New(make([]byte, 24)), Parameters: mode(kmip.BlockCipherModeNISTKeyWrap, 0)}, kmip.KindParametersUnsupported},
		{"Triple DES without a mode", CipherRequest{Algorithm: algDES3, Key: secret.New(make([]byte, 24))}, kmip.KindParametersMissing},
		{"a one-time pad", CipherRequest{Algorithm: kmip.CryptographicAlgorithmOneTimePad, Key: key}, kmip.KindParametersUnsupported},
		{"RFC 3394 with a padding", CipherRequest{Algorithm: algAES, Key: key, Parameters: mode(0, kmip.PaddingMethodPKCS5)}, kmip.KindParametersUnsupported},
		{"parameters of another algorithm", CipherRequest{Algorithm: algAES, Key: key, Parameters: kmip.CryptographicParameters{CryptographicAlgorithm: algDES3}}, kmip.KindParametersUnsupported},
		{"RSA without a padding", CipherRequest{Algorithm: kmip.CryptographicAlgorithmRSA, Key: signingKey(t, kmip.CryptographicAlgorithmRSA).Key, Format: kmip.KeyFormatTypePKCS1}, kmip.KindParametersMissing},
		{"HMAC", CipherRequest{Algorithm: kmip.CryptographicAlgorithmHMACSHA256, Key: key}, kmip.KindParametersUnsupported},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Wrap(c.r, secret.New(make([]byte, 16))); kmip.KindOf(err) != c.want {
				t.Errorf("Wrap: %v, want %v", err, c.want)
			}
			if _, err := Unwrap(c.r, make([]byte, 24)); kmip.KindOf(err) != c.want {
				t.Errorf("Unwrap: %v, want %v", err, c.want)
			}
		})
	}
	for _, n := range []int{0, 8, 15, 17} {
		if _, err := Wrap(CipherRequest{Algorithm: algAES, Key: key}, secret.New(make([]byte, n))); kmip.KindOf(err) != kmip.KindCryptographicFailure {
			t.Errorf("RFC 3394 of %d bytes: %v", n, err)
		}
	}
	if _, err := Unwrap(CipherRequest{Algorithm: algAES, Key: key, Parameters: mode(kmip.BlockCipherModeCBC, 0)}, make([]byte, 16)); kmip.KindOf(err) != kmip.KindMissingIV {
		t.Errorf("CBC without an IV: %v", err)
	}
}
