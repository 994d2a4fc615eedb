package crypto

import (
	"encoding/hex"
	"testing"

	"pgregory.net/rapid"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
)

func TestMACVectorsOfEveryKind(t *testing.T) {
	const (
		cmacAES = "2b7e151628aed2a6abf7158809cf4f3c" // RFC 4493, and SP 800-38B D.1
		cmac3   = "8aa83bf8cbda10620bc1bf19fbb6cd58bc313d4a371ca8b5"
		cmac2   = "4cf15134a2850dd58a3d10ba80570d38"
		hi      = "4869205468657265" // RFC 2202 and RFC 4231, test case 1
		key20   = "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"
	)
	hash := func(a kmip.HashingAlgorithm) kmip.CryptographicParameters {
		return kmip.CryptographicParameters{HashingAlgorithm: a}
	}
	cmacMode := mode(kmip.BlockCipherModeCMAC, 0)
	for _, c := range []struct {
		name       string
		algorithm  kmip.CryptographicAlgorithm
		parameters kmip.CryptographicParameters
		key, data  string
		want       string
	}{
		{"RFC 4493 example 1, nothing", algAES, cmacMode, cmacAES, "", "bb1d6929e95937287fa37d129b756746"},
		{"RFC 4493 example 2, one block", algAES, cmacMode, cmacAES, plainFour[:32], "070a16b46b4d4144f79bdd9dd04a287c"},
		{"RFC 4493 example 3, 40 bytes", algAES, cmacMode, cmacAES, plainFour[:80], "dfa66747de9ae63030ca32611497c827"},
		{"RFC 4493 example 4, 64 bytes", algAES, cmacMode, cmacAES, plainFour, "51f0bebf7e3b9d92fc49741779363cfe"},
		{"SP 800-38B D.2, nothing", algAES, cmacMode, key192, "", "d17ddf46adaacde531cac483de7a9367"},
		{"SP 800-38B D.3, 64 bytes", algAES, cmacMode, key256, plainFour, "e1992190549f6ed5696a2c056c315410"},
		{"SP 800-38B D.4, nothing", algDES3, cmacMode, cmac3, "", "b7a688e122ffaf95"},
		{"SP 800-38B D.4, one block", algDES3, cmacMode, cmac3, plainFour[:16], "8e8f293136283797"},
		{"SP 800-38B D.4, 20 bytes", algDES3, cmacMode, cmac3, plainFour[:40], "743ddbe0ce2dc2ed"},
		{"SP 800-38B D.4, 32 bytes", algDES3, cmacMode, cmac3, plainFour[:64], "33e6b1092400eae5"},
		{"SP 800-38B D.5, 32 bytes", algDES3, cmacMode, cmac2, plainFour[:64], "31b1e431dabc4eb8"},
		{"FIPS 113", kmip.CryptographicAlgorithmDES, mode(kmip.BlockCipherModeCBCMAC, kmip.PaddingMethodZeros), "0123456789abcdef", "37363534333231204e6f77206973207468652074696d6520666f7220", "f1d30f6849312ca4"},
		{"HMAC-MD5, RFC 2202", kmip.CryptographicAlgorithmHMACMD5, kmip.CryptographicParameters{}, key20[:32], hi, "9294727a3638bb1c13f48ef8158bfc9d"},
		{"HMAC-SHA-1, RFC 2202", kmip.CryptographicAlgorithmHMACSHA1, kmip.CryptographicParameters{}, key20, hi, "b617318655057264e28bc0b6fb378c8ef146be00"},
		{"HMAC-SHA-224, RFC 4231", kmip.CryptographicAlgorithmHMACSHA224, kmip.CryptographicParameters{}, key20, hi, "896fb1128abbdf196832107cd49df33f47b4b1169912ba4f53684b22"},
		{"HMAC-SHA-256, RFC 4231", kmip.CryptographicAlgorithmHMACSHA256, kmip.CryptographicParameters{}, key20, hi, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
		{"HMAC-SHA-384, RFC 4231", kmip.CryptographicAlgorithmHMACSHA384, kmip.CryptographicParameters{}, key20, hi, "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6"},
		{"HMAC-SHA-512, RFC 4231", kmip.CryptographicAlgorithmHMACSHA512, kmip.CryptographicParameters{}, key20, hi, "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"},
		{"HMAC-RIPEMD-160, RFC 2286", 0, hash(kmip.HashingAlgorithmRIPEMD160), key20, hi, "24cb4bd67d20fc1a5d2ed7732dcc39377f0a5668"},
		{"the algorithm of the parameters comes before the key's", kmip.CryptographicAlgorithmHMACSHA1, kmip.CryptographicParameters{CryptographicAlgorithm: kmip.CryptographicAlgorithmHMACSHA256}, key20, hi, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
		{"an AES key with a Hashing Algorithm", algAES, hash(kmip.HashingAlgorithmSHA256), key20, hi, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
		{"Poly1305, RFC 8439 2.5.2", kmip.CryptographicAlgorithmPoly1305, kmip.CryptographicParameters{}, "85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b", hex.EncodeToString([]byte("Cryptographic Forum Research Group")), "a8061dc1305136c6c22b8baf0c0127a9"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := CipherRequest{Algorithm: c.algorithm, Key: secret.New(unhex(t, c.key)), Parameters: c.parameters, Data: unhex(t, c.data)}
			got, err := MAC(r)
			if err != nil || hex.EncodeToString(got) != c.want {
				t.Fatalf("MAC = %x, %v; want %s", got, err, c.want)
			}
			for _, change := range []byte{0, 1} {
				got[0] ^= change
				if valid, err := VerifyMAC(r, got); err != nil || valid != (change == 0) {
					t.Errorf("VerifyMAC(%x) = %v, %v", got, valid, err)
				}
			}
		})
	}
}

// Every Hashing Algorithm that is there makes an HMAC; so SHA-512/224, SHA3-256 …
func TestHMACWithEveryHash(t *testing.T) {
	for name, h := range hashes {
		r := CipherRequest{Key: secret.New([]byte("key")), Parameters: kmip.CryptographicParameters{HashingAlgorithm: name}, Data: []byte("data")}
		if got, err := MAC(r); err != nil || len(got) != h.Size() {
			t.Errorf("%v: %x, %v", name, got, err)
		}
	}
}

// CBC-MAC is the last block of CBC mode with a zero IV.
func TestCBCMACAgreesWithCBC(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := CipherRequest{
			Algorithm: algAES, Key: secret.New(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "key")), IV: make([]byte, 16),
			Data:       rapid.SliceOfN(rapid.Byte(), 1, 100).Draw(t, "data"),
			Parameters: mode(kmip.BlockCipherModeCBC, rapid.SampledFrom([]kmip.PaddingMethod{kmip.PaddingMethodPKCS5, kmip.PaddingMethodZeros, kmip.PaddingMethodANSIX923}).Draw(t, "padding")),
		}
		want, err := Encrypt(r)
		if err != nil {
			t.Fatal(err)
		}
		r.Parameters.BlockCipherMode = kmip.BlockCipherModeCBCMAC
		got, err := MAC(r)
		if err != nil || hex.EncodeToString(got) != hex.EncodeToString(want.Data[len(want.Data)-16:]) {
			t.Fatalf("got %x, %v; want the end of %x", got, err, want.Data)
		}
	})
}

func TestMACRefusals(t *testing.T) {
	key := secret.New(make([]byte, 16))
	for _, c := range []struct {
		name string
		r    CipherRequest
		want kmip.Kind
	}{
		{"nothing says which", CipherRequest{Algorithm: algAES, Key: key}, kmip.KindParametersMissing},
		{"GMAC, which has no field for its nonce", CipherRequest{Algorithm: algAES, Key: key, Parameters: mode(kmip.BlockCipherModeGCM, 0)}, kmip.KindParametersUnsupported},
		{"CMAC without a block cipher", CipherRequest{Algorithm: kmip.CryptographicAlgorithmHMACSHA256, Key: key, Parameters: mode(kmip.BlockCipherModeCMAC, 0)}, kmip.KindParametersUnsupported},
		{"a hash that is not there", CipherRequest{Key: key, Parameters: kmip.CryptographicParameters{HashingAlgorithm: kmip.HashingAlgorithmWhirlpool}}, kmip.KindParametersUnsupported},
		{"Poly1305 under a key of 128 bits", CipherRequest{Algorithm: kmip.CryptographicAlgorithmPoly1305, Key: key}, kmip.KindCryptographicFailure},
		{"CBC-MAC of a part of a block", CipherRequest{Algorithm: algAES, Key: key, Parameters: mode(kmip.BlockCipherModeCBCMAC, 0), Data: make([]byte, 17)}, kmip.KindCryptographicFailure},
		{"CBC-MAC of nothing", CipherRequest{Algorithm: algAES, Key: key, Parameters: mode(kmip.BlockCipherModeCBCMAC, 0)}, kmip.KindCryptographicFailure},
		{"CBC-MAC with a random padding", CipherRequest{Algorithm: algAES, Key: key, Parameters: mode(kmip.BlockCipherModeCBCMAC, kmip.PaddingMethodISO10126)}, kmip.KindParametersUnsupported},
		{"a key format that is none of MAC", CipherRequest{Algorithm: kmip.CryptographicAlgorithmHMACSHA256, Key: key, Format: kmip.KeyFormatTypePKCS1}, kmip.KindKeyFormat},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := MAC(c.r); kmip.KindOf(err) != c.want {
				t.Errorf("MAC: %v, want %v", err, c.want)
			}
			if valid, err := VerifyMAC(c.r, nil); kmip.KindOf(err) != c.want || valid {
				t.Errorf("VerifyMAC: %v, %v, want %v", valid, err, c.want)
			}
		})
	}
}
