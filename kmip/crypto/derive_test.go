package crypto

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"testing"

	"pgregory.net/rapid"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
)

func hashing(a kmip.HashingAlgorithm) kmip.CryptographicParameters {
	return kmip.CryptographicParameters{HashingAlgorithm: a}
}

func TestDeriveVectors(t *testing.T) {
	const (
		counted  = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
		ikm      = "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"
		label    = "6c6162656c00636f6e74657874" // "label", 0, "context"
		awsKey   = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
		awsFinal = "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"
	)
	cmacMode := mode(kmip.BlockCipherModeCMAC, 0)
	for _, c := range []struct {
		name           string
		method         kmip.DerivationMethod
		algorithm      kmip.CryptographicAlgorithm
		parameters     kmip.CryptographicParameters
		key, data      string // key in hexadecimal
		salt           string
		iv             string
		iterations     int32
		want           string
		withEmptyData  bool
		keyIsPlainText bool
	}{
		{name: "PBKDF2, RFC 6070, one iteration", method: kmip.DerivationMethodPBKDF2, key: "password", keyIsPlainText: true, salt: "salt", iterations: 1, want: "0c60c80f961f0e71f3a9b524af6012062fe037a6"},
		{name: "PBKDF2, RFC 6070, 4096 iterations", method: kmip.DerivationMethodPBKDF2, key: "password", keyIsPlainText: true, salt: "salt", iterations: 4096, want: "4b007901b765489abead49d926f721d065a429c1"},
		{name: "PBKDF2, RFC 6070, 25 bytes", method: kmip.DerivationMethodPBKDF2, key: "passwordPASSWORDpassword", keyIsPlainText: true, salt: "saltSALTsaltSALTsaltSALTsaltSALTsalt", iterations: 4096, want: "3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038"},
		{name: "PBKDF2, RFC 7914, SHA-256", method: kmip.DerivationMethodPBKDF2, parameters: hashing(kmip.HashingAlgorithmSHA256), key: "passwd", keyIsPlainText: true, salt: "salt", iterations: 1, want: "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783"},
		{name: "PBKDF2, named as an HMAC algorithm", method: kmip.DerivationMethodPBKDF2, parameters: kmip.CryptographicParameters{CryptographicAlgorithm: kmip.CryptographicAlgorithmHMACSHA256}, key: "passwd", keyIsPlainText: true, salt: "salt", iterations: 1, want: "55ac046e56e3089fec1691c22544b605"},
		{name: "HASH of the key", method: kmip.DerivationMethodHASH, parameters: hashing(kmip.HashingAlgorithmSHA256), key: "abc", keyIsPlainText: true, want: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{name: "HASH of the data, the leading bits", method: kmip.DerivationMethodHASH, parameters: hashing(kmip.HashingAlgorithmSHA256), data: "616263", want: "ba7816bf8f01cfea414140de5dae2223"},
		{name: "HASH of data that is empty", method: kmip.DerivationMethodHASH, parameters: hashing(kmip.HashingAlgorithmSHA1), withEmptyData: true, want: "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
		{name: "HMAC, RFC 4231 test case 1, by the key's algorithm", method: kmip.DerivationMethodHMAC, algorithm: kmip.CryptographicAlgorithmHMACSHA256, key: "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", data: "4869205468657265", want: "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
		{name: "HMAC, by Hashing Algorithm", method: kmip.DerivationMethodHMAC, algorithm: algAES, parameters: hashing(kmip.HashingAlgorithmSHA256), key: "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", data: "4869205468657265", want: "b0344c61d8db38535ca8afceaf0bf12b"},
		{name: "HMAC under a key for HMAC: a Hashing Algorithm is ignored", method: kmip.DerivationMethodHMAC, algorithm: kmip.CryptographicAlgorithmHMACSHA256, parameters: hashing(kmip.HashingAlgorithmSHA512), key: "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", data: "4869205468657265", want: "b0344c61d8db38535ca8afceaf0bf12b"},
		{name: "ENCRYPT, SP 800-38A F.2.1", method: kmip.DerivationMethodENCRYPT, algorithm: algAES, parameters: mode(kmip.BlockCipherModeCBC, 0), key: key128, iv: firstIV, data: plain, want: "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"},
		{name: "ENCRYPT, SP 800-38A F.1.1, the leading bits", method: kmip.DerivationMethodENCRYPT, algorithm: algAES, parameters: mode(kmip.BlockCipherModeECB, 0), key: key128, data: plain, want: "3ad77bb40d7a3660a89ecaf32466ef97f5d3d585"},
		{name: "ENCRYPT without an IV: zeros", method: kmip.DerivationMethodENCRYPT, algorithm: algAES, parameters: mode(kmip.BlockCipherModeCBC, 0), key: key128, data: firstIV + "ffffffffffffffffffffffffffffffff", want: "50fe67cc996d32b6da0937e99bafec60"},
		{name: "ENCRYPT under a secret, by the parameters' algorithm", method: kmip.DerivationMethodENCRYPT, parameters: kmip.CryptographicParameters{CryptographicAlgorithm: algAES, BlockCipherMode: kmip.BlockCipherModeECB}, key: key128, data: plain, want: "3ad77bb40d7a3660a89ecaf32466ef97"},
		{name: "SP 800-108 counter, CAVP, HMAC-SHA-256", method: kmip.DerivationMethodNIST800108C, parameters: hashing(kmip.HashingAlgorithmSHA256), key: "dd1d91b7d90b2bd3138533ce92b272fbf8a369316aefe242e659cc0ae238afe0", data: "01322b96b30acd197979444e468e1c5c6859bf1b1cf951b7e725303e237e46b864a145fab25e517b08f8683d0315bb2911d80a0e8aba17f3b413faac", want: "10621342bfb0fd40046c0e29f2cfdbf0"},
		{name: "SP 800-108 counter, CAVP, AES-CMAC, two blocks", method: kmip.DerivationMethodNIST800108C, algorithm: algAES, parameters: cmacMode, key: "b523ae21fc36bc58cc46e5a3cda97493", data: "8dbe6d4d9b09b2eabd165b6e6e97e3bc782f8335cb1ea04ad0403affd88a5071db5f36ce2e84ab296261730b2226a9189d867991fbd4ff86f43a3cfb", want: "530211df01975dd6c08064c34105f88a6007f2b2"},
		{name: "SP 800-108 counter, CAVP, AES-CMAC, three blocks", method: kmip.DerivationMethodNIST800108C, algorithm: algAES, parameters: cmacMode, key: "b2fcf854b1029888aeb0274ca09bb21a", data: "a6b84baae7a6ceb1d63ed704757500c510c0a8bdc22d2f42af09f79c815f37f33b67dad0b30f428fc1e2d355f7f91f65acbedd2fdd5b8c38dd890407", want: "fe4c2c0242c5a295c008aeb87ae0815171de6173773292347f4f5ec07185c3f860b5667c199aad55"},
		{name: "SP 800-108 counter, OpenSSL, HMAC-SHA-512", method: kmip.DerivationMethodNIST800108C, parameters: hashing(kmip.HashingAlgorithmSHA512), key: counted, data: label, want: "f4ef8b36bf8b6897e678419bbe78f420b7187a5ea4a26bd01158ca484ba224a995fe6ee4d9ee57f29ca398a50a2df5431865dcf9a5925f6a93c89369a9bbaf37496e59888122"},
		{name: "SP 800-108 feedback, OpenSSL, HMAC-SHA-256 with an IV", method: kmip.DerivationMethodNIST800108F, algorithm: kmip.CryptographicAlgorithmHMACSHA256, key: counted, data: label, iv: "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf", want: "d432f5abfe6588c71ccca64ca503d0ae2e825a4869e9d4c5ec34261c6250bd8c1ef3ccdddb883c92a47ace683d56674e43b300fe61856a82b8edb41a3ee71a03fdf563ca10ea6062cd30f3f840f391e9"},
		{name: "SP 800-108 feedback, OpenSSL, AES-CMAC without an IV", method: kmip.DerivationMethodNIST800108F, algorithm: algAES, parameters: cmacMode, key: counted[:32], data: label, want: "042226feaeda38b74d524e5778eac4bf89ee3b8765f2d9926fe5df254c41c851ebe588942aafde2a"},
		{name: "HKDF, RFC 5869 A.1", method: kmip.DerivationMethodHKDF, key: ikm, salt: "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c", data: "f0f1f2f3f4f5f6f7f8f9", want: "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"},
		{name: "HKDF, RFC 5869 A.3, without salt and information", method: kmip.DerivationMethodHKDF, key: ikm, want: "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"},
		{name: "HKDF, RFC 5869 A.4, SHA-1", method: kmip.DerivationMethodHKDF, parameters: hashing(kmip.HashingAlgorithmSHA1), key: "0b0b0b0b0b0b0b0b0b0b0b", salt: "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c", data: "f0f1f2f3f4f5f6f7f8f9", want: "085a01ea1b10f36933068b56efa5ad81a4f14b822f5b091568a9cdd4f155fda2c22e422478d305f3f896"},
		{name: "AWS Signature Version 4, as a credential scope", method: kmip.DerivationMethodAWSSignatureVersion4, key: awsKey, keyIsPlainText: true, data: hex.EncodeToString([]byte("20150830/us-east-1/iam")), want: awsFinal},
		{name: "AWS Signature Version 4, with the terminator", method: kmip.DerivationMethodAWSSignatureVersion4, key: awsKey, keyIsPlainText: true, data: hex.EncodeToString([]byte("20150830/us-east-1/iam/aws4_request")), want: awsFinal},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := DeriveRequest{
				Method: c.method, Algorithm: c.algorithm, Parameters: c.parameters, Data: unhex(t, c.data), HasData: c.data != "" || c.withEmptyData,
				Salt: []byte(c.salt), IV: unhex(t, c.iv), Iterations: c.iterations, LengthBits: int32(4 * len(c.want)),
			}
			if c.keyIsPlainText {
				r.Key = secret.New([]byte(c.key))
			} else {
				r.Key = secret.New(unhex(t, c.key))
			}
			got, err := Derive(r)
			if err != nil || hex.EncodeToString(got.Reveal()) != c.want {
				t.Fatalf("Derive = %x, %v; want %s", got.Reveal(), err, c.want)
			}
			for i, b := range r.Key.Reveal() {
				if c.keyIsPlainText && b != c.key[i] {
					t.Fatal("the key was changed")
				}
			}
		})
	}
	three, err := Derive(DeriveRequest{
		Method: kmip.DerivationMethodAWSSignatureVersion4, Key: secret.New([]byte(awsKey)),
		Repeated: [][]byte{[]byte("20150830"), []byte("us-east-1"), []byte("iam")}, HasData: true, LengthBits: 256,
	})
	if err != nil || hex.EncodeToString(three.Reveal()) != awsFinal {
		t.Errorf("AWS Signature Version 4, of three Derivation Data: %x, %v; want %s", three.Reveal(), err, awsFinal)
	}
}

// The three methods of SP 800-108, written as their sections write them.
func TestDeriveAgreesWithTheText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.Byte(), 1, 80).Draw(t, "key")
		data := rapid.SliceOfN(rapid.Byte(), 0, 80).Draw(t, "data")
		iv := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "iv")
		n := rapid.IntRange(1, 150).Draw(t, "bytes")
		f := func(parts ...[]byte) []byte {
			m := hmac.New(sha256.New, key)
			m.Write(bytes.Join(parts, nil))
			return m.Sum(nil)
		}
		var counter, feedback, pipeline []byte
		k, a := iv, data
		for i := uint32(1); i <= 5; i++ {
			number := binary.BigEndian.AppendUint32(nil, i)
			counter = append(counter, f(number, data)...)
			k = f(k, number, data)
			feedback = append(feedback, k...)
			a = f(a)
			pipeline = append(pipeline, f(a, number, data)...)
		}
		for method, want := range map[kmip.DerivationMethod][]byte{
			kmip.DerivationMethodNIST800108C: counter, kmip.DerivationMethodNIST800108F: feedback, kmip.DerivationMethodNIST800108DPI: pipeline,
		} {
			got, err := Derive(DeriveRequest{
				Method: method, Key: secret.Copy(key), Parameters: hashing(kmip.HashingAlgorithmSHA256), Data: data, HasData: true, IV: iv, LengthBits: int32(8 * n),
			})
			if err != nil || !bytes.Equal(got.Reveal(), want[:n]) {
				t.Fatalf("%v = %x, %v; want %x", method, got.Reveal(), err, want[:n])
			}
		}
	})
}

func TestDeriveRefusals(t *testing.T) {
	key := secret.New(make([]byte, 16))
	sha := hashing(kmip.HashingAlgorithmSHA256)
	pbkdf2 := DeriveRequest{Method: kmip.DerivationMethodPBKDF2, Key: key, Salt: []byte("salt"), Iterations: 1, LengthBits: 128}
	with := func(r DeriveRequest, change func(*DeriveRequest)) DeriveRequest {
		change(&r)
		return r
	}
	data := make([]byte, 16)
	for _, c := range []struct {
		name string
		r    DeriveRequest
		want kmip.Kind
	}{
		{"no length", with(pbkdf2, func(r *DeriveRequest) { r.LengthBits = 0 }), kmip.KindInvalidField},
		{"a negative length", with(pbkdf2, func(r *DeriveRequest) { r.LengthBits = -8 }), kmip.KindInvalidField},
		{"a part of a byte", with(pbkdf2, func(r *DeriveRequest) { r.LengthBits = 127 }), kmip.KindInvalidField},
		{"more than the server makes", with(pbkdf2, func(r *DeriveRequest) { r.LengthBits = 1<<31 - 8 }), kmip.KindCryptographicFailure},
		{"no method", with(pbkdf2, func(r *DeriveRequest) { r.Method = 0 }), kmip.KindUnsupportedFeature},
		{"Asymmetric Key", with(pbkdf2, func(r *DeriveRequest) { r.Method = kmip.DerivationMethodAsymmetricKey }), kmip.KindUnsupportedFeature},
		{"no key", with(pbkdf2, func(r *DeriveRequest) { r.Key = nil }), kmip.KindInvalidField},
		{"PBKDF2 without Salt", with(pbkdf2, func(r *DeriveRequest) { r.Salt = nil }), kmip.KindInvalidField},
		{"PBKDF2 without Iteration Count", with(pbkdf2, func(r *DeriveRequest) { r.Iterations = 0 }), kmip.KindInvalidField},
		{"PBKDF2 with a negative Iteration Count", with(pbkdf2, func(r *DeriveRequest) { r.Iterations = -1 }), kmip.KindInvalidField},
		{"PBKDF2 with too many iterations", with(pbkdf2, func(r *DeriveRequest) { r.Iterations = 10_000_001 }), kmip.KindInvalidField},
		{"PBKDF2 with too many iterations of all blocks", with(pbkdf2, func(r *DeriveRequest) { r.Iterations, r.LengthBits = 10_000, 1<<20 }), kmip.KindInvalidField},
		{"PBKDF2 with a hash that is not there", with(pbkdf2, func(r *DeriveRequest) { r.Parameters = hashing(kmip.HashingAlgorithmTiger) }), kmip.KindParametersUnsupported},
		{"HASH without Hashing Algorithm", DeriveRequest{Method: kmip.DerivationMethodHASH, Key: key, LengthBits: 128}, kmip.KindParametersMissing},
		{"HASH of nothing", DeriveRequest{Method: kmip.DerivationMethodHASH, Parameters: sha, LengthBits: 128}, kmip.KindInvalidField},
		{"HASH of key and data", DeriveRequest{Method: kmip.DerivationMethodHASH, Parameters: sha, Key: key, Data: data, HasData: true, LengthBits: 128}, kmip.KindInvalidField},
		{"HASH longer than the hash", DeriveRequest{Method: kmip.DerivationMethodHASH, Parameters: sha, Key: key, LengthBits: 264}, kmip.KindCryptographicFailure},
		{"HMAC without data", DeriveRequest{Method: kmip.DerivationMethodHMAC, Parameters: sha, Key: key, LengthBits: 128}, kmip.KindInvalidField},
		{"HMAC of no name", DeriveRequest{Method: kmip.DerivationMethodHMAC, Key: key, HasData: true, LengthBits: 128}, kmip.KindParametersMissing},
		{"HMAC longer than the hash", DeriveRequest{Method: kmip.DerivationMethodHMAC, Parameters: sha, Key: key, HasData: true, LengthBits: 512}, kmip.KindCryptographicFailure},
		{"ENCRYPT without data", DeriveRequest{Method: kmip.DerivationMethodENCRYPT, Algorithm: algAES, Parameters: mode(kmip.BlockCipherModeECB, 0), Key: key, LengthBits: 128}, kmip.KindInvalidField},
		{"ENCRYPT without a mode", DeriveRequest{Method: kmip.DerivationMethodENCRYPT, Algorithm: algAES, Key: key, HasData: true, LengthBits: 128}, kmip.KindParametersMissing},
		{"ENCRYPT without an algorithm", DeriveRequest{Method: kmip.DerivationMethodENCRYPT, Parameters: mode(kmip.BlockCipherModeECB, 0), Key: key, HasData: true, LengthBits: 128}, kmip.KindParametersMissing},
		{"ENCRYPT with a random padding", DeriveRequest{Method: kmip.DerivationMethodENCRYPT, Algorithm: algAES, Parameters: mode(kmip.BlockCipherModeECB, kmip.PaddingMethodISO10126), Key: key, HasData: true, LengthBits: 128}, kmip.KindParametersUnsupported},
		{"ENCRYPT with RSA", DeriveRequest{Method: kmip.DerivationMethodENCRYPT, Algorithm: kmip.CryptographicAlgorithmRSA, Parameters: mode(0, kmip.PaddingMethodOAEP), Key: key, HasData: true, LengthBits: 128}, kmip.KindParametersUnsupported},
		{"ENCRYPT with RSA by the parameters", DeriveRequest{Method: kmip.DerivationMethodENCRYPT, Parameters: kmip.CryptographicParameters{CryptographicAlgorithm: kmip.CryptographicAlgorithmRSA}, Key: key, HasData: true, LengthBits: 128}, kmip.KindParametersUnsupported},
		{"ENCRYPT longer than the data", DeriveRequest{Method: kmip.DerivationMethodENCRYPT, Algorithm: algAES, Parameters: mode(kmip.BlockCipherModeECB, 0), Key: key, Data: data, HasData: true, LengthBits: 136}, kmip.KindCryptographicFailure},
		{"SP 800-108 without data", DeriveRequest{Method: kmip.DerivationMethodNIST800108C, Parameters: sha, Key: key, LengthBits: 128}, kmip.KindInvalidField},
		{"SP 800-108 with data that takes too long", DeriveRequest{Method: kmip.DerivationMethodNIST800108DPI, Parameters: sha, Key: key, Data: make([]byte, 1<<16), HasData: true, LengthBits: 1 << 20}, kmip.KindInvalidField},
		{"SP 800-108 of no name", DeriveRequest{Method: kmip.DerivationMethodNIST800108F, Algorithm: algAES, Key: key, HasData: true, LengthBits: 128}, kmip.KindParametersMissing},
		{"SP 800-108 with a mode that is no MAC", DeriveRequest{Method: kmip.DerivationMethodNIST800108F, Algorithm: algAES, Parameters: mode(kmip.BlockCipherModeCBC, 0), Key: key, HasData: true, LengthBits: 128}, kmip.KindParametersUnsupported},
		{"SP 800-108 with CMAC and no block cipher", DeriveRequest{Method: kmip.DerivationMethodNIST800108DPI, Parameters: mode(kmip.BlockCipherModeCMAC, 0), Key: key, HasData: true, LengthBits: 128}, kmip.KindParametersUnsupported},
		{"HKDF longer than 255 hashes", DeriveRequest{Method: kmip.DerivationMethodHKDF, Key: key, LengthBits: 8 * (255*32 + 1)}, kmip.KindCryptographicFailure},
		{"AWS without a service", DeriveRequest{Method: kmip.DerivationMethodAWSSignatureVersion4, Key: key, Data: []byte("20150830/us-east-1"), HasData: true, LengthBits: 256}, kmip.KindInvalidField},
		{"AWS with an empty region", DeriveRequest{Method: kmip.DerivationMethodAWSSignatureVersion4, Key: key, Repeated: [][]byte{data, {}, data}, HasData: true, LengthBits: 256}, kmip.KindInvalidField},
		{"AWS longer than the hash", DeriveRequest{Method: kmip.DerivationMethodAWSSignatureVersion4, Key: key, Data: []byte("a/b/c"), HasData: true, LengthBits: 264}, kmip.KindCryptographicFailure},
		{"two Derivation Data where there is one", DeriveRequest{Method: kmip.DerivationMethodHMAC, Parameters: sha, Key: key, Repeated: [][]byte{data, data}, HasData: true, LengthBits: 128}, kmip.KindInvalidField},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, err := Derive(c.r); kmip.KindOf(err) != c.want || got != nil {
				t.Errorf("Derive = %v, %v; want %v", got, err, c.want)
			}
		})
	}
}
