package crypto

import (
	"encoding/hex"
	"testing"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
)

const sunscreen = "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."

func TestChaCha20Vectors(t *testing.T) {
	const zeroKey, zeroStream = "0000000000000000000000000000000000000000000000000000000000000000", "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
	for _, c := range []struct {
		name, key, iv string
		counter       *int32
		data          []byte
		want          string // the beginning
	}{
		{"RFC 8439 2.4.2", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "000000000000004a00000000", ptr(int32(1)), []byte(sunscreen), "6e2e359a2568f98041ba0728dd0d6981e97e7aec1d4360c20a27afccfd9fae0b"},
		{"RFC 8439 A.2 #1", zeroKey, "000000000000000000000000", nil, make([]byte, 64), zeroStream},
		{"nonce of the original cipher", zeroKey, "0000000000000000", nil, make([]byte, 64), zeroStream},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := CipherRequest{Algorithm: kmip.CryptographicAlgorithmChaCha20, Key: secret.New(unhex(t, c.key)), IV: unhex(t, c.iv), Data: c.data}
			r.Parameters.InitialCounterValue = c.counter
			got, err := Encrypt(r)
			if err != nil || hex.EncodeToString(got.Data)[:len(c.want)] != c.want || got.IV != nil {
				t.Fatalf("Encrypt = %x, IV %x, %v; want %s…", got.Data, got.IV, err, c.want)
			}
			r.Data = got.Data
			back, err := Decrypt(r)
			if err != nil || string(back.Data) != string(c.data) {
				t.Errorf("Decrypt = %x, %v", back.Data, err)
			}
		})
	}
}

// RFC 8439 §2.8.2; the shorter tags are its beginning.
func TestChaCha20Poly1305Vector(t *testing.T) {
	for _, n := range []int32{16, 12, 8, 4} {
		r := CipherRequest{
			Algorithm:  kmip.CryptographicAlgorithmChaCha20Poly1305,
			Key:        secret.New(unhex(t, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f")),
			Parameters: kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeAEAD, TagLength: &n},
			IV:         unhex(t, "070000004041424344454647"), AAD: unhex(t, "50515253c0c1c2c3c4c5c6c7"), Data: []byte(sunscreen),
		}
		got, err := Encrypt(r)
		if err != nil || hex.EncodeToString(got.Data[:16]) != "d31a8d34648e60db7b86afbc53ef7ec2" || hex.EncodeToString(got.Tag) != "1ae10b594f09e26a7e902ecbd0600691"[:2*n] {
			t.Fatalf("Encrypt = %x, tag %x, %v", got.Data, got.Tag, err)
		}
		r.Data, r.Tag = got.Data, got.Tag
		if back, err := Decrypt(r); err != nil || string(back.Data) != sunscreen {
			t.Errorf("Decrypt = %q, %v", back.Data, err)
		}
		r.Tag[0] ^= 1
		if _, err := Decrypt(r); err == nil || err.Error() != errDecrypt().Error() {
			t.Errorf("a changed tag of %d bytes: %v", n, err)
		}
	}
}

func TestChaCha20MakesIV(t *testing.T) {
	for _, algorithm := range []kmip.CryptographicAlgorithm{kmip.CryptographicAlgorithmChaCha20, kmip.CryptographicAlgorithmChaCha20Poly1305} {
		r := CipherRequest{Algorithm: algorithm, Key: secret.New(make([]byte, 32)), Data: []byte("data")}
		got, err := Encrypt(r)
		if err != nil || len(got.IV) != 12 {
			t.Fatalf("%v: IV of %d bytes, %v", algorithm, len(got.IV), err)
		}
		r.Data, r.IV, r.Tag = got.Data, got.IV, got.Tag
		if back, err := Decrypt(r); err != nil || string(back.Data) != "data" {
			t.Errorf("%v: Decrypt = %q, %v", algorithm, back.Data, err)
		}
	}
}

func TestChaCha20Refusals(t *testing.T) {
	plain, poly := kmip.CryptographicAlgorithmChaCha20, kmip.CryptographicAlgorithmChaCha20Poly1305
	for _, c := range []struct {
		name       string
		algorithm  kmip.CryptographicAlgorithm
		parameters kmip.CryptographicParameters
		keyBytes   int
		ivBytes    int
		want       kmip.Kind
	}{
		{"a Block Cipher Mode", plain, kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeCTR}, 32, 12, kmip.KindParametersUnsupported},
		{"a Block Cipher Mode that is not AEAD", poly, kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeGCM}, 32, 12, kmip.KindParametersUnsupported},
		{"a padding", plain, kmip.CryptographicParameters{PaddingMethod: kmip.PaddingMethodPKCS5}, 32, 12, kmip.KindParametersUnsupported},
		{"a short key", plain, kmip.CryptographicParameters{}, 16, 12, kmip.KindCryptographicFailure},
		{"a short key, authenticated", poly, kmip.CryptographicParameters{}, 16, 12, kmip.KindCryptographicFailure},
		{"a nonce of no length that it takes", plain, kmip.CryptographicParameters{}, 32, 24, kmip.KindInvalidField},
		{"a short nonce, authenticated", poly, kmip.CryptographicParameters{}, 32, 8, kmip.KindInvalidField},
		{"a counter that would wrap", plain, kmip.CryptographicParameters{InitialCounterValue: ptr(int32(-1))}, 32, 12, kmip.KindCryptographicFailure},
		{"a tag of one byte", poly, kmip.CryptographicParameters{TagLength: ptr(int32(1))}, 32, 12, kmip.KindTagLength},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := CipherRequest{Algorithm: c.algorithm, Key: secret.New(make([]byte, c.keyBytes)), Parameters: c.parameters, IV: make([]byte, c.ivBytes), Data: make([]byte, 65), Tag: make([]byte, 16)}
			if _, err := Encrypt(r); kmip.KindOf(err) != c.want {
				t.Errorf("Encrypt: %v, want %v", err, c.want)
			}
			if _, err := Decrypt(r); kmip.KindOf(err) != c.want {
				t.Errorf("Decrypt: %v, want %v", err, c.want)
			}
		})
	}
}
