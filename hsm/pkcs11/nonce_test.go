//go:build cgo

package pkcs11

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/hsm/hsmtest"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/testenv"
	"github.com/claviger/claviger/testenv/pkcs11fault"
)

func TestATokenThatMakesTheNonceItself(t *testing.T) {
	for name, rule := range map[string]string{
		"and calls ours an invalid parameter": "C_EncryptInit nonce 0x71",
		"and calls ours bad arguments":        "C_EncryptInit nonce 0x07",
		"and calls ours invalid data":         "C_EncryptInit nonce 0x20",
	} {
		t.Run(name, func(t *testing.T) {
			s := testenv.SoftHSM(t)
			m := pkcs11fault.New(t, s)
			m.Set(rule)
			token := opened(t, faultConfig(m, s))
			root := generated(t, token).ID
			wrapped, byWrapped := directKey(t, token)
			nonces := map[string]bool{}
			for range 8 {
				sealed, err := token.Encrypt(t.Context(), root, secret.Copy([]byte("kept")), []byte("aad"))
				if err != nil {
					t.Fatal(err)
				}
				nonces[string(sealed[:nonceBytes])] = true
				plain, err := token.Decrypt(t.Context(), root, sealed, []byte("aad"))
				if err != nil || string(plain.Reveal()) != "kept" {
					t.Errorf("Decrypt: %v", err)
				}
			}
			if len(nonces) != 8 || nonces[string(make([]byte, nonceBytes))] {
				t.Errorf("%d nonces for 8 seals, want another one for each", len(nonces))
			}
			if plain, err := token.DecryptWrapped(t.Context(), wrapped, byWrapped, nil); err != nil || string(plain.Reveal()) != "kept" {
				t.Errorf("DecryptWrapped: %v", err)
			}
			if err := token.Check(t.Context()); err != nil {
				t.Errorf("Check: %v", err)
			}
			m.Set(rule)
			if _, err := token.EncryptWrapped(t.Context(), wrapped, secret.Copy([]byte("kept")), nil); err != nil {
				t.Errorf("EncryptWrapped: %v", err)
			}
			if n := m.Count("C_EncryptInit"); n != 1 {
				t.Errorf("C_EncryptInit was called %d times for one seal, want it known who makes the nonce", n)
			}
		})
	}
}

func TestANonceThatStaysZeroIsRefused(t *testing.T) {
	token, m, key, sealed := ill(t, nil)
	m.Set("C_EncryptInit zero 0x71")
	if _, err := token.Encrypt(t.Context(), key, secret.Copy([]byte("x")), nil); !errors.Is(err, hsm.ErrUnsupported) {
		t.Errorf("Encrypt by a token that took our nonce before = %v, want ErrUnsupported", err)
	}
	token.gcmNonce.Store(nonceUnknown)
	for range 2 {
		_, err := token.Encrypt(t.Context(), key, secret.Copy([]byte("x")), nil)
		if !errors.Is(err, hsm.ErrUnsupported) || !strings.Contains(err.Error(), "would have the same one") {
			t.Errorf("Encrypt by a token that makes no nonce = %v, want ErrUnsupported that says so", err)
		}
	}
	m.Clear()
	if plain, err := token.Decrypt(t.Context(), key, sealed, nil); err != nil || string(plain.Reveal()) != "kept" {
		t.Errorf("Decrypt: %v", err)
	}
}

func TestAPassingRefusalIsNotTakenForANonceOfTheToken(t *testing.T) {
	token, m, key, _ := ill(t, nil)
	token.gcmNonce.Store(nonceUnknown)
	m.Set("C_EncryptInit fail 0x71 1")
	if _, err := token.Encrypt(t.Context(), key, secret.Copy([]byte("x")), nil); !errors.Is(err, hsm.ErrUnsupported) {
		t.Errorf("Encrypt = %v, want ErrUnsupported: SoftHSM would take the zeros", err)
	}
	if _, err := token.Encrypt(t.Context(), key, secret.Copy([]byte("x")), nil); err != nil {
		t.Errorf("Encrypt after that: %v", err)
	}
	if got := token.gcmNonce.Load(); got != nonceOurs {
		t.Errorf("the nonce is made by %d, want it ours", got)
	}
}

func TestObjectsOfATokenThatMakesTheNonceItself(t *testing.T) {
	token, m, _, _ := ill(t, nil)
	o, err := token.GenerateObject(t.Context(), hsm.ObjectSpec{Kind: hsm.ObjectAES, Bits: 256, Encrypt: true, Decrypt: true})
	if err != nil {
		t.Fatal(err)
	}
	gcm := hsm.CipherRequest{Mode: hsm.ModeGCM, IV: bytes.Repeat([]byte{7}, 12), TagBits: 128, Data: []byte("kept")}
	sealed, err := token.ObjectEncrypt(t.Context(), o.ID, gcm)
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range []string{"0x71", "0x07", "0x20"} {
		m.Set("C_EncryptInit nonce " + code)
		if _, err := token.ObjectEncrypt(t.Context(), o.ID, gcm); !errors.Is(err, hsm.ErrUnsupported) {
			t.Errorf("%s: ObjectEncrypt by a nonce of the caller = %v, want ErrUnsupported", code, err)
		}
		opening := gcm
		opening.Data = sealed
		if got, err := token.ObjectDecrypt(t.Context(), o.ID, opening); err != nil || string(got) != "kept" {
			t.Errorf("%s: ObjectDecrypt: %v", code, err)
		}
		opening.Data = bytes.Clone(sealed)
		opening.Data[0] ^= 1
		if _, err := token.ObjectDecrypt(t.Context(), o.ID, opening); !errors.Is(err, hsm.ErrIntegrity) {
			t.Errorf("%s: ObjectDecrypt of what was changed = %v, want ErrIntegrity", code, err)
		}
	}
}

func TestSuiteOfATokenThatMakesTheNonceItself(t *testing.T) {
	hsmtest.Run(t, func(t *testing.T) hsm.Token {
		s := testenv.SoftHSM(t)
		m := pkcs11fault.New(t, s)
		m.Set("C_EncryptInit nonce 0x71")
		return opened(t, faultConfig(m, s))
	})
}
