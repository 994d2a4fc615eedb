//go:build cgo

package pkcs11

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/testenv"
	"github.com/claviger/claviger/testenv/pkcs11fault"
)

func TestATokenThatGoesAndComesBack(t *testing.T) {
	for _, tc := range []struct {
		name   string
		rounds int
		of     func(*testing.T, testenv.SoftHSMToken) string
	}{
		{"its directory", 2, func(t *testing.T, s testenv.SoftHSMToken) string { return s.Folder(t) }},
		{"the directory of all tokens", 1, func(_ *testing.T, s testenv.SoftHSMToken) string { return filepath.Join(s.Dir, "tokens") }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := testenv.SoftHSM(t)
			token := opened(t, config(s))
			key, sealed, _ := sealedBy(t, token)
			root, err := token.Generate(t.Context(), hsm.KeySpec{Purpose: hsm.PurposeWrap})
			if err != nil {
				t.Fatal(err)
			}
			k, err := token.Wrap(t.Context(), root.ID, secret.New(make([]byte, 32)))
			if err != nil {
				t.Fatal(err)
			}
			sealedByWrapped, err := token.EncryptWrapped(t.Context(), k, secret.Copy([]byte("kept")), nil)
			if err != nil {
				t.Fatal(err)
			}
			var stop, away, refusals atomic.Bool
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for !stop.Load() {
						start := time.Now()
						plain, err := token.Decrypt(t.Context(), key, sealed, nil)
						if d := time.Since(start); d > 2*time.Second+100*time.Millisecond {
							t.Errorf("Decrypt came back after %v", d)
						}
						switch {
						case err == nil && string(plain.Reveal()) != "kept":
							t.Error("Decrypt gave something else")
						case err != nil && !errors.Is(err, hsm.ErrUnavailable):
							t.Errorf("Decrypt without the token = %v, want ErrUnavailable", err)
						case err != nil:
							refusals.Store(true)
						case away.Load():
							time.Sleep(time.Millisecond)
						}
					}
				})
			}
			defer func() { stop.Store(true); wg.Wait() }()
			dir := tc.of(t, s)
			hidden := filepath.Join(s.Dir, "away")
			for round := range tc.rounds {
				if err := os.Rename(dir, hidden); err != nil {
					t.Fatal(err)
				}
				away.Store(true)
				time.Sleep(1500 * time.Millisecond)
				if err := os.Rename(hidden, dir); err != nil {
					t.Fatal(err)
				}
				away.Store(false)
				if !refusals.Swap(false) {
					t.Errorf("round %d: no call was refused while the token was away", round)
				}
				back := time.Now()
				for {
					_, err := token.Decrypt(t.Context(), key, sealed, nil)
					if err == nil {
						break
					}
					if time.Since(back) > 3*time.Second {
						t.Fatalf("round %d: still refused after %v: %v", round, time.Since(back), err)
					}
					time.Sleep(10 * time.Millisecond)
				}
				t.Logf("works again %v after it came back", time.Since(back))
				if plain, err := token.DecryptWrapped(t.Context(), k, sealedByWrapped, nil); err != nil || string(plain.Reveal()) != "kept" {
					t.Errorf("round %d: DecryptWrapped: %v", round, err)
				}
				if err := token.Check(t.Context()); err != nil {
					t.Errorf("round %d: Check: %v", round, err)
				}
			}
		})
	}
}

func TestAnotherTokenOfTheModuleSurvives(t *testing.T) {
	gone, stays := testenv.SoftHSM(t), testenv.SoftHSM(t)
	first, second := opened(t, config(gone)), opened(t, config(stays))
	_, sealedByFirst, _ := sealedBy(t, first)
	key, sealed, _ := sealedBy(t, second)
	root, err := second.Generate(t.Context(), hsm.KeySpec{Purpose: hsm.PurposeWrap})
	if err != nil {
		t.Fatal(err)
	}
	k, err := second.Wrap(t.Context(), root.ID, secret.New(make([]byte, 32)))
	if err != nil {
		t.Fatal(err)
	}
	byWrapped, err := second.EncryptWrapped(t.Context(), k, secret.Copy([]byte("kept")), nil)
	if err != nil {
		t.Fatal(err)
	}
	dir, hidden := gone.Folder(t), filepath.Join(gone.Dir, "away")
	if err := os.Rename(dir, hidden); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.Rename(hidden, dir) }()
	before := second.module.generationNow()
	for range 100 {
		if _, err := first.Decrypt(t.Context(), key, sealedByFirst, nil); err == nil {
			t.Fatal("a token that is away decrypts")
		}
		if plain, err := second.Decrypt(t.Context(), key, sealed, nil); err != nil || string(plain.Reveal()) != "kept" {
			t.Fatalf("Decrypt by the other token: %v", err)
		}
		if plain, err := second.DecryptWrapped(t.Context(), k, byWrapped, nil); err != nil || string(plain.Reveal()) != "kept" {
			t.Fatalf("DecryptWrapped by the other token: %v", err)
		}
	}
	if n := second.module.generationNow() - before; n == 0 || n > 3 {
		t.Errorf("the module was initialised anew %d times, want once in a while", n)
	}
}

// sealedBy makes a seal key and something that is sealed by it.
func sealedBy(t *testing.T, token *Token) (key string, sealed []byte, plain string) {
	t.Helper()
	key, plain = generated(t, token).ID, "kept"
	sealed, err := token.Encrypt(t.Context(), key, secret.Copy([]byte(plain)), nil)
	if err != nil {
		t.Fatal(err)
	}
	return key, sealed, plain
}

func TestATokenThatWasInitialisedAnewIsNotUsed(t *testing.T) {
	s := testenv.SoftHSM(t)
	fault := pkcs11fault.New(t, s)
	token := opened(t, faultConfig(fault, s))
	key, sealed, _ := sealedBy(t, token)
	if err := os.RemoveAll(s.Folder(t)); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("softhsm2-util", "--init-token", "--free", "--label", s.Label, "--so-pin", s.SOPIN, "--pin", s.PIN).CombinedOutput()
	if err != nil {
		t.Fatalf("softhsm2-util: %v: %s", err, out)
	}
	fault.Set()
	for range 3 {
		_, err := token.Decrypt(t.Context(), key, sealed, nil)
		if !errors.Is(err, hsm.ErrUnavailable) || !strings.Contains(err.Error(), s.Serial) || !strings.Contains(err.Error(), "initialised anew") {
			t.Fatalf("Decrypt = %v, want ErrUnavailable that names serial number %s", err, s.Serial)
		}
	}
	if n := fault.Count("C_Login"); n != 0 {
		t.Errorf("logged in %d times to a token that is not the one", n)
	}
}
