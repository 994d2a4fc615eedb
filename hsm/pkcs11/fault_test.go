//go:build cgo

package pkcs11

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/pkcs11"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/testenv"
)

// ill opens a token whose module can be made faulty, with a key and something
// sealed under it.
func ill(t *testing.T, change func(*Config)) (token *Token, f *faulty, keyID string, sealed []byte) {
	t.Helper()
	cfg := config(testenv.SoftHSM(t))
	if change != nil {
		change(&cfg)
	}
	token, err := open(t.Context(), cfg, func(c calls) calls {
		f = &faulty{calls: c}
		return f
	})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { f.set(nil); _ = token.Close() })
	keyID = generated(t, token).ID
	sealed, err = token.Encrypt(t.Context(), keyID, secret.Copy([]byte("kept")), nil)
	if err != nil {
		t.Fatalf("Encrypt: %v", err)
	}
	return token, f, keyID, sealed
}

// times returns a fault of one call that happens n times.
func times(n int, call string, fault error) func(string) error {
	var left atomic.Int32
	left.Store(int32(n))
	return func(c string) error {
		if c == call && left.Add(-1) >= 0 {
			return fault
		}
		return nil
	}
}

const always = 1 << 20

func TestRecovery(t *testing.T) {
	for _, tc := range []struct {
		name string
		call string
		code pkcs11.Error
		n    int
		want error
	}{
		{"session handle became invalid", "DecryptInit", pkcs11.CKR_SESSION_HANDLE_INVALID, 1, nil},
		{"session was closed", "DecryptInit", pkcs11.CKR_SESSION_CLOSED, 1, nil},
		{"login was lost", "DecryptInit", pkcs11.CKR_USER_NOT_LOGGED_IN, 1, nil},
		{"device was removed and came back", "Decrypt", pkcs11.CKR_DEVICE_REMOVED, 1, nil},
		{"device had an error", "Decrypt", pkcs11.CKR_DEVICE_ERROR, 1, nil},
		{"token was not present", "DecryptInit", pkcs11.CKR_TOKEN_NOT_PRESENT, 1, nil},
		{"object handle became invalid", "DecryptInit", pkcs11.CKR_OBJECT_HANDLE_INVALID, 1, nil},
		{"key handle became invalid", "DecryptInit", pkcs11.CKR_KEY_HANDLE_INVALID, 1, nil},
		{"device stays away", "Decrypt", pkcs11.CKR_DEVICE_REMOVED, always, hsm.ErrUnavailable},
		{"handles stay invalid", "DecryptInit", pkcs11.CKR_KEY_HANDLE_INVALID, always, hsm.ErrUnavailable},
		{"general error for good", "Decrypt", pkcs11.CKR_GENERAL_ERROR, always, hsm.ErrUnavailable},
		{"general error that passes is found by probing anew", "Decrypt", pkcs11.CKR_GENERAL_ERROR, 2, nil},
		{"invalid data although nothing was changed", "Decrypt", pkcs11.CKR_ENCRYPTED_DATA_INVALID, always, hsm.ErrUnavailable},
		{"operation was left active", "DecryptInit", pkcs11.CKR_OPERATION_ACTIVE, 1, nil},
		{"out of memory", "DecryptInit", pkcs11.CKR_DEVICE_MEMORY, always, hsm.ErrUnavailable},
		{"mechanism is gone", "DecryptInit", pkcs11.CKR_MECHANISM_INVALID, always, hsm.ErrUnsupported},
	} {
		t.Run(tc.name, func(t *testing.T) {
			token, f, key, sealed := ill(t, nil)
			f.set(times(tc.n, tc.call, tc.code))
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
			if n := f.calledTimes("Login"); n > 1 {
				t.Errorf("logged in %d times, at most once is allowed", n)
			}
			f.set(nil)
			if _, err := token.Decrypt(t.Context(), key, sealed, nil); err != nil {
				t.Errorf("Decrypt when the token is well again: %v", err)
			}
		})
	}
}

func TestALostSessionDoesNotNeedThePIN(t *testing.T) {
	token, f, key, sealed := ill(t, nil)
	f.set(times(1, "DecryptInit", pkcs11.Error(pkcs11.CKR_SESSION_HANDLE_INVALID)))
	if _, err := token.Decrypt(t.Context(), key, sealed, nil); err != nil {
		t.Fatal(err)
	}
	if n := f.calledTimes("Login"); n != 0 {
		t.Errorf("logged in %d times although the login held", n)
	}
}

func TestARefusedPINIsNeverTriedAgain(t *testing.T) {
	for _, code := range []pkcs11.Error{pkcs11.CKR_PIN_INCORRECT, pkcs11.CKR_PIN_LOCKED, pkcs11.CKR_PIN_EXPIRED} {
		t.Run(code.Error(), func(t *testing.T) {
			token, f, key, sealed := ill(t, nil)
			f.set(func(call string) error {
				switch call {
				case "DecryptInit":
					return pkcs11.Error(pkcs11.CKR_USER_NOT_LOGGED_IN)
				case "GetSessionInfo":
					return errLoggedOut
				case "Login":
					return code
				}
				return nil
			})
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					if _, err := token.Decrypt(t.Context(), key, sealed, nil); !errors.Is(err, hsm.ErrPIN) && !errors.Is(err, hsm.ErrUnavailable) {
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
			if n := f.calledTimes("Login"); n != 1 {
				t.Errorf("%v: logged in %d times, want once", code, n)
			}
		})
	}
}

func TestTheLastTryIsLeftToTheOperator(t *testing.T) {
	f := &faulty{}
	_, err := open(t.Context(), config(testenv.SoftHSM(t)), func(c calls) calls {
		f.calls = c
		f.set(times(always, "GetTokenInfo", errors.New("final try")))
		return f
	})
	if !errors.Is(err, hsm.ErrPIN) {
		t.Errorf("open = %v, want ErrPIN", err)
	}
	if n := f.calledTimes("Login"); n != 0 {
		t.Errorf("logged in %d times, want never", n)
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
	token, f, key, sealed := ill(t, func(c *Config) { c.Sessions = 1 })
	release := make(chan struct{})
	var once sync.Once
	let := func() { once.Do(func() { close(release) }) }
	t.Cleanup(let)
	f.set(func(call string) error {
		if call == "Decrypt" {
			<-release
		}
		return nil
	})
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
	f.set(nil)
	let()
	deadline := time.Now().Add(5 * time.Second)
	for token.hung.Load() > 0 && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	if n := token.hung.Load(); n != 0 {
		t.Fatalf("%d calls still count as hanging", n)
	}
	if _, err := token.Decrypt(t.Context(), key, sealed, nil); err != nil {
		t.Errorf("Decrypt when nothing hangs any more: %v", err)
	}
}

func TestAHangingCallDoesNotStopOthersOrClose(t *testing.T) {
	token, f, key, sealed := ill(t, func(c *Config) { c.Sessions = 2 })
	release := make(chan struct{})
	back := sync.OnceFunc(func() { close(release) })
	t.Cleanup(back)
	var hang atomic.Bool
	hang.Store(true)
	f.set(func(call string) error {
		if call == "Decrypt" && hang.CompareAndSwap(true, false) {
			<-release
		}
		return nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { _, err := token.Decrypt(ctx, key, sealed, nil); result <- err }()
	for hang.Load() {
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
	back()
}

// substitute makes the module use another key's handle for the first n calls.
func substitute(t *testing.T, token *Token, f *faulty, n int32) {
	t.Helper()
	other := generated(t, token)
	theirs, err := run(t.Context(), token, "find", func(_ context.Context, s *session) (pkcs11.ObjectHandle, error) {
		h, _, _, err := token.byID(s, other.ID)
		return h, err
	})
	if err != nil {
		t.Fatal(err)
	}
	var left atomic.Int32
	left.Store(n)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.handle = func(o pkcs11.ObjectHandle) pkcs11.ObjectHandle {
		if left.Add(-1) >= 0 {
			return theirs
		}
		return o
	}
}

func TestASubstitutedKeyIsNotUsed(t *testing.T) {
	token, f, key, sealed := ill(t, nil)
	substitute(t, token, f, always)
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

func TestAStaleHandleIsCuredByFindingTheKeyAgain(t *testing.T) {
	token, f, key, sealed := ill(t, nil)
	substitute(t, token, f, 4) // the ciphertext, the witness and a round trip
	if _, err := token.Decrypt(t.Context(), key, sealed, nil); err != nil {
		t.Errorf("Decrypt = %v, want it cured", err)
	}
}

func TestAChangedCiphertextDoesNotDisturbTheToken(t *testing.T) {
	token, f, key, sealed := ill(t, nil)
	f.set(func(string) error { return nil })
	changed := bytes.Clone(sealed)
	changed[15] ^= 1
	for range 5 {
		if _, err := token.Decrypt(t.Context(), key, changed, nil); !errors.Is(err, hsm.ErrIntegrity) {
			t.Fatalf("Decrypt of a changed ciphertext = %v, want ErrIntegrity", err)
		}
	}
	if n := f.calledTimes("FindObjectsInit") + f.calledTimes("Login"); n != 0 {
		t.Errorf("%d calls to connect anew, want none", n)
	}
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
