//go:build cgo

package pkcs11

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/pkcs11"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/testenv"
	"github.com/claviger/claviger/testenv/pkcs11fault"
)

// ill opens a token through the module with faults, with a key and something
// sealed under it.
func ill(t *testing.T, change func(*Config)) (token *Token, m *pkcs11fault.Module, keyID string, sealed []byte) {
	t.Helper()
	s := testenv.SoftHSM(t)
	m = pkcs11fault.New(t, s)
	cfg := faultConfig(m, s)
	if change != nil {
		change(&cfg)
	}
	token = opened(t, cfg)
	t.Cleanup(func() { // before it is closed
		m.Clear()
		comeBack(token)
	})
	keyID, sealed, _ = sealedBy(t, token)
	return token, m, keyID, sealed
}

func TestRecovery(t *testing.T) {
	for _, tc := range []struct {
		name string
		rule string
		want error
	}{
		{"session handle became invalid", "C_DecryptInit fail 0xB3 1", nil},
		{"session was closed", "C_DecryptInit fail 0xB0 1", nil},
		{"login was lost", "C_DecryptInit fail 0x101 1", nil},
		{"device was removed and came back", "C_Decrypt fail 0x32 1", nil},
		{"device had an error", "C_Decrypt fail 0x30 1", nil},
		{"device had an error, and another one", "C_Decrypt fail 0x30 2", nil},
		{"token was not present", "C_DecryptInit fail 0xE0 1", nil},
		{"object handle became invalid", "C_DecryptInit stale 0 1", nil},
		{"key handle became invalid", "C_DecryptInit fail 0x60 1", nil},
		{"device stays away", "C_Decrypt fail 0x32", hsm.ErrUnavailable},
		{"handles stay invalid", "C_DecryptInit stale", hsm.ErrUnavailable},
		{"general error for good", "C_Decrypt fail 5", hsm.ErrUnavailable},
		{"general error that passes is found by probing anew", "C_Decrypt fail 5 2", nil},
		{"invalid data although nothing was changed", "C_Decrypt fail 0x40", hsm.ErrUnavailable},
		{"operation was left active", "C_DecryptInit fail 0x90 1", nil},
		{"out of memory", "C_DecryptInit fail 0x31", hsm.ErrUnavailable},
		{"mechanism is gone", "hide 0x1087", hsm.ErrUnsupported},
		{"module is not initialised", "C_DecryptInit fail 0x190 2", nil},
		{"sessions cannot be opened", "C_OpenSession fail 0xB3", nil}, // nobody needs another one
	} {
		t.Run(tc.name, func(t *testing.T) {
			token, m, key, sealed := ill(t, nil)
			m.Set(tc.rule)
			plain, err := token.Decrypt(t.Context(), key, sealed, nil)
			if !errors.Is(err, tc.want) {
				t.Fatalf("Decrypt = %v, want %v", err, tc.want)
			}
			if err == nil && string(plain.Reveal()) != "kept" {
				t.Error("Decrypt gave something else")
			}
			if err != nil && errors.Is(err, hsm.ErrIntegrity) {
				t.Errorf("an ill token is told as a changed ciphertext: %v", err)
			}
			if n := m.Count("C_Login"); n > 1 {
				t.Errorf("logged in %d times, at most once is allowed", n)
			}
			m.Clear()
			if _, err := token.Decrypt(t.Context(), key, sealed, nil); err != nil {
				t.Errorf("Decrypt when the token is well again: %v", err)
			}
		})
	}
}

func TestAPINThatWasChangedIsTakenByRetry(t *testing.T) {
	var asked, refused atomic.Int32
	token, _, keyID, sealed := ill(t, func(cfg *Config) {
		right := cfg.PIN
		cfg.PIN = func(ctx context.Context) (*secret.Bytes, error) {
			if asked.Add(1) == 2 {
				return secret.Copy([]byte("another")), nil
			}
			return right(ctx)
		}
		cfg.Refused = func() { refused.Add(1) }
	})
	use := func() error {
		_, err := token.Decrypt(t.Context(), keyID, sealed, nil)
		return err
	}
	loggedOut(t, token)
	for range 2 {
		if err := use(); !errors.Is(err, hsm.ErrPIN) {
			t.Errorf("Decrypt = %v, want ErrPIN", err)
		}
	}
	if asked.Load() != 2 || refused.Load() != 1 {
		t.Errorf("the PIN was asked for %d times, and told to be refused %d times; want 2 and 1", asked.Load(), refused.Load())
	}
	if err := token.Retry(t.Context()); err != nil {
		t.Errorf("Retry = %v", err)
	}
	if err := use(); err != nil {
		t.Errorf("Decrypt after Retry: %v", err)
	}
}

func TestALoginWithoutAnAnswerIsToldAsOne(t *testing.T) {
	for fault, login := range map[string]bool{"C_Login hang 1": true, "C_OpenSession hang 1": false} {
		s := testenv.SoftHSM(t)
		m := pkcs11fault.New(t, s)
		t.Cleanup(m.Clear)
		m.Set(fault)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		_, err := Open(ctx, faultConfig(m, s))
		cancel()
		if !errors.Is(err, hsm.ErrUnavailable) || errors.Is(err, hsm.ErrLogin) != login {
			t.Errorf("Open with %s = %v; ErrLogin wanted: %v", fault, err, login)
		}
	}
}

func TestALostSessionDoesNotNeedThePIN(t *testing.T) {
	token, m, key, sealed := ill(t, nil)
	m.Set("C_DecryptInit fail 0xB3 1")
	if _, err := token.Decrypt(t.Context(), key, sealed, nil); err != nil {
		t.Fatal(err)
	}
	if n := m.Count("C_Login"); n != 0 {
		t.Errorf("logged in %d times although the login held", n)
	}
}

// loggedOut makes the token forget the login, as a restart of the HSM does.
func loggedOut(t *testing.T, token *Token) {
	t.Helper()
	if err := token.module.ctx.Logout(token.conn.anchor); err != nil {
		t.Fatalf("log out: %v", err)
	}
}

func TestALostLoginIsMadeAnewOnce(t *testing.T) {
	token, m, key, sealed := ill(t, nil)
	loggedOut(t, token)
	m.Set()
	for range 3 {
		if _, err := token.Decrypt(t.Context(), key, sealed, nil); err != nil {
			t.Fatal(err)
		}
	}
	if n := m.Count("C_Login"); n != 1 {
		t.Errorf("logged in %d times, want once", n)
	}
}

func TestARefusedPINIsNeverTriedAgain(t *testing.T) {
	for name, code := range map[string]string{"incorrect": "0xA0", "locked": "0xA4", "expired": "0xA3"} {
		t.Run(name, func(t *testing.T) {
			token, m, key, sealed := ill(t, nil)
			loggedOut(t, token)
			m.Set("C_Login fail " + code)
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					if _, err := token.Decrypt(t.Context(), key, sealed, nil); !errors.Is(err, hsm.ErrPIN) {
						t.Errorf("Decrypt = %v, want ErrPIN", err)
					}
				})
			}
			wg.Wait()
			for what, err := range map[string]error{
				"Check":    token.Check(t.Context()),
				"generate": func() error { _, err := token.Generate(t.Context(), hsm.KeySpec{Purpose: hsm.PurposeSeal}); return err }(),
			} {
				if !errors.Is(err, hsm.ErrPIN) {
					t.Errorf("%s after a refused PIN = %v, want ErrPIN", what, err)
				}
			}
			if n := m.Count("C_Login"); n != 1 {
				t.Errorf("%s: logged in %d times, want once", name, n)
			}
		})
	}
}

func TestTheLastTryIsLeftToTheOperator(t *testing.T) {
	f := &faulty{}
	_, err := open(t.Context(), config(testenv.SoftHSM(t)), func(c calls) calls {
		f.calls = c
		return f
	})
	if !errors.Is(err, hsm.ErrPIN) {
		t.Errorf("open = %v, want ErrPIN", err)
	}
	if f.logins != 0 {
		t.Errorf("logged in %d times, want never", f.logins)
	}
}

func TestThePINIsDestroyedAfterLogin(t *testing.T) {
	cfg := config(testenv.SoftHSM(t))
	var given []*secret.Bytes
	source := cfg.PIN
	cfg.PIN = func(ctx context.Context) (*secret.Bytes, error) {
		pin, err := source(ctx)
		given = append(given, pin)
		return pin, err
	}
	opened(t, cfg)
	if len(given) != 1 || given[0].Len() != 0 {
		t.Errorf("%d PINs were given, want one that is destroyed", len(given))
	}
}

func TestAHangingCallIsWrittenOff(t *testing.T) {
	token, m, key, sealed := ill(t, func(c *Config) { c.Sessions = 1 })
	m.Set("C_Decrypt hang")
	for i := range hungPerSession + 2 {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		start := time.Now()
		_, err := token.Decrypt(ctx, key, sealed, nil)
		cancel()
		if !errors.Is(err, hsm.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("call %d: %v, want ErrUnavailable at the deadline", i, err)
		}
		if d := time.Since(start); d > 2*time.Second {
			t.Errorf("call %d came back after %v", i, d)
		}
	}
	// Too many hang: fail at once and without another thread.
	_, err := token.Decrypt(t.Context(), key, sealed, nil)
	if !errors.Is(err, hsm.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("call beyond the bound = %v, want ErrUnavailable at once", err)
	}
	m.Clear()
	deadline := time.Now().Add(5 * time.Second)
	for token.hung.count() > 0 && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	if n := token.hung.count(); n != 0 {
		t.Fatalf("%d calls still count as hanging", n)
	}
	if _, err := token.Decrypt(t.Context(), key, sealed, nil); err != nil {
		t.Errorf("Decrypt when nothing hangs any more: %v", err)
	}
}

func TestTheTokenTellsSinceWhenACallHangs(t *testing.T) {
	token, m, key, sealed := ill(t, nil)
	zero := func(when string) {
		t.Helper()
		if since := token.HangingSince(); !since.IsZero() {
			t.Errorf("%s: hanging since %v", when, since)
		}
	}
	zero("before")
	m.Set("C_Decrypt hang 2")
	var first time.Time
	for range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		begun := time.Now()
		if _, err := token.Decrypt(ctx, key, sealed, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Decrypt = %v, want the deadline exceeded", err)
		}
		cancel()
		since := token.HangingSince()
		if first.IsZero() {
			first = since
			if since.Before(begun) || since.After(begun.Add(500*time.Millisecond)) {
				t.Errorf("hanging since %v, want when the call began, %v", since, begun)
			}
		}
		if !since.Equal(first) {
			t.Errorf("hanging since %v, want the older one, %v", since, first)
		}
	}
	if _, err := token.Decrypt(t.Context(), key, sealed, nil); err != nil {
		t.Errorf("Decrypt beside those that hang: %v", err)
	}
	m.Clear()
	comeBack(token)
	zero("when they have come back")
}

func TestAHangingCallDoesNotStopOthersOrClose(t *testing.T) {
	token, m, key, sealed := ill(t, func(c *Config) { c.Sessions = 2 })
	m.Set("C_Decrypt hang 1")
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { _, err := token.Decrypt(ctx, key, sealed, nil); result <- err }()
	for m.Count("C_Decrypt") == 0 {
		time.Sleep(time.Millisecond)
	}
	if _, err := token.Decrypt(t.Context(), key, sealed, nil); err != nil {
		t.Errorf("Decrypt beside a hanging one: %v", err)
	}
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled call = %v, want context.Canceled", err)
	}
	start := time.Now()
	if err := token.Close(); err != nil || time.Since(start) > 2*closeTimeout+time.Second {
		t.Errorf("Close = %v after %v", err, time.Since(start))
	}
}

// handleOf finds the handle of a root key.
func handleOf(t *testing.T, token *Token, id string) pkcs11.ObjectHandle {
	t.Helper()
	h, err := run(t.Context(), token, "find", func(_ context.Context, s *session) (pkcs11.ObjectHandle, error) {
		k, err := token.byID(s, id)
		if err != nil {
			return 0, err
		}
		return k.handle, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestASubstitutedKeyIsNotUsed(t *testing.T) {
	token, m, key, sealed := ill(t, nil)
	theirs := handleOf(t, token, generated(t, token).ID)
	m.Set(fmt.Sprintf("C_EncryptInit stale %d", theirs), fmt.Sprintf("C_DecryptInit stale %d", theirs))
	if _, err := token.Encrypt(t.Context(), key, secret.Copy([]byte("x")), nil); !errors.Is(err, hsm.ErrIntegrity) {
		t.Errorf("Encrypt under another key's handle = %v, want ErrIntegrity", err)
	}
	if _, err := token.Decrypt(t.Context(), key, sealed, nil); !errors.Is(err, hsm.ErrIntegrity) {
		t.Errorf("Decrypt under another key's handle = %v, want ErrIntegrity", err)
	}
	if err := token.Check(t.Context()); !errors.Is(err, hsm.ErrIntegrity) {
		t.Errorf("Check under another key's handle = %v, want ErrIntegrity", err)
	}
}

func TestASubstitutedWrapKeyIsNotUsed(t *testing.T) {
	const wrap, unwrap = "C_WrapKey stale %d", "C_UnwrapKey stale %d"
	for _, tc := range []struct {
		name  string
		rules []string
		want  error
	}{
		{"for all calls", []string{wrap, unwrap}, hsm.ErrIntegrity},
		{"to wrap by only", []string{wrap}, hsm.ErrUnavailable},
		{"to unwrap by only", []string{unwrap}, hsm.ErrUnavailable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			token, m, _, _ := ill(t, nil)
			k, _ := directKey(t, token)
			other, err := token.Generate(t.Context(), hsm.KeySpec{Purpose: hsm.PurposeWrap})
			if err != nil {
				t.Fatal(err)
			}
			theirs := handleOf(t, token, other.ID)
			var rules []string
			for _, r := range tc.rules {
				rules = append(rules, fmt.Sprintf(r, theirs))
			}
			m.Set(rules...)
			if _, err := token.Wrap(t.Context(), k.RootKey, secret.New(make([]byte, 32))); !errors.Is(err, tc.want) {
				t.Errorf("Wrap under another key's handle = %v, want %v", err, tc.want)
			}
		})
	}
}

func TestAStaleHandleIsCuredByFindingTheKeyAgain(t *testing.T) {
	token, m, key, sealed := ill(t, nil)
	theirs := handleOf(t, token, generated(t, token).ID)
	// the ciphertext, the witness and a round trip
	m.Set(fmt.Sprintf("C_EncryptInit stale %d 1", theirs), fmt.Sprintf("C_DecryptInit stale %d 3", theirs))
	if _, err := token.Decrypt(t.Context(), key, sealed, nil); err != nil {
		t.Errorf("Decrypt = %v, want it cured", err)
	}
}

func TestAChangedCiphertextDoesNotDisturbTheToken(t *testing.T) {
	token, m, key, sealed := ill(t, nil)
	k, byWrapped := directKey(t, token)
	for _, tc := range []struct {
		sealed []byte
		open   func([]byte) error
	}{
		{sealed, func(c []byte) error { _, err := token.Decrypt(t.Context(), key, c, nil); return err }},
		{byWrapped, func(c []byte) error { _, err := token.DecryptWrapped(t.Context(), k, c, nil); return err }},
		{k.Value, func(c []byte) error {
			_, err := token.DecryptWrapped(t.Context(), hsm.WrappedKey{RootKey: k.RootKey, Value: c}, byWrapped, nil)
			return err
		}},
	} {
		m.Set()
		changed := bytes.Clone(tc.sealed)
		changed[15] ^= 1
		for range 5 {
			if err := tc.open(changed); !errors.Is(err, hsm.ErrIntegrity) {
				t.Fatalf("opening what was changed = %v, want ErrIntegrity", err)
			}
		}
		if n := m.Count("C_FindObjectsInit") + m.Count("C_Login") + m.Count("C_Initialize"); n != 0 {
			t.Errorf("%d calls to connect anew, want none", n)
		}
	}
}

func TestFaultsUnderResidentObjects(t *testing.T) {
	token, m, _, _ := ill(t, nil)
	aes, err := token.GenerateObject(t.Context(), hsm.ObjectSpec{Kind: hsm.ObjectAES, Bits: 256, Encrypt: true, Decrypt: true})
	if err != nil {
		t.Fatal(err)
	}
	half, err := token.GenerateObject(t.Context(), hsm.ObjectSpec{Kind: hsm.ObjectAES, Bits: 256, Decrypt: true})
	if err != nil {
		t.Fatal(err)
	}
	ec, err := token.GenerateObject(t.Context(), hsm.ObjectSpec{Kind: hsm.ObjectEC, Bits: 256, Sign: true})
	if err != nil {
		t.Fatal(err)
	}
	gcm := hsm.CipherRequest{Mode: hsm.ModeGCM, IV: make([]byte, 12), TagBits: 128, Data: []byte("kept")}
	sealed, err := token.ObjectEncrypt(t.Context(), aes.ID, gcm)
	if err != nil {
		t.Fatal(err)
	}
	gcm.Data = sealed
	decrypt := func() error { _, err := token.ObjectDecrypt(t.Context(), aes.ID, gcm); return err }
	sign := func() error {
		_, err := token.ObjectSign(t.Context(), ec.ID, hsm.SignRequest{Scheme: hsm.SchemeECDSA, Hash: crypto.SHA256, Digest: make([]byte, 32)})
		return err
	}
	for _, tc := range []struct {
		name, rule string
		call       func() error
		want       error
	}{
		{"session was closed", "C_DecryptInit fail 0xB0 1", decrypt, nil},
		{"object handle became invalid", "C_DecryptInit stale 0 1", decrypt, nil},
		{"general error for good", "C_Decrypt fail 5", decrypt, hsm.ErrUnavailable},
		{"invalid data although nothing was changed", "C_Decrypt fail 0x40", decrypt, hsm.ErrUnavailable},
		{"wrong tag by an object that cannot be probed", "", func() error { _, err := token.ObjectDecrypt(t.Context(), half.ID, gcm); return err }, hsm.ErrIntegrity},
		{"signing fails once", "C_Sign fail 0x30 1", sign, nil},
		{"signing finds no object", "C_SignInit stale 0 1", sign, nil},
		{"device stays away", "C_Sign fail 0x32", sign, hsm.ErrUnavailable},
		{"mechanism is gone", "hide 0x1041", sign, hsm.ErrUnsupported},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m.Clear()
			if tc.rule != "" {
				m.Set(tc.rule)
			}
			if err := tc.call(); !errors.Is(err, tc.want) {
				t.Errorf("got error %v, want %v", err, tc.want)
			}
		})
	}
	m.Clear()
}

func TestNoErrorTellsThePIN(t *testing.T) {
	s := testenv.SoftHSM(t)
	cfg := config(s)
	const wrong = "7777777"
	cfg.PIN = StaticPIN(secret.Copy([]byte(wrong)))
	_, err := Open(t.Context(), cfg)
	if err == nil || bytes.Contains([]byte(err.Error()), []byte(wrong)) {
		t.Errorf("error: %v", err)
	}
}
