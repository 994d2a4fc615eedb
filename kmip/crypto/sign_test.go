package crypto

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
)

func TestSignaturesVerify(t *testing.T) {
	for _, c := range []struct {
		name string
		alg  kmip.CryptographicAlgorithm
		bits int32
		p    kmip.CryptographicParameters
	}{
		{"RSA PKCS#1 v1.5", kmip.CryptographicAlgorithmRSA, 2048, kmip.CryptographicParameters{PaddingMethod: kmip.PaddingMethodPKCS1V15, HashingAlgorithm: kmip.HashingAlgorithmSHA384}},
		{"RSA PSS", kmip.CryptographicAlgorithmRSA, 2048, kmip.CryptographicParameters{PaddingMethod: kmip.PaddingMethodPSS, HashingAlgorithm: kmip.HashingAlgorithmSHA256}},
		{"RSA by signature algorithm", kmip.CryptographicAlgorithmRSA, 2048, kmip.CryptographicParameters{DigitalSignatureAlgorithm: kmip.DigitalSignatureAlgorithmSHA512WithRSAEncryption}},
		{"ECDSA", kmip.CryptographicAlgorithmECDSA, 256, kmip.CryptographicParameters{DigitalSignatureAlgorithm: kmip.DigitalSignatureAlgorithmECDSAWithSHA256}},
		{"Ed25519", kmip.CryptographicAlgorithmEd25519, 256, kmip.CryptographicParameters{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			private, public, err := GenerateKeyPair(c.alg, c.bits, 0, nil)
			if err != nil {
				t.Fatal(err)
			}
			r := SignatureRequest{Algorithm: c.alg, Key: private.Bytes, Format: private.Format, Parameters: c.p, Data: []byte("message")}
			signature, err := Sign(r)
			if err != nil {
				t.Fatal(err)
			}
			v := SignatureRequest{Algorithm: c.alg, Key: public.Bytes, Format: public.Format, Parameters: c.p, Data: []byte("message")}
			if ok, err := VerifySignature(v, signature); err != nil || !ok {
				t.Errorf("its own signature: %t, %v", ok, err)
			}
			v.Data = []byte("massage")
			if ok, err := VerifySignature(v, signature); err != nil || ok {
				t.Errorf("the signature of another message: %t, %v", ok, err)
			}
			if c.alg != kmip.CryptographicAlgorithmEd25519 {
				key, _ := ParsePrivate(private.Format, c.alg, private.Bytes.Reveal(), nil)
				s, _ := schemeOf(&c.p, key)
				v.Data = nil
				v.Digested, _ = r.digest(s.hash)
				if ok, err := VerifySignature(v, signature); err != nil || !ok {
					t.Errorf("of digested data: %t, %v", ok, err)
				}
			}
		})
	}
	_, err := Sign(SignatureRequest{Algorithm: kmip.CryptographicAlgorithmRSA, Key: secret.Copy([]byte("no key")), Format: kmip.KeyFormatTypePKCS1})
	if kmip.KindOf(err) != kmip.KindInvalidField {
		t.Errorf("a key that is none: %v", err)
	}
}

// RFC 4493 §4, RFC 4231 §4.3.
func TestMACVectors(t *testing.T) {
	key, _ := hex.DecodeString("2b7e151628aed2a6abf7158809cf4f3c")
	message, _ := hex.DecodeString("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710")
	for _, c := range []struct {
		n    int
		want string
	}{
		{0, "bb1d6929e95937287fa37d129b756746"},
		{16, "070a16b46b4d4144f79bdd9dd04a287c"},
		{40, "dfa66747de9ae63030ca32611497c827"},
		{64, "51f0bebf7e3b9d92fc49741779363cfe"},
	} {
		r := CipherRequest{Algorithm: kmip.CryptographicAlgorithmAES, Key: secret.Copy(key), Parameters: kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeCMAC}, Data: message[:c.n]}
		got, err := MAC(r)
		if err != nil || hex.EncodeToString(got) != c.want {
			t.Errorf("CMAC of %d bytes: %x, %v", c.n, got, err)
		}
	}
	r := CipherRequest{Algorithm: kmip.CryptographicAlgorithmHMACSHA256, Key: secret.Copy([]byte("Jefe")), Data: []byte("what do ya want for nothing?")}
	want, _ := hex.DecodeString("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
	got, err := MAC(r)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("HMAC-SHA-256: %x, %v", got, err)
	}
	if ok, err := VerifyMAC(r, want); err != nil || !ok {
		t.Errorf("the right code: %t, %v", ok, err)
	}
	if ok, err := VerifyMAC(r, want[:31]); err != nil || ok {
		t.Errorf("a short code: %t, %v", ok, err)
	}
	r.Algorithm = kmip.CryptographicAlgorithmAES
	if _, err := MAC(r); kmip.KindOf(err) != kmip.KindParametersMissing {
		t.Errorf("no algorithm: %v", err)
	}
}
