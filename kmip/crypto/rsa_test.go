package crypto

import (
	"bytes"
	"testing"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
)

// rsaPair makes a small pair: the fastest that is allowed.
func rsaPair(t testing.TB) (private, public KeyMaterial) {
	t.Helper()
	private, public, err := GenerateKeyPair(kmip.CryptographicAlgorithmRSA, 1024, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	return private, public
}

func rsaRequest(key KeyMaterial, p kmip.CryptographicParameters, data []byte) CipherRequest {
	return CipherRequest{Algorithm: kmip.CryptographicAlgorithmRSA, Key: key.Bytes, Format: key.Format, Transparent: key.Transparent, Parameters: p, Data: data}
}

func TestOAEP(t *testing.T) {
	private, public := rsaPair(t)
	data := []byte("a key to be transported")
	for _, c := range []struct {
		name       string
		encryption kmip.CryptographicParameters
		decryption kmip.CryptographicParameters
		fails      bool
	}{
		{name: "defaults"},
		{name: "SHA-256", encryption: kmip.CryptographicParameters{HashingAlgorithm: kmip.HashingAlgorithmSHA256}, decryption: kmip.CryptographicParameters{HashingAlgorithm: kmip.HashingAlgorithmSHA256}},
		{
			name:       "mask hash that is not given is the hash",
			encryption: kmip.CryptographicParameters{HashingAlgorithm: kmip.HashingAlgorithmSHA256},
			decryption: kmip.CryptographicParameters{HashingAlgorithm: kmip.HashingAlgorithmSHA256, MaskGenerator: kmip.MaskGeneratorMGF1, MaskGeneratorHashingAlgorithm: kmip.HashingAlgorithmSHA256},
		},
		{
			name:       "a mask hash of its own",
			encryption: kmip.CryptographicParameters{HashingAlgorithm: kmip.HashingAlgorithmSHA256, MaskGeneratorHashingAlgorithm: kmip.HashingAlgorithmSHA1},
			decryption: kmip.CryptographicParameters{HashingAlgorithm: kmip.HashingAlgorithmSHA256, MaskGeneratorHashingAlgorithm: kmip.HashingAlgorithmSHA1},
		},
		{
			name:       "a P Source",
			encryption: kmip.CryptographicParameters{PSource: []byte("label")},
			decryption: kmip.CryptographicParameters{PSource: []byte("label")},
		},
		{name: "another P Source", encryption: kmip.CryptographicParameters{PSource: []byte("label")}, fails: true},
		{name: "another hash", encryption: kmip.CryptographicParameters{HashingAlgorithm: kmip.HashingAlgorithmSHA256}, fails: true},
		{name: "another mask hash", encryption: kmip.CryptographicParameters{MaskGeneratorHashingAlgorithm: kmip.HashingAlgorithmSHA256}, fails: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.encryption.PaddingMethod, c.decryption.PaddingMethod = kmip.PaddingMethodOAEP, kmip.PaddingMethodOAEP
			for half, key := range map[string]KeyMaterial{"public": public, "private": private} {
				sealed, err := Encrypt(rsaRequest(key, c.encryption, data))
				if err != nil {
					t.Fatalf("Encrypt with the %s key: %v", half, err)
				}
				got, err := Decrypt(rsaRequest(private, c.decryption, sealed.Data))
				if c.fails {
					if err == nil || err.Error() != errDecrypt().Error() {
						t.Errorf("Decrypt: %v", err)
					}
					continue
				}
				if err != nil || !bytes.Equal(got.Data, data) {
					t.Errorf("Decrypt = %q, %v", got.Data, err)
				}
			}
		})
	}
}

func TestRSARefusals(t *testing.T) {
	private, public := rsaPair(t)
	oaep := kmip.CryptographicParameters{PaddingMethod: kmip.PaddingMethodOAEP}
	raw := kmip.CryptographicParameters{PaddingMethod: kmip.PaddingMethodNone}
	for _, c := range []struct {
		name string
		do   func(CipherRequest) (CipherResult, error)
		r    CipherRequest
		want kmip.Kind
	}{
		{"no padding method", Encrypt, rsaRequest(public, kmip.CryptographicParameters{}, nil), kmip.KindParametersMissing},
		{"a padding that is not there", Encrypt, rsaRequest(public, kmip.CryptographicParameters{PaddingMethod: kmip.PaddingMethodX931}, nil), kmip.KindParametersUnsupported},
		{"a decryption padding that is not there", Decrypt, rsaRequest(private, kmip.CryptographicParameters{PaddingMethod: kmip.PaddingMethodX931}, make([]byte, 128)), kmip.KindParametersUnsupported},
		{"PKCS1 v1.5 with another padding", Decrypt, rsaRequest(private, kmip.CryptographicParameters{PaddingMethod: kmip.PaddingMethodPKCS1V15}, make([]byte, 128)), kmip.KindCryptographicFailure},
		{"a number beyond the modulus", Encrypt, rsaRequest(public, raw, bytes.Repeat([]byte{0xff}, 128)), kmip.KindCryptographicFailure},
		{"a ciphertext beyond the modulus", Decrypt, rsaRequest(private, raw, bytes.Repeat([]byte{0xff}, 128)), kmip.KindCryptographicFailure},
		{"a hash that is not there", Encrypt, rsaRequest(public, kmip.CryptographicParameters{PaddingMethod: kmip.PaddingMethodOAEP, HashingAlgorithm: kmip.HashingAlgorithmTiger}, nil), kmip.KindParametersUnsupported},
		{"a mask generator that is not there", Encrypt, rsaRequest(public, kmip.CryptographicParameters{PaddingMethod: kmip.PaddingMethodOAEP, MaskGenerator: 2}, nil), kmip.KindParametersUnsupported},
		{"data that is too long", Encrypt, rsaRequest(public, oaep, make([]byte, 128)), kmip.KindCryptographicFailure},
		{"data that is not a ciphertext", Decrypt, rsaRequest(private, oaep, make([]byte, 7)), kmip.KindCryptographicFailure},
		{"decryption with the public key", Decrypt, rsaRequest(public, oaep, make([]byte, 128)), kmip.KindInvalidField},
		{"no key", Encrypt, rsaRequest(KeyMaterial{Format: kmip.KeyFormatTypePKCS1, Bytes: secret.New(nil)}, oaep, nil), kmip.KindInvalidField},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := c.do(c.r); kmip.KindOf(err) != c.want || err == nil {
				t.Errorf("error = %v, want %v", err, c.want)
			}
		})
	}
}

func TestRSAPKCS1V15(t *testing.T) {
	private, public := rsaPair(t)
	p := kmip.CryptographicParameters{PaddingMethod: kmip.PaddingMethodPKCS1V15}
	sealed, err := Encrypt(rsaRequest(public, p, []byte("data")))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Decrypt(rsaRequest(private, p, sealed.Data)); err != nil || string(got.Data) != "data" {
		t.Errorf("Decrypt = %q, %v", got.Data, err)
	}
	oaep := kmip.CryptographicParameters{PaddingMethod: kmip.PaddingMethodOAEP}
	if _, err := Decrypt(rsaRequest(private, oaep, sealed.Data)); err == nil || err.Error() != errDecrypt().Error() {
		t.Errorf("as OAEP: %v", err)
	}
}

// The ciphertext is that of OpenSSL: see testdata/openssl/make.sh.
func TestRSAWithoutPadding(t *testing.T) {
	private, public := opensslKey(t, "rsa", kmip.CryptographicAlgorithmRSA)
	p := kmip.CryptographicParameters{PaddingMethod: kmip.PaddingMethodNone}
	number := bytes.Repeat([]byte{1}, 127)
	r := CipherRequest{Algorithm: kmip.CryptographicAlgorithmRSA, Key: public.Material, Format: public.Format, Parameters: p, Data: number}
	sealed, err := Encrypt(r)
	if err != nil || !bytes.Equal(sealed.Data, openssl(t, "rsa.raw")) {
		t.Errorf("Encrypt = %x, %v", sealed.Data, err)
	}
	r.Key, r.Format, r.Data = private.Material, private.Format, openssl(t, "rsa.raw")
	if got, err := Decrypt(r); err != nil || !bytes.Equal(got.Data, append([]byte{0}, number...)) {
		t.Errorf("Decrypt = %x, %v", got.Data, err)
	}
}
