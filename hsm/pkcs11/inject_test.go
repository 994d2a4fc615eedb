//go:build cgo

package pkcs11

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/miekg/pkcs11"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/hsm/hsmtest"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/testenv"
	"github.com/claviger/claviger/testenv/pkcs11fault"
)

// faultConfig opens a token through the module with faults.
func faultConfig(m *pkcs11fault.Module, s testenv.SoftHSMToken) Config {
	cfg := config(s)
	cfg.Module = m.Path
	return cfg
}

func TestSuiteOfLesserTokens(t *testing.T) {
	for _, tc := range []struct {
		name, seal, wrap string
		hide             []string
	}{
		{"without AES-GCM", sealEtM, "", []string{"hide 0x1087"}},
		{"without AES key wrap, but with the padded one", sealGCM, "AES-KW-PAD", []string{"hide 0x2109"}},
		{"that takes no key in plain", sealGCM, "AES-KW", []string{"C_CreateObject fail 0x1B"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			hsmtest.Run(t, func(t *testing.T) hsm.Token {
				s := testenv.SoftHSM(t)
				m := pkcs11fault.New(t, s)
				m.Set(tc.hide...)
				token := opened(t, faultConfig(m, s))
				caps, err := token.Capabilities(t.Context())
				if err != nil || caps.Seal != tc.seal || caps.Wrap != tc.wrap {
					t.Errorf("Capabilities = %+v, %v, want %q and %q", caps, err, tc.seal, tc.wrap)
				}
				return token
			})
		})
	}
}

func TestTheKeySaysHowItSeals(t *testing.T) {
	s := testenv.SoftHSM(t)
	m := pkcs11fault.New(t, s)
	token := opened(t, faultConfig(m, s))
	gcm, byGCM, _ := sealedBy(t, token)
	_ = token.Close()

	m.Set("hide 0x1087")
	token = opened(t, faultConfig(m, s))
	etm, byEtM, _ := sealedBy(t, token)
	if _, err := token.Decrypt(t.Context(), gcm, byGCM, nil); !errors.Is(err, hsm.ErrUnsupported) {
		t.Errorf("Decrypt by a token that lost AES-GCM = %v, want ErrUnsupported", err)
	}
	_ = token.Close()

	m.Clear()
	token = opened(t, faultConfig(m, s))
	for key, sealed := range map[string][]byte{gcm: byGCM, etm: byEtM} {
		plain, err := token.Decrypt(t.Context(), key, sealed, nil)
		if err != nil || string(plain.Reveal()) != "kept" {
			t.Errorf("Decrypt by a token that has both: %v", err)
		}
	}
	if _, err := token.Decrypt(t.Context(), etm, byGCM, nil); !errors.Is(err, hsm.ErrIntegrity) {
		t.Errorf("Decrypt of AES-GCM by a key with a partner = %v, want ErrIntegrity", err)
	}
	m.Set("C_Verify fail 0xC0")
	if _, err := token.Decrypt(t.Context(), etm, byEtM, nil); !errors.Is(err, hsm.ErrUnavailable) || errors.Is(err, hsm.ErrIntegrity) {
		t.Errorf("Decrypt when the token verifies nothing = %v, want ErrUnavailable", err)
	}
	m.Set()
	changed := bytes.Clone(byEtM)
	changed[20] ^= 1
	if _, err := token.Decrypt(t.Context(), etm, changed, nil); !errors.Is(err, hsm.ErrIntegrity) {
		t.Errorf("Decrypt of a changed ciphertext = %v, want ErrIntegrity", err)
	}
	if keys, err := token.Keys(t.Context(), hsm.AnyPurpose); err != nil || len(keys) != 2 {
		t.Errorf("Keys = %v, %v, want the two seal keys and no partner", keys, err)
	}
	if err := token.Destroy(t.Context(), etm); err != nil {
		t.Fatal(err)
	}
	if left, err := run(t.Context(), token, "find", func(_ context.Context, s *session) (int, error) {
		found, err := token.find(s, secretKeys)
		return len(found), err
	}); err != nil || left != 1 {
		t.Errorf("%d keys are left, %v, want the other one", left, err)
	}
}

func TestAnUnfitPartnerIsRefused(t *testing.T) {
	token := opened(t, config(testenv.SoftHSM(t)))
	for _, tc := range []struct {
		name   string
		change *pkcs11.Attribute
		want   error
	}{
		{"as it should be", attr(pkcs11.CKA_SIGN, true), nil},
		{"extractable", attr(pkcs11.CKA_EXTRACTABLE, true), hsm.ErrExtractable},
		{"not sensitive", attr(pkcs11.CKA_SENSITIVE, false), hsm.ErrExtractable},
		{"also derives", attr(pkcs11.CKA_DERIVE, true), hsm.ErrExtractable},
		{"too short", attr(pkcs11.CKA_VALUE_LEN, 16), hsm.ErrExtractable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k := planted(t, token, tc.name, attr(pkcs11.CKA_DERIVE, false))
			partner := secretTemplate(macLabel, []byte(tc.name), pkcs11.CKK_GENERIC_SECRET, macKeyBytes, pkcs11.CKA_SIGN, pkcs11.CKA_VERIFY)
			for i, a := range partner {
				if a.Type == tc.change.Type {
					partner[i] = tc.change
				}
			}
			_, err := run(t.Context(), token, "plant", func(_ context.Context, s *session) (pkcs11.ObjectHandle, error) {
				return token.calls.GenerateKey(s.handle, mechanism(pkcs11.CKM_GENERIC_SECRET_KEY_GEN, nil), partner)
			})
			if err != nil {
				t.Fatalf("plant: %v", err)
			}
			sealed, err := token.Encrypt(t.Context(), k.ID, secret.Copy([]byte("x")), nil)
			if !errors.Is(err, tc.want) {
				t.Fatalf("Encrypt = %v, want %v", err, tc.want)
			}
			if err == nil && len(sealed) != 1+blockBytes+blockBytes+macBytes {
				t.Errorf("Encrypt made %d bytes, want those of AES-CBC and HMAC", len(sealed))
			}
		})
	}
}

// directKey is a wrapped key and something that it sealed.
func directKey(t *testing.T, token *Token) (k hsm.WrappedKey, sealed []byte) {
	t.Helper()
	root, err := token.Generate(t.Context(), hsm.KeySpec{Purpose: hsm.PurposeWrap})
	if err != nil {
		t.Fatal(err)
	}
	if k, err = token.Wrap(t.Context(), root.ID, secret.New(bytes.Repeat([]byte{7}, 32))); err != nil {
		t.Fatal(err)
	}
	if sealed, err = token.EncryptWrapped(t.Context(), k, secret.Copy([]byte("kept")), nil); err != nil {
		t.Fatal(err)
	}
	return k, sealed
}

func TestFaultsUnderWrappedKeys(t *testing.T) {
	for _, tc := range []struct {
		name  string
		fresh bool // the key is not in the token yet
		rules []string
		want  error
	}{
		{"session was closed", false, []string{"C_DecryptInit fail 0xB0 1"}, nil},
		{"login was lost", false, []string{"C_DecryptInit fail 0x101 1"}, nil},
		{"object is gone", false, []string{"C_DecryptInit stale 0 1"}, nil},
		{"device was removed and came back", false, []string{"C_Decrypt fail 0x32 1"}, nil},
		{"module lost itself", false, []string{"C_DecryptInit fail 0x190 2"}, nil},
		{"device stays away", false, []string{"C_Decrypt fail 0x32"}, hsm.ErrUnavailable},
		{"general error for good", false, []string{"C_Decrypt fail 5"}, hsm.ErrUnavailable},
		{"invalid data although nothing was changed", false, []string{"C_Decrypt fail 0x40"}, hsm.ErrUnavailable},
		{"unwrapping fails once", true, []string{"C_UnwrapKey fail 0x110 3"}, nil},
		{"unwrapping fails for good", true, []string{"C_UnwrapKey fail 0x110"}, hsm.ErrUnavailable},
		{"unwrapping does not find the root key", true, []string{"C_UnwrapKey stale 0 1"}, nil},
		{"unwrapping refuses the template for a moment", true, []string{"C_UnwrapKey fail 0xD1 1"}, nil},
		{"unwrapping refuses a value of the template for a moment", true, []string{"C_UnwrapKey fail 0x13 2"}, nil},
		{"unwrapping refuses the template for good", true, []string{"C_UnwrapKey fail 0xD1"}, hsm.ErrUnavailable},
		{"what was unwrapped is refused at first", true, []string{"C_EncryptInit fail 0x63 1"}, nil},
		{"what was unwrapped is refused", true, []string{"C_EncryptInit fail 0x68"}, hsm.ErrUnavailable},
		{"what was used is refused at first", false, []string{"C_DecryptInit fail 0x70 1"}, nil},
		{"what was used is refused", false, []string{"C_DecryptInit fail 0x63"}, hsm.ErrUnavailable},
		{"what was unwrapped is another object", true, []string{"C_EncryptInit stale"}, hsm.ErrUnavailable},
		{"unwrapping is not offered any more", true, []string{"hide 0x2109", "hide 0x210A"}, hsm.ErrUnsupported},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := testenv.SoftHSM(t)
			m := pkcs11fault.New(t, s)
			token := opened(t, faultConfig(m, s))
			k, sealed := directKey(t, token)
			if tc.fresh {
				_ = token.Close()
				token = opened(t, faultConfig(m, s))
				if _, err := token.Wrap(t.Context(), k.RootKey, secret.New(make([]byte, 32))); err != nil {
					t.Fatal(err)
				}
			}
			m.Set(tc.rules...)
			plain, err := token.DecryptWrapped(t.Context(), k, sealed, nil)
			if !errors.Is(err, tc.want) {
				t.Fatalf("DecryptWrapped = %v, want %v", err, tc.want)
			}
			if err == nil && string(plain.Reveal()) != "kept" {
				t.Error("DecryptWrapped gave something else")
			}
			if err != nil && errors.Is(err, hsm.ErrIntegrity) {
				t.Errorf("an ill token is told as a changed ciphertext: %v", err)
			}
			if errors.Is(tc.want, hsm.ErrUnavailable) && errors.Is(err, hsm.ErrUnsupported) {
				t.Errorf("an ill token is told as one without the mechanism: %v", err)
			}
			m.Clear()
			if _, err := token.DecryptWrapped(t.Context(), k, sealed, nil); err != nil {
				t.Errorf("DecryptWrapped when the token is well again: %v", err)
			}
		})
	}
}

func TestWrappedKeysAreUnwrappedOnce(t *testing.T) {
	s := testenv.SoftHSM(t)
	m := pkcs11fault.New(t, s)
	token := opened(t, faultConfig(m, s))
	k, sealed := directKey(t, token)
	m.Set()
	for range 20 {
		if _, err := token.DecryptWrapped(t.Context(), k, sealed, nil); err != nil {
			t.Fatal(err)
		}
	}
	if n := m.Count("C_UnwrapKey"); n != 0 {
		t.Errorf("unwrapped %d times more, want never", n)
	}
	token.conn.wrapped.most = 2
	for i := range 5 {
		other, err := token.Wrap(t.Context(), k.RootKey, secret.New(bytes.Repeat([]byte{byte(i)}, 32)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := token.EncryptWrapped(t.Context(), other, secret.Copy([]byte("x")), nil); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(token.conn.wrapped.keys); n != 2 {
		t.Errorf("%d keys are kept, want 2", n)
	}
	m.Set()
	if _, err := token.DecryptWrapped(t.Context(), k, sealed, nil); err != nil {
		t.Errorf("DecryptWrapped by a key that was removed for others: %v", err)
	}
	if n := m.Count("C_UnwrapKey"); n != 1 {
		t.Errorf("unwrapped %d times, want once", n)
	}
}

func TestAHangInTheModule(t *testing.T) {
	s := testenv.SoftHSM(t)
	m := pkcs11fault.New(t, s)
	cfg := faultConfig(m, s)
	cfg.Timeout = 100 * time.Millisecond
	token := opened(t, cfg)
	k, sealed := directKey(t, token)
	m.Set("C_Decrypt hang")
	for range 3 {
		start := time.Now()
		_, err := token.DecryptWrapped(t.Context(), k, sealed, nil)
		if !errors.Is(err, hsm.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > time.Second {
			t.Fatalf("DecryptWrapped in a module that hangs = %v after %v, want ErrUnavailable at the deadline", err, time.Since(start))
		}
	}
	m.Clear()
	if _, err := token.DecryptWrapped(t.Context(), k, sealed, nil); err != nil {
		t.Errorf("DecryptWrapped when nothing hangs any more: %v", err)
	}
	// What hangs keeps the module from being initialised anew.
	m.Set("C_Decrypt hang 1", "C_DecryptInit fail 0x30")
	beside := make(chan struct{})
	go func() {
		defer close(beside)
		_, _ = token.DecryptWrapped(t.Context(), k, sealed, nil)
	}()
	if _, err := token.DecryptWrapped(t.Context(), k, sealed, nil); !errors.Is(err, hsm.ErrUnavailable) {
		t.Errorf("DecryptWrapped = %v, want ErrUnavailable", err)
	}
	m.Clear()
	<-beside
	comeBack(token)
}

// comeBack waits until the calls that hung are back: SoftHSM crashes when sessions are
// closed under a call that runs.
func comeBack(token *Token) {
	for end := time.Now().Add(5 * time.Second); !token.HangingSince().IsZero() && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
}

func TestAHangInUnwrappingIsLeftBehind(t *testing.T) {
	s := testenv.SoftHSM(t)
	m := pkcs11fault.New(t, s)
	cfg := faultConfig(m, s)
	cfg.Timeout = 200 * time.Millisecond
	token := opened(t, cfg)
	k, sealed := directKey(t, token)
	_ = token.Close()
	token = opened(t, cfg)
	t.Cleanup(func() { // before it is closed
		m.Clear()
		comeBack(token)
	})
	if _, err := token.Find(t.Context(), k.RootKey); err != nil {
		t.Fatal(err)
	}
	m.Set("C_UnwrapKey hang 1")
	var err error
	for range 4 {
		if _, err = token.DecryptWrapped(t.Context(), k, sealed, nil); err == nil {
			return
		}
	}
	t.Errorf("DecryptWrapped although only the first call hangs: %v", err)
}

func TestWhatAnAnswerLeftBehindIsRemoved(t *testing.T) {
	token, m, _, _ := ill(t, nil)
	m.Set("C_GenerateKey lose 0x30 1")
	if _, err := token.Generate(t.Context(), hsm.KeySpec{Purpose: hsm.PurposeWrap}); err != nil {
		t.Fatal(err)
	}
	if keys, err := token.Keys(t.Context(), hsm.PurposeWrap); err != nil || len(keys) != 1 {
		t.Errorf("Keys = %v, %v, want the one that was made in the end", keys, err)
	}
	m.Set("C_GenerateKeyPair lose 0x30 1")
	o, err := token.GenerateObject(t.Context(), hsm.ObjectSpec{Kind: hsm.ObjectEC, Bits: 256, Sign: true})
	if err != nil {
		t.Fatal(err)
	}
	if ids, err := token.Objects(t.Context()); err != nil || len(ids) != 1 || ids[0] != o.ID {
		t.Errorf("Objects = %v, %v, want only %s", ids, err, o.ID)
	}
	m.Clear()
	if _, err := token.ObjectSign(t.Context(), o.ID, hsm.SignRequest{Scheme: hsm.SchemeECDSA, Hash: crypto.SHA256, Digest: make([]byte, 32)}); err != nil {
		t.Errorf("ObjectSign: %v", err)
	}
}

func TestAnObjectThatAnotherProcessDestroyed(t *testing.T) {
	s := testenv.SoftHSM(t)
	m := pkcs11fault.New(t, s)
	here, there := opened(t, faultConfig(m, s)), opened(t, faultConfig(m, s))
	o, err := here.GenerateObject(t.Context(), hsm.ObjectSpec{Kind: hsm.ObjectHMAC, Bits: 256, Sign: true})
	if err != nil {
		t.Fatal(err)
	}
	mac := func() error {
		_, err := here.ObjectMAC(t.Context(), o.ID, hsm.MACRequest{Hash: crypto.SHA256, Data: []byte("x")})
		return err
	}
	if err := mac(); err != nil {
		t.Fatal(err)
	}
	if err := there.DestroyObject(t.Context(), o.ID); err != nil {
		t.Fatal(err)
	}
	m.Set()
	if err := mac(); !errors.Is(err, hsm.ErrNotFound) {
		t.Errorf("ObjectMAC = %v, want ErrNotFound", err)
	}
	if n := m.Count("C_Login") + m.Count("C_Initialize") + m.Count("C_GetSlotList"); n != 0 {
		t.Errorf("%d calls to connect anew, want none", n)
	}
}

func TestErrorsTellCauseAndNextStep(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*Config)
		rules  []string
		call   func(context.Context, *Token) error // nil: it does not open
		want   error
		says   []string
	}{
		{
			"wrong PIN", func(c *Config) { c.PIN = StaticPIN(secret.Copy([]byte("000000"))) }, nil, nil,
			hsm.ErrPIN,
			[]string{"refused the PIN", "correct or unlock it"},
		},
		{"locked PIN", nil, []string{"C_Login fail 0xA4"}, nil, hsm.ErrPIN, []string{"locked", "security officer"}},
		{"expired PIN", nil, []string{"C_Login fail 0xA3"}, nil, hsm.ErrPIN, []string{"expired", "maker's tool"}},
		{
			"wrong label", func(c *Config) { c.Label = "nobody" }, nil, nil,
			hsm.ErrUnavailable,
			[]string{`"nobody"`, "claviger-test-", "serial number", "correct its label"},
		},
		{
			"no sessions left", nil,
			[]string{"C_OpenSession fail 0xB1"},
			nil,
			hsm.ErrUnavailable,
			[]string{"no session left", "lower the number of sessions"},
		},
		{"full token", nil, []string{"C_GenerateKey fail 0x31"}, generateSeal, hsm.ErrUnavailable, []string{"the token is full", "destroy keys"}},
		{"write-protected token", nil, []string{"C_GenerateKey fail 0xE2"}, generateSeal, hsm.ErrUnsupported, []string{"write-protected", "allow changes"}},
		{"no mechanism to seal by", nil, []string{"hide 0x1087", "hide 0x1085"}, generateSeal, hsm.ErrUnsupported, []string{"neither AES-GCM nor AES-CBC"}},
		{"no mechanism to make keys by", nil, []string{"hide 0x1080"}, generateSeal, hsm.ErrUnsupported, []string{"does not have the mechanism", "firmware"}},
		{"no mechanism to wrap by", nil, []string{"hide 0x2109", "hide 0x210A"}, func(ctx context.Context, t *Token) error {
			k, err := t.Generate(ctx, hsm.KeySpec{Purpose: hsm.PurposeWrap})
			if err != nil {
				return err
			}
			_, err = t.Wrap(ctx, k.ID, secret.New(make([]byte, 32)))
			return err
		}, hsm.ErrUnsupported, []string{"no AES key wrap", "mode envelope"}},
		{"no key may come in", nil, []string{"C_CreateObject fail 0x1B", "C_GenerateKeyPair fail 0x54"}, func(ctx context.Context, t *Token) error {
			k, err := t.Generate(ctx, hsm.KeySpec{Purpose: hsm.PurposeWrap})
			if err != nil {
				return err
			}
			_, err = t.Wrap(ctx, k.ID, secret.New(make([]byte, 32)))
			return err
		}, hsm.ErrUnsupported, []string{"refuses a key in plain", "under an RSA key", "maker's tool"}},
		{"device error", nil, []string{"C_GenerateRandom fail 0x30"}, func(ctx context.Context, t *Token) error {
			_, err := t.Random(ctx, 1)
			return err
		}, hsm.ErrUnavailable, []string{"CKR_DEVICE_ERROR", "check that the HSM is reachable"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := testenv.SoftHSM(t)
			m := pkcs11fault.New(t, s)
			cfg := faultConfig(m, s)
			if tc.change != nil {
				tc.change(&cfg)
			}
			m.Set(tc.rules...)
			token, err := Open(t.Context(), cfg)
			if err == nil {
				t.Cleanup(func() { _ = token.Close() })
				if tc.call == nil {
					t.Fatal("the token is opened")
				}
				err = tc.call(t.Context(), token)
			}
			if !errors.Is(err, tc.want) {
				t.Fatalf("got error %v, want %v", err, tc.want)
			}
			for _, text := range append(tc.says, cfg.name()) {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("the error does not say %q: %v", text, err)
				}
			}
		})
	}
}

func generateSeal(ctx context.Context, t *Token) error {
	_, err := t.Generate(ctx, hsm.KeySpec{Purpose: hsm.PurposeSeal})
	return err
}
