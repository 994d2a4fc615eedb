package seal_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/hsm/seal"
	"github.com/claviger/claviger/hsm/seal/sealtest"
)

// withDamaged are keys in which the copies of a domain for some tokens have one bit
// changed.
func withDamaged(t *testing.T, keys *sealtest.Keys, domain string, serials ...string) *sealtest.Keys {
	t.Helper()
	keys.Change(func(k *seal.DomainKey) {
		for _, s := range serials {
			if k.Domain == domain && k.Token == s {
				k.Wrapped = bytes.Clone(k.Wrapped)
				k.Wrapped[len(k.Wrapped)-40] ^= 1
			}
		}
	})
	return keys
}

func TestADamagedCopyIsPassedOver(t *testing.T) {
	for _, mode := range []seal.Mode{seal.ModeEnvelope, seal.ModeDirect} {
		for _, damaged := range []int{0, 1} { // the copy for the token that is preferred, or for the other
			t.Run(fmt.Sprintf("%s of token %d", mode, damaged), func(t *testing.T) {
				a, b, keys, ctx := newBreakable(t), newBreakable(t), &sealtest.Keys{}, t.Context()
				r := ringOf(t, keys, seal.Options{Mode: mode}, a, b)
				if err := r.EnsureDomain(ctx, "d", ""); err != nil {
					t.Fatal(err)
				}
				g, sealed, err := r.Seal(ctx, "d", binding, text("kept"))
				if err != nil {
					t.Fatal(err)
				}
				tokens := []*breakable{a, b}
				keys = withDamaged(t, keys, "d", serial(t, tokens[damaged]))
				var log bytes.Buffer
				fresh := ringOf(t, keys, seal.Options{Mode: mode, Log: slog.New(slog.NewTextHandler(&log, nil))}, a, b)
				for range 3 {
					if plain, err := fresh.Open(ctx, "d", g, binding, sealed); err != nil || string(plain.Reveal()) != "kept" {
						t.Errorf("Open: %v", err)
					}
					if _, _, err := fresh.Seal(ctx, "d", binding, text("x")); err != nil {
						t.Errorf("Seal: %v", err)
					}
				}
				want := 0
				if damaged == 0 {
					want = 1
				}
				if mode == seal.ModeDirect {
					want *= 2 // when the key is opened, and when the token is to be used
				}
				if n := strings.Count(log.String(), "another is asked"); n != want {
					t.Errorf("the log tells it %d times, want %d:\n%s", n, want, &log)
				}
				// What is wrong with the material itself is no fault of a copy.
				sealed[len(sealed)-1] ^= 1
				calls := b.calls.Load()
				if _, err := fresh.Open(ctx, "d", g, binding, sealed); !errors.Is(err, hsm.ErrIntegrity) {
					t.Errorf("Open of changed material = %v, want ErrIntegrity", err)
				}
				if n := b.calls.Load() - calls; damaged == 1 && n != 0 {
					t.Errorf("the other token was asked %d times about changed material", n)
				}
				// Nor does the damage hide that the token with the good copy is away.
				sealed[len(sealed)-1] ^= 1
				tokens[1-damaged].fail(errAway)
				if _, err := fresh.Open(ctx, "d", g, binding, sealed); mode == seal.ModeDirect && !errors.Is(err, hsm.ErrUnavailable) {
					t.Errorf("Open without the good copy = %v, want ErrUnavailable", err)
				}
				tokens[1-damaged].mend()
				if _, err := fresh.Open(ctx, "d", g, binding, sealed); err != nil {
					t.Errorf("Open with the token back: %v", err)
				}
			})
		}
	}
}

func TestDamagedCopiesForAllTokens(t *testing.T) {
	for _, mode := range []seal.Mode{seal.ModeEnvelope, seal.ModeDirect} {
		a, b, keys, ctx := newBreakable(t), newBreakable(t), &sealtest.Keys{}, t.Context()
		r := ringOf(t, keys, seal.Options{Mode: mode}, a, b)
		if err := r.EnsureDomain(ctx, "d", ""); err != nil {
			t.Fatal(err)
		}
		fresh := ringOf(t, withDamaged(t, keys, "d", serial(t, a), serial(t, b)), seal.Options{Mode: mode}, a, b)
		if _, _, err := fresh.Seal(ctx, "d", binding, text("x")); !errors.Is(err, hsm.ErrIntegrity) {
			t.Errorf("mode %s: Seal = %v, want ErrIntegrity", mode, err)
		}
	}
}

var errLacks = fmt.Errorf("CKR_MECHANISM_INVALID: %w", hsm.ErrUnsupported)

func TestATokenThatLacksAMechanismIsPassedOver(t *testing.T) {
	for _, mode := range []seal.Mode{seal.ModeEnvelope, seal.ModeDirect} {
		t.Run(string(mode), func(t *testing.T) {
			a, b, keys, ctx := newBreakable(t), newBreakable(t), &sealtest.Keys{}, t.Context()
			r := ringOf(t, keys, seal.Options{Mode: mode}, a, b)
			if err := r.EnsureDomain(ctx, "d", ""); err != nil {
				t.Fatal(err)
			}
			g, sealed, err := r.Seal(ctx, "d", binding, text("kept"))
			if err != nil {
				t.Fatal(err)
			}
			fresh := ringOf(t, keys, seal.Options{Mode: mode}, a, b) // nothing of d is open here
			a.fail(errLacks)
			for _, r := range []*seal.Ring{fresh, r} { // and there it was used
				if plain, err := r.Open(ctx, "d", g, binding, sealed); err != nil || string(plain.Reveal()) != "kept" {
					t.Errorf("Open: %v", err)
				}
				calls := a.calls.Load()
				for range 3 {
					if _, _, err := r.Seal(ctx, "d", binding, text("x")); err != nil {
						t.Errorf("Seal: %v", err)
					}
				}
				if n := a.calls.Load() - calls; n != 0 {
					t.Errorf("the token was asked %d times more although another answers", n)
				}
			}

			b.fail(errLacks)
			last := seal.New([]seal.Member{seal.Opened(a), seal.Opened(b)}, keys, seal.Options{})
			defer last.Close()
			if _, err := last.Open(ctx, "d", g, binding, sealed); !errors.Is(err, hsm.ErrUnsupported) {
				t.Errorf("Open when all tokens lack it = %v, want ErrUnsupported", err)
			}
			b.fail(errAway)
			if _, err := last.Open(ctx, "d", g, binding, sealed); !errors.Is(err, hsm.ErrUnavailable) {
				t.Errorf("Open when the one that may have it is away = %v, want ErrUnavailable", err)
			}
			// The one that was passed over is asked when there is no other.
			a.mend()
			for range 2 {
				if _, err := fresh.Open(ctx, "d", g, binding, sealed); err != nil {
					t.Errorf("Open by the token that was passed over: %v", err)
				}
			}
		})
	}
}
