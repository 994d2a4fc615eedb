//go:build cgo

package pkcs11

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/miekg/pkcs11"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/hsm/hsmtest"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/testenv"
	"github.com/claviger/claviger/testenv/pkcs11fault"
)

func config(s testenv.SoftHSMToken) Config {
	return Config{Module: s.Module, Label: s.Label, PIN: StaticPIN(secret.Copy([]byte(s.PIN))), Sessions: 4}
}

func opened(t testing.TB, cfg Config) *Token {
	t.Helper()
	token, err := Open(context.Background(), cfg)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { _ = token.Close() })
	return token
}

func generated(t testing.TB, token *Token) hsm.Key {
	t.Helper()
	k, err := token.Generate(context.Background(), hsm.KeySpec{Purpose: hsm.PurposeSeal})
	if err != nil {
		t.Fatalf("Generate: %v", err)
	}
	return k
}

func TestSuite(t *testing.T) {
	hsmtest.Run(t, func(t *testing.T) hsm.Token { return opened(t, config(testenv.SoftHSM(t))) })
}

func TestTokenIsFound(t *testing.T) {
	s := testenv.SoftHSM(t)
	for _, tc := range []struct {
		name          string
		label, serial string
		want          error
	}{
		{"by label", s.Label, "", nil},
		{"by serial number", "", s.Serial, nil},
		{"by both", s.Label, s.Serial, nil},
		{"not by an unknown label", "nobody", "", hsm.ErrUnavailable},
		{"not by label and another's serial number", s.Label, "0000000000000000", hsm.ErrUnavailable},
		{"not by nothing", "", "", hsm.ErrUnsupported},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := config(s)
			cfg.Label, cfg.Serial = tc.label, tc.serial
			token, err := Open(t.Context(), cfg)
			if !errors.Is(err, tc.want) {
				t.Fatalf("Open = %v, want %v", err, tc.want)
			}
			if err != nil {
				return
			}
			defer func() { _ = token.Close() }()
			info, err := token.Info(t.Context())
			if err != nil || info.Label != s.Label || info.Serial != s.Serial || info.Hardware || info.Kind != hsm.KindPKCS11 {
				t.Errorf("Info = %+v, %v, want %s with serial number %s, no hardware", info, err, s.Label, s.Serial)
			}
		})
	}
}

func TestModuleThatIsNone(t *testing.T) {
	noModule := filepath.Join(t.TempDir(), "none.so")
	if err := os.WriteFile(noModule, []byte("no library"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"missing file": noModule + "x", "no library": noModule} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(t.Context(), Config{Module: path, Label: "x", PIN: StaticPIN(secret.Copy([]byte("1234")))})
			if !errors.Is(err, hsm.ErrUnavailable) {
				t.Errorf("Open = %v, want ErrUnavailable", err)
			}
		})
	}
}

func TestTokensShareAModule(t *testing.T) {
	a, b := testenv.SoftHSM(t), testenv.SoftHSM(t)
	first := opened(t, config(a))
	second, again := opened(t, config(b)), opened(t, config(a))
	k := generated(t, first)
	if _, err := second.Find(t.Context(), k.ID); !errors.Is(err, hsm.ErrNotFound) {
		t.Errorf("another token has the key: %v", err)
	}
	_ = first.Close()
	if _, err := again.Find(t.Context(), k.ID); err != nil {
		t.Errorf("Find after another user of the same token closed it: %v", err)
	}
	_ = again.Close()
	if err := second.Check(t.Context()); err != nil {
		t.Errorf("Check after others closed: %v", err)
	}
}

func TestKeysSurviveReopening(t *testing.T) {
	s := testenv.SoftHSM(t)
	token := opened(t, config(s))
	k := generated(t, token)
	sealed, err := token.Encrypt(t.Context(), k.ID, secret.Copy([]byte("kept")), []byte("aad"))
	if err != nil {
		t.Fatal(err)
	}
	_ = token.Close()
	plain, err := opened(t, config(s)).Decrypt(t.Context(), k.ID, sealed, []byte("aad"))
	if err != nil || string(plain.Reveal()) != "kept" {
		t.Errorf("Decrypt after reopening: %v", err)
	}
}

// planted makes a seal key that differs in one attribute from what Claviger makes.
func planted(t *testing.T, token *Token, id string, change *pkcs11.Attribute) hsm.Key {
	t.Helper()
	attributes := template(hsm.PurposeSeal, []byte(id))
	for i, a := range attributes {
		if a.Type == change.Type {
			attributes[i] = change
		}
	}
	k, err := run(t.Context(), token, "plant", func(_ context.Context, s *session) (hsm.Key, error) {
		h, err := token.calls.GenerateKey(s.handle, mechanism(pkcs11.CKM_AES_KEY_GEN, nil), attributes)
		if err != nil {
			return hsm.Key{}, err
		}
		k, _, err := token.attributes(s, h)
		return k, err
	})
	if err != nil {
		t.Fatalf("plant: %v", err)
	}
	return k
}

func TestUnfitRootKeysAreRefused(t *testing.T) {
	token := opened(t, config(testenv.SoftHSM(t)))
	for _, tc := range []struct {
		name   string
		change *pkcs11.Attribute
	}{
		{"extractable", attr(pkcs11.CKA_EXTRACTABLE, true)},
		{"not sensitive", attr(pkcs11.CKA_SENSITIVE, false)},
		{"also unwraps", attr(pkcs11.CKA_UNWRAP, true)},
		{"also wraps", attr(pkcs11.CKA_WRAP, true)},
		{"128 bits", attr(pkcs11.CKA_VALUE_LEN, 16)},
		{"also derives", attr(pkcs11.CKA_DERIVE, true)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k := planted(t, token, tc.name, tc.change)
			if err := k.Fit(); !errors.Is(err, hsm.ErrExtractable) {
				t.Errorf("Fit = %v, want ErrExtractable", err)
			}
			if _, err := token.Encrypt(t.Context(), k.ID, secret.Copy([]byte("x")), nil); !errors.Is(err, hsm.ErrExtractable) {
				t.Errorf("Encrypt = %v, want ErrExtractable", err)
			}
			if _, err := token.Decrypt(t.Context(), k.ID, make([]byte, 60), nil); !errors.Is(err, hsm.ErrExtractable) {
				t.Errorf("Decrypt = %v, want ErrExtractable", err)
			}
		})
	}
}

func TestUnfitRootKeysAreUsedWhereTheOperatorAcceptsThem(t *testing.T) {
	s := testenv.SoftHSM(t)
	cfg := config(s)
	cfg.AcceptUnfit = true
	token := opened(t, cfg)
	for _, tc := range []struct {
		name   string
		change *pkcs11.Attribute
		want   error
	}{
		{"extractable", attr(pkcs11.CKA_EXTRACTABLE, true), nil},
		{"also wraps", attr(pkcs11.CKA_WRAP, true), nil},
		{"128 bits", attr(pkcs11.CKA_VALUE_LEN, 16), hsm.ErrExtractable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k := planted(t, token, tc.name, tc.change)
			sealed, err := token.Encrypt(t.Context(), k.ID, secret.Copy([]byte("x")), nil)
			if !errors.Is(err, tc.want) {
				t.Fatalf("Encrypt = %v, want %v", err, tc.want)
			}
			if _, err := token.Decrypt(t.Context(), k.ID, sealed, nil); tc.want == nil && err != nil {
				t.Errorf("Decrypt: %v", err)
			}
			if k.Fit() == nil {
				t.Error("the key is told to be fit")
			}
		})
	}
}

func TestTheOperatorVouchesForHardware(t *testing.T) {
	s := testenv.SoftHSM(t)
	for _, vouched := range []bool{false, true} {
		cfg := config(s)
		cfg.Hardware = vouched
		if info, err := opened(t, cfg).Info(t.Context()); err != nil || info.Hardware || info.Vouched != vouched {
			t.Errorf("Info = %+v, %v, want the token's word and the operator's (%v) apart", info, err, vouched)
		}
	}
}

func TestMakingKeysMayTakeLonger(t *testing.T) {
	s := testenv.SoftHSM(t)
	m := pkcs11fault.New(t, s)
	cfg := faultConfig(m, s)
	cfg.Timeout = 200 * time.Millisecond
	token := opened(t, cfg)
	t.Cleanup(m.Clear)
	m.Set("C_GenerateKey sleep 400", "C_GenerateRandom sleep 400")
	generated(t, token)
	if _, err := token.Random(t.Context(), 8); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Random = %v, want it to end at the deadline of uses", err)
	}
}

func TestAWrongPINIsTriedOnce(t *testing.T) {
	s := testenv.SoftHSM(t)
	cfg := config(s)
	cfg.PIN = StaticPIN(secret.Copy([]byte("000000")))
	if _, err := Open(t.Context(), cfg); !errors.Is(err, hsm.ErrPIN) {
		t.Fatalf("Open with a wrong PIN = %v, want ErrPIN", err)
	}
	opened(t, config(s)) // it is not locked
}
