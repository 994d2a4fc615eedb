package crypto

import (
	"encoding/hex"
	"testing"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
)

func TestOneTimePad(t *testing.T) {
	r := CipherRequest{Algorithm: kmip.CryptographicAlgorithmOneTimePad, Key: secret.New(unhex(t, "0123456789")), Data: unhex(t, "ff00ff00ff")}
	checkCipher(t, r, "fe23ba6776", "")
	r.Data = r.Data[:2] // the rest of the key is not needed
	checkCipher(t, r, "fe23", "")
	if hex.EncodeToString(r.Key.Reveal()) != "0123456789" {
		t.Errorf("the key is %x afterwards", r.Key.Reveal())
	}
	for _, c := range []struct {
		name   string
		change func(*CipherRequest)
		want   kmip.Kind
	}{
		{"data longer than the key", func(r *CipherRequest) { r.Data = make([]byte, 6) }, kmip.KindCryptographicFailure},
		{"no key", func(r *CipherRequest) { r.Key = nil }, kmip.KindCryptographicFailure},
		{"a mode", func(r *CipherRequest) { r.Parameters.BlockCipherMode = kmip.BlockCipherModeCTR }, kmip.KindParametersUnsupported},
		{"a padding", func(r *CipherRequest) { r.Parameters.PaddingMethod = kmip.PaddingMethodPKCS5 }, kmip.KindParametersUnsupported},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := r
			c.change(&r)
			if _, err := Encrypt(r); kmip.KindOf(err) != c.want {
				t.Errorf("Encrypt: %v, want %v", err, c.want)
			}
			if _, err := Decrypt(r); kmip.KindOf(err) != c.want {
				t.Errorf("Decrypt: %v, want %v", err, c.want)
			}
		})
	}
	s, _, err := EncryptStream(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Update(make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Update(make([]byte, 3)); kmip.KindOf(err) != kmip.KindCryptographicFailure {
		t.Errorf("more than the key in parts: %v", err)
	}
}
