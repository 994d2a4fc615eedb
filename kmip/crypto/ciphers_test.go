package crypto

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
)

const (
	plainFour = plain + "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
	fips81    = "4e6f77206973207468652074696d6520666f7220616c6c20"                 // FIPS 81: "Now is the time for all "
	libdes    = "37363534333231204e6f77206973207468652074696d6520666f722000000000" // the test of libdes
)

// One block, from the documents of the ciphers.
func TestCipherVectors(t *testing.T) {
	for _, c := range []struct {
		name             string
		algorithm        kmip.CryptographicAlgorithm
		key, plain, want string
	}{
		{"DES, FIPS 81", kmip.CryptographicAlgorithmDES, "0123456789abcdef", fips81, "3fa40e8a984d48156a271787ab8883f9893d51ec4b563b53"},
		{"Blowfish, Eric Young's first", kmip.CryptographicAlgorithmBlowfish, "0000000000000000", "0000000000000000", "4ef997456198dd78"},
		{"Blowfish, 24 bytes", kmip.CryptographicAlgorithmBlowfish, "f0e1d2c3b4a5968778695a4b3c2d1e0f0011223344556677", "fedcba9876543210", "05044b62fa52d080"},
		{"CAST5, RFC 2144 B.1", kmip.CryptographicAlgorithmCAST5, "0123456712345678234567893456789a", "0123456789abcdef", "238b4fe5847e44b2"},
		{"Twofish, 128 bits", kmip.CryptographicAlgorithmTwofish, "00000000000000000000000000000000", "00000000000000000000000000000000", "9f589f5cf6122c32b6bfec2f2ae8c35a"},
		{"Twofish, 192 bits", kmip.CryptographicAlgorithmTwofish, "0123456789abcdeffedcba98765432100011223344556677", "00000000000000000000000000000000", "cfd1d2e5a9be9cdf501f13b892bd2248"},
		{"Twofish, 256 bits", kmip.CryptographicAlgorithmTwofish, "0123456789abcdeffedcba987654321000112233445566778899aabbccddeeff", "00000000000000000000000000000000", "37527be0052334b89f0cfccae87cfa20"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := CipherRequest{Algorithm: c.algorithm, Key: secret.New(unhex(t, c.key)), Parameters: mode(kmip.BlockCipherModeECB, 0), Data: unhex(t, c.plain)}
			checkCipher(t, r, c.want, "")
		})
	}
}

// checkCipher encrypts to what is wanted, and back.
func checkCipher(t *testing.T, r CipherRequest, want, tag string) {
	t.Helper()
	got, err := Encrypt(r)
	if err != nil {
		t.Fatal(err)
	}
	if hex.EncodeToString(got.Data) != want || hex.EncodeToString(got.Tag) != tag || got.IV != nil {
		t.Errorf("Encrypt = %x, tag %x, IV %x; want %s, tag %s", got.Data, got.Tag, got.IV, want, tag)
	}
	plain := r.Data
	r.Data, r.Tag = got.Data, got.Tag
	back, err := Decrypt(r)
	if err != nil || !bytes.Equal(back.Data, plain) {
		t.Errorf("Decrypt = %x, %v; want %x", back.Data, err, plain)
	}
}

func TestModeVectors(t *testing.T) {
	for _, c := range []struct {
		name      string
		algorithm kmip.CryptographicAlgorithm
		mode      kmip.BlockCipherMode
		key, iv   string
		plain     string
		want      string
	}{
		{"SP 800-38A F.3.13 CFB128-AES128", algAES, kmip.BlockCipherModeCFB, key128, firstIV, plainFour, "3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b26751f67a3cbb140b1808cf187a4f4dfc04b05357c5d1c0eeac4c66f9ff7f2e6"},
		{"SP 800-38A F.3.17 CFB128-AES256", algAES, kmip.BlockCipherModeCFB, key256, firstIV, plainFour, "dc7e84bfda79164b7ecd8486985d386039ffed143b28b1c832113c6331e5407bdf10132415e54b92a13ed0a8267ae2f975a385741ab9cef82031623d55b1e471"},
		{"SP 800-38A F.4.1 OFB-AES128", algAES, kmip.BlockCipherModeOFB, key128, firstIV, plainFour, "3b3fd92eb72dad20333449f8e83cfb4a7789508d16918f03f53c52dac54ed8259740051e9c5fecf64344f7a82260edcc304c6528f659c77866a510d9c1d6ae5e"},
		{"SP 800-38A F.4.5 OFB-AES256", algAES, kmip.BlockCipherModeOFB, key256, firstIV, plainFour, "dc7e84bfda79164b7ecd8486985d38604febdc6740d20b3ac88f6ad82a4fb08d71ab47a086e86eedf39d1c5bba97c4080126141d67f37be8538f5a8be740e484"},
		{"FIPS 81 CBC", kmip.CryptographicAlgorithmDES, kmip.BlockCipherModeCBC, "0123456789abcdef", "1234567890abcdef", fips81, "e5c7cdde872bf27c43e934008c389c0f683788499a7c05f6"},
		{"FIPS 81 CFB64", kmip.CryptographicAlgorithmDES, kmip.BlockCipherModeCFB, "0123456789abcdef", "1234567890abcdef", fips81, "f3096249c7f46e51a69e839b1a92f78403467133898ea622"},
		{"FIPS 81 OFB64", kmip.CryptographicAlgorithmDES, kmip.BlockCipherModeOFB, "0123456789abcdef", "1234567890abcdef", fips81, "f3096249c7f46e5135f24a242eeb3d3f3d6d5be3255af8c3"},
		{"PCBC of libdes", kmip.CryptographicAlgorithmDES, kmip.BlockCipherModePCBC, "0123456789abcdef", "fedcba9876543210", libdes, "ccd173ffab2039f46decb470a0e56b15aea6bf61ed7d9c9ff717463b8ab3cc88"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := CipherRequest{Algorithm: c.algorithm, Key: secret.New(unhex(t, c.key)), Parameters: mode(c.mode, 0), Data: unhex(t, c.plain), IV: unhex(t, c.iv)}
			checkCipher(t, r, c.want, "")
			if r.Parameters.BlockCipherMode == kmip.BlockCipherModeCFB || r.Parameters.BlockCipherMode == kmip.BlockCipherModeOFB {
				r.Data = r.Data[:len(r.Data)-3] // the last segment may be short
				checkCipher(t, r, c.want[:2*len(r.Data)], "")
			}
			if c.algorithm == kmip.CryptographicAlgorithmDES {
				r.Algorithm, r.Key = algDES3, secret.New(unhex(t, c.key+c.key+c.key))
				checkCipher(t, r, c.want[:2*len(r.Data)], "")
			}
		})
	}
}

// Every block cipher does every mode that its block allows.
func TestEveryCipherInEveryMode(t *testing.T) {
	keys := map[kmip.CryptographicAlgorithm][]int{
		algAES: {16, 24, 32}, kmip.CryptographicAlgorithmTwofish: {16, 24, 32},
		algDES3: {16, 24}, kmip.CryptographicAlgorithmDES: {8}, kmip.CryptographicAlgorithmCAST5: {16}, kmip.CryptographicAlgorithmBlowfish: {4, 16, 56},
	}
	data := []byte("sixteen bytes, and sixteen bytes")
	for algorithm, sizes := range keys {
		for _, size := range sizes {
			for _, m := range []kmip.BlockCipherMode{
				kmip.BlockCipherModeECB, kmip.BlockCipherModeCBC, kmip.BlockCipherModePCBC, kmip.BlockCipherModeCFB, kmip.BlockCipherModeOFB,
				kmip.BlockCipherModeCTR, kmip.BlockCipherModeGCM, kmip.BlockCipherModeCCM, kmip.BlockCipherModeXTS,
			} {
				key := bytes.Repeat([]byte{1, 2, 3, 4, 5, 6, 7, 8}, 7)[:size]
				if m == kmip.BlockCipherModeXTS {
					key = append(key[:size:size], bytes.Repeat([]byte{9}, size)...)
				}
				r := CipherRequest{Algorithm: algorithm, Key: secret.New(key), Parameters: mode(m, 0), Data: data}
				got, err := Encrypt(r)
				wide := algorithm == algAES || algorithm == kmip.CryptographicAlgorithmTwofish
				if m >= kmip.BlockCipherModeCCM && !wide {
					if kmip.KindOf(err) != kmip.KindParametersUnsupported {
						t.Errorf("%v, %v: %v", algorithm, m, err)
					}
					continue
				}
				if m == kmip.BlockCipherModeXTS && algorithm == algAES && size == 24 {
					if kmip.KindOf(err) != kmip.KindCryptographicFailure {
						t.Errorf("XTS-AES-192: %v", err)
					}
					continue
				}
				if err != nil || bytes.Equal(got.Data, data) || (got.IV == nil) != (m == kmip.BlockCipherModeECB) {
					t.Errorf("%v of %d bytes, %v: %x, IV %x, %v", algorithm, size, m, got.Data, got.IV, err)
					continue
				}
				r.Data, r.IV, r.Tag = got.Data, got.IV, got.Tag
				if back, err := Decrypt(r); err != nil || !bytes.Equal(back.Data, data) {
					t.Errorf("%v of %d bytes, %v: Decrypt = %x, %v", algorithm, size, m, back.Data, err)
				}
			}
		}
	}
}

func TestCiphersThatAreNotThere(t *testing.T) {
	for _, a := range []kmip.CryptographicAlgorithm{
		kmip.CryptographicAlgorithmCamellia, kmip.CryptographicAlgorithmARIA, kmip.CryptographicAlgorithmSEED, kmip.CryptographicAlgorithmSM4,
		kmip.CryptographicAlgorithmIDEA, kmip.CryptographicAlgorithmRC2, kmip.CryptographicAlgorithmRC4, kmip.CryptographicAlgorithmSKIPJACK, 0,
	} {
		r := CipherRequest{Algorithm: a, Key: secret.New(make([]byte, 16)), Parameters: mode(kmip.BlockCipherModeECB, 0), Data: make([]byte, 16)}
		if _, err := Encrypt(r); kmip.KindOf(err) != kmip.KindParametersUnsupported {
			t.Errorf("%v: %v", a, err)
		}
	}
}
