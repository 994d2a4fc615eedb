package seal_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/hsm/seal"
	"github.com/claviger/claviger/hsm/seal/sealtest"
	"github.com/claviger/claviger/hsm/soft"
	"github.com/claviger/claviger/kmip/secret"
)

// breakable is a token that can be away, hang, or be refused its PIN.
type breakable struct {
	*soft.Token
	broken  atomic.Pointer[error]
	hang    atomic.Bool
	retried atomic.Int32
	calls   atomic.Int64
}

func (b *breakable) fail(err error) { b.broken.Store(&err) }
func (b *breakable) mend()          { b.broken.Store(nil) }

func (b *breakable) ready(ctx context.Context) error {
	b.calls.Add(1)
	if b.hang.Load() {
		<-ctx.Done()
		return hsm.ContextErr(ctx)
	}
	if err := b.broken.Load(); err != nil {
		return *err
	}
	return nil
}

func (b *breakable) Retry(context.Context) error { b.retried.Add(1); b.mend(); return nil }

func (b *breakable) Check(ctx context.Context) error {
	if err := b.ready(ctx); err != nil {
		return err
	}
	return b.Token.Check(ctx)
}

func (b *breakable) Encrypt(ctx context.Context, id string, p *secret.Bytes, aad []byte) ([]byte, error) {
	if err := b.ready(ctx); err != nil {
		return nil, err
	}
	return b.Token.Encrypt(ctx, id, p, aad)
}

func (b *breakable) Decrypt(ctx context.Context, id string, c, aad []byte) (*secret.Bytes, error) {
	if err := b.ready(ctx); err != nil {
		return nil, err
	}
	return b.Token.Decrypt(ctx, id, c, aad)
}

func (b *breakable) EncryptWrapped(ctx context.Context, k hsm.WrappedKey, p *secret.Bytes, aad []byte) ([]byte, error) {
	if err := b.ready(ctx); err != nil {
		return nil, err
	}
	return b.Token.EncryptWrapped(ctx, k, p, aad)
}

func (b *breakable) DecryptWrapped(ctx context.Context, k hsm.WrappedKey, c, aad []byte) (*secret.Bytes, error) {
	if err := b.ready(ctx); err != nil {
		return nil, err
	}
	return b.Token.DecryptWrapped(ctx, k, c, aad)
}

func newBreakable(t testing.TB) *breakable { return &breakable{Token: newToken(t)} }

// ringOf makes a ring over tokens, prepared, with the installation's own key.
func ringOf(t testing.TB, keys seal.Keys, opts seal.Options, tokens ...hsm.Token) *seal.Ring {
	t.Helper()
	var members []seal.Member
	for _, token := range tokens {
		members = append(members, seal.Opened(token))
	}
	if opts.Patience == 0 {
		opts.Patience = 50 * time.Millisecond
	}
	r := seal.New(members, keys, opts)
	t.Cleanup(r.Close)
	ctx := context.Background()
	if err := r.Prepare(ctx); err != nil {
		t.Fatalf("Prepare: %v", err)
	}
	if err := r.EnsureDomain(ctx, seal.System, ""); err != nil {
		t.Fatalf("EnsureDomain: %v", err)
	}
	return r
}

func serial(t testing.TB, token hsm.Token) string {
	t.Helper()
	info, err := token.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return info.Serial
}

func nothing(int, int) {}

var errAway = fmt.Errorf("pulled out: %w", hsm.ErrUnavailable)

func TestAnyTokenServesWithinOneRequest(t *testing.T) {
	for _, mode := range []seal.Mode{seal.ModeEnvelope, seal.ModeDirect} {
		for _, how := range []string{"fails", "hangs", "has refused its PIN"} {
			t.Run(string(mode)+" "+how, func(t *testing.T) {
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
				switch how {
				case "fails":
					a.fail(errAway)
				case "hangs":
					a.hang.Store(true)
				default:
					a.fail(hsm.ErrPIN)
				}
				begun := time.Now()
				for range 3 {
					plain, err := fresh.Open(ctx, "d", g, binding, sealed)
					if err != nil || string(plain.Reveal()) != "kept" {
						t.Fatalf("Open with one token gone: %v", err)
					}
				}
				if d := time.Since(begun); d > 3*time.Second {
					t.Errorf("it took %v", d)
				}
				if fresh.Check() != nil {
					t.Error("Check although a token is well")
				}
				calls := a.calls.Load()
				if _, err := fresh.Open(ctx, "d", g, binding, sealed); err != nil || a.calls.Load() != calls {
					t.Errorf("the ill token was asked %d times more (%v)", a.calls.Load()-calls, err)
				}
				// Back again: Tend finds it well, and it is the preferred one.
				a.hang.Store(false)
				a.mend()
				fresh.Tend(ctx)
				if s := fresh.Tokens()[0]; s.Err != nil || s.Since.IsZero() {
					t.Errorf("after it came back: %+v", s)
				}
			})
		}
	}
}

func TestAllTokensGone(t *testing.T) {
	a, keys, ctx := newBreakable(t), &sealtest.Keys{}, t.Context()
	r := ringOf(t, keys, seal.Options{}, a)
	for domain, mode := range map[string]seal.Mode{"e": seal.ModeEnvelope, "d": seal.ModeDirect} {
		if err := r.EnsureDomain(ctx, domain, mode); err != nil {
			t.Fatal(err)
		}
	}
	ge, inEnvelope, _ := r.Seal(ctx, "e", binding, text("e"))
	gd, inToken, _ := r.Seal(ctx, "d", binding, text("d"))
	a.fail(errAway)
	r.Tend(ctx)
	if _, err := r.Open(ctx, "e", ge, binding, inEnvelope); err != nil {
		t.Errorf("what is in the process does not open: %v", err)
	}
	if _, err := r.Open(ctx, "d", gd, binding, inToken); !errors.Is(err, hsm.ErrUnavailable) {
		t.Errorf("what is in the token = %v, want ErrUnavailable", err)
	}
	if r.Check() == nil || r.Serves() == nil {
		t.Error("Check and Serves although a domain of mode direct is in use and no token answers")
	}
	a.mend()
	if _, err := r.Open(ctx, "d", gd, binding, inToken); err != nil {
		t.Errorf("back again: %v", err) // an ill token is asked when there is no other
	}
}

func TestServesWithoutTokensWhileEverythingIsInTheProcess(t *testing.T) {
	a, ctx := newBreakable(t), t.Context()
	r := ringOf(t, &sealtest.Keys{}, seal.Options{}, a)
	a.fail(errAway)
	r.Tend(ctx)
	if r.Check() == nil {
		t.Error("Check finds no fault")
	}
	if err := r.Serves(); err != nil {
		t.Errorf("Serves: %v", err)
	}
}

func TestModesShareTheFormOfMaterial(t *testing.T) {
	token, keys, ctx := newToken(t), &sealtest.Keys{}, t.Context()
	r := ringOf(t, keys, seal.Options{Mode: seal.ModeDirect}, token)
	if err := r.EnsureDomain(ctx, "d", ""); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, 32, hsm.MaxPlaintextBytes, hsm.MaxPlaintextBytes + 1, 100_000} {
		plain := secret.New(make([]byte, n))
		g, sealed, err := r.Seal(ctx, "d", binding, plain)
		if err != nil {
			t.Fatalf("Seal(%d bytes): %v", n, err)
		}
		opened, err := r.Open(ctx, "d", g, binding, sealed)
		if err != nil || !opened.Equal(plain) {
			t.Errorf("Open(%d bytes): %v", n, err)
		}
		other := binding
		other.UID = "elsewhere"
		if _, err := r.Open(ctx, "d", g, other, sealed); !errors.Is(err, hsm.ErrIntegrity) {
			t.Errorf("Open elsewhere = %v, want ErrIntegrity", err)
		}
		for _, i := range []int{0, 1, len(sealed) / 2, len(sealed) - 1} {
			changed := append([]byte(nil), sealed...)
			changed[i] ^= 1
			if _, err := r.Open(ctx, "d", g, binding, changed); !errors.Is(err, hsm.ErrIntegrity) {
				t.Errorf("Open with byte %d of %d changed = %v, want ErrIntegrity", i, len(sealed), err)
			}
		}
	}
}

func TestACopyOfAnotherDomainIsRefusedInModeDirect(t *testing.T) {
	token, keys, ctx := newToken(t), &sealtest.Keys{}, t.Context()
	r := ringOf(t, keys, seal.Options{Mode: seal.ModeDirect}, token)
	for _, d := range []string{"a", "b"} {
		if err := r.EnsureDomain(ctx, d, ""); err != nil {
			t.Fatal(err)
		}
	}
	rows, _ := keys.DomainKeys(ctx, "b")
	for name, change := range map[string]func(*seal.DomainKey){
		"whole copy":   func(k *seal.DomainKey) { k.Wrapped = rows[0].Wrapped },
		"parts beyond": func(k *seal.DomainKey) { k.Wrapped = append(k.Wrapped[:0:0], append(k.Wrapped, 0)...) },
		"cut":          func(k *seal.DomainKey) { k.Wrapped = k.Wrapped[:len(k.Wrapped)-1] },
		// The wrapped key for material is bound to nothing: the witness finds it.
		"only the wrapped key": func(k *seal.DomainKey) { k.Wrapped = exchangePart(k.Wrapped, rows[0].Wrapped, 2) },
		"key and witness": func(k *seal.DomainKey) {
			k.Wrapped = exchangePart(exchangePart(k.Wrapped, rows[0].Wrapped, 2), rows[0].Wrapped, 3)
		},
	} {
		t.Run(name, func(t *testing.T) {
			own := &sealtest.Keys{}
			all, _ := keys.DomainKeys(ctx, "")
			for _, k := range all {
				if k.Domain == "a" {
					change(&k)
				}
				_ = own.AddCopy(ctx, k)
			}
			other := seal.New([]seal.Member{seal.Opened(token)}, own, seal.Options{})
			defer other.Close()
			if _, _, err := other.Seal(ctx, "a", binding, text("x")); !errors.Is(err, hsm.ErrIntegrity) {
				t.Errorf("Seal = %v, want ErrIntegrity", err)
			}
			if _, _, err := other.Seal(ctx, "b", binding, text("x")); err != nil {
				t.Errorf("the other domain: %v", err)
			}
		})
	}
}

// exchangePart puts a part of another copy of mode direct into one.
func exchangePart(into, from []byte, n int) []byte {
	parts := func(b []byte) (list [][]byte) {
		for b = b[1:]; len(b) > 0; {
			size := 2 + int(b[0])<<8 + int(b[1])
			list, b = append(list, b[:size]), b[size:]
		}
		return list
	}
	own := parts(into)
	own[n] = parts(from)[n]
	out := []byte{into[0]}
	for _, p := range own {
		out = append(out, p...)
	}
	return out
}

func TestEnrolmentMovesEveryKey(t *testing.T) {
	a, b, keys, ctx := newToken(t), newToken(t), &sealtest.Keys{}, t.Context()
	r := ringOf(t, keys, seal.Options{}, a)
	var sealed [][]byte
	domains := []string{"one", "two", "three"}
	for i, d := range domains {
		mode := seal.ModeEnvelope
		if i == 1 {
			mode = seal.ModeDirect
		}
		if err := r.EnsureDomain(ctx, d, mode); err != nil {
			t.Fatal(err)
		}
		_, blob, err := r.Seal(ctx, d, binding, text(d))
		if err != nil {
			t.Fatal(err)
		}
		sealed = append(sealed, blob)
	}
	if err := r.EnsureGeneration(ctx, "one", 2, ""); err != nil {
		t.Fatal(err)
	}
	both := ringOf(t, keys, seal.Options{}, a, b)
	var last, total int
	if err := both.Enroll(ctx, serial(t, b), func(done, of int) { last, total = done, of }); err != nil {
		t.Fatalf("Enroll: %v", err)
	}
	if last != 5 || total != 5 { // three domains, a second generation, the installation's own
		t.Errorf("progress ended at %d of %d", last, total)
	}
	if n, err := both.Verify(ctx, serial(t, b), nothing); err != nil || n != 5 {
		t.Errorf("Verify = %d, %v", n, err)
	}
	if err := both.Enroll(ctx, serial(t, b), nothing); err != nil {
		t.Errorf("Enroll again: %v", err)
	}
	alone := seal.New([]seal.Member{seal.Opened(b)}, keys, seal.Options{})
	defer alone.Close()
	for i, d := range domains {
		plain, err := alone.Open(ctx, d, 1, binding, sealed[i])
		if err != nil || string(plain.Reveal()) != d {
			t.Errorf("Open of %s by the new token alone: %v", d, err)
		}
	}
	// What is made while one token is away is completed when it is back.
	keys.Retire()
	away := seal.New([]seal.Member{seal.Opened(a)}, keys, seal.Options{})
	defer away.Close()
	if err := away.EnsureDomain(ctx, "later", ""); err != nil {
		t.Fatal(err)
	}
	if err := both.Complete(ctx); err != nil {
		t.Fatalf("Complete: %v", err)
	}
	if rows, _ := keys.DomainKeys(ctx, "later"); len(rows) != 2 {
		t.Errorf("%d copies of what was made meanwhile, want 2", len(rows))
	}
}

func TestARetiredTokenIsNotUsed(t *testing.T) {
	a, b, keys, ctx := newBreakable(t), newBreakable(t), &sealtest.Keys{}, t.Context()
	r := ringOf(t, keys, seal.Options{}, a, b)
	keys.Retire(serial(t, a))
	if err := r.Refresh(ctx); err != nil {
		t.Fatal(err)
	}
	calls := a.calls.Load()
	if err := r.EnsureDomain(ctx, "d", seal.ModeDirect); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Seal(ctx, "d", binding, text("x")); err != nil {
		t.Fatal(err)
	}
	if n := a.calls.Load() - calls; n != 0 {
		t.Errorf("the retired token was asked %d times", n)
	}
	if rows, _ := keys.DomainKeys(ctx, "d"); len(rows) != 1 || rows[0].Token != serial(t, b) {
		t.Errorf("copies: %+v", rows)
	}
}

// interrupted fails after some copies have been replaced.
type interrupted struct {
	*sealtest.Keys
	left atomic.Int32
}

func (i *interrupted) ReplaceCopy(ctx context.Context, k seal.DomainKey, from string) error {
	if i.left.Add(-1) < 0 {
		return errors.New("interrupted")
	}
	return i.Keys.ReplaceCopy(ctx, k, from)
}

func TestRotationOfRootKeysGoesOnWhereItWasInterrupted(t *testing.T) {
	token, ctx := newToken(t), t.Context()
	keys := &interrupted{Keys: &sealtest.Keys{}}
	r := ringOf(t, keys, seal.Options{}, token)
	for i := range 6 {
		mode := seal.ModeEnvelope
		if i%2 == 1 {
			mode = seal.ModeDirect
		}
		if err := r.EnsureDomain(ctx, fmt.Sprint("d", i), mode); err != nil {
			t.Fatal(err)
		}
	}
	_, sealed, err := r.Seal(ctx, "d1", binding, text("kept"))
	if err != nil {
		t.Fatal(err)
	}
	before, _ := token.Keys(ctx, hsm.AnyPurpose)
	to, err := r.NewRoot(ctx, serial(t, token))
	if err != nil {
		t.Fatal(err)
	}
	keys.left.Store(3)
	if err := r.RotateRoot(ctx, serial(t, token), to, nothing); err == nil {
		t.Fatal("the interruption did not show")
	}
	for _, k := range before { // some copies are still under them
		if err := r.RemoveRoot(ctx, serial(t, token), k.ID); k.Purpose == hsm.PurposeSeal && !errors.Is(err, seal.ErrInUse) {
			t.Errorf("RemoveRoot of a key in use = %v", err)
		}
	}
	keys.left.Store(1000)
	if err := r.RotateRoot(ctx, serial(t, token), to, nothing); err != nil {
		t.Fatalf("RotateRoot again: %v", err)
	}
	rows, _ := keys.DomainKeys(ctx, "")
	for _, k := range rows {
		if k.RootKey != to {
			t.Errorf("domain %s is under %s, want %s", k.Domain, k.RootKey, to)
		}
	}
	if err := r.EnsureDomain(ctx, "after", ""); err != nil {
		t.Fatal(err)
	}
	if rows, _ := keys.DomainKeys(ctx, "after"); rows[0].RootKey != to {
		t.Errorf("a new domain is under %s", rows[0].RootKey)
	}
	for _, k := range before {
		if err := r.RemoveRoot(ctx, serial(t, token), k.ID); err != nil {
			t.Errorf("RemoveRoot of an old key: %v", err)
		}
	}
	other := seal.New([]seal.Member{seal.Opened(token)}, keys, seal.Options{})
	defer other.Close()
	if _, err := other.Open(ctx, "d1", 1, binding, sealed); err != nil {
		t.Errorf("Open after the old root keys are gone: %v", err)
	}
	// A ring that has the old copies in memory finds the new ones.
	if _, err := r.Open(ctx, "d1", 1, binding, sealed); err != nil {
		t.Errorf("Open by the ring that knew the old copies: %v", err)
	}
}

func TestNodesWithDifferentTokensNeverMakeTwoKeysOfOneGeneration(t *testing.T) {
	a, b, keys, ctx := newBreakable(t), newBreakable(t), &sealtest.Keys{}, t.Context()
	ringOf(t, keys, seal.Options{}, a, b)
	only := func(token hsm.Token) *seal.Ring {
		r := seal.New([]seal.Member{seal.Opened(token)}, keys, seal.Options{})
		t.Cleanup(r.Close)
		return r
	}
	left, right, all := only(a), only(b), ringOf(t, keys, seal.Options{}, a, b)
	for i := range 20 {
		domain := fmt.Sprint("d", i)
		var wg sync.WaitGroup
		for _, r := range []*seal.Ring{left, right} {
			wg.Go(func() { _ = r.EnsureDomain(ctx, domain, "") }) // the one that lost has no copy yet
		}
		wg.Wait()
		if err := all.Complete(ctx); err != nil {
			t.Fatal(err)
		}
		_, sealed, err := left.Seal(ctx, domain, binding, text("x"))
		if err != nil {
			t.Fatalf("Seal: %v", err)
		}
		if _, err := right.Open(ctx, domain, 1, binding, sealed); err != nil {
			t.Fatalf("domain %d: the nodes have different keys: %v", i, err)
		}
	}
}

func TestAPINRefusedAtOpeningIsNotTriedAgain(t *testing.T) {
	token, keys, ctx := newToken(t), &sealtest.Keys{}, t.Context()
	ringOf(t, keys, seal.Options{}, token)
	var attempts atomic.Int32
	wrong := true
	r := seal.New([]seal.Member{{Name: "locked", Open: func(context.Context) (hsm.Token, error) {
		attempts.Add(1)
		if wrong {
			return nil, hsm.ErrPIN
		}
		return token, nil
	}}}, keys, seal.Options{})
	defer r.Close()
	for range 5 {
		r.Tend(ctx)
	}
	if n := attempts.Load(); n != 1 {
		t.Errorf("%d attempts, want one", n)
	}
	if s := r.Tokens()[0]; !s.Stopped || s.Open || s.Label != "locked" {
		t.Errorf("status %+v", s)
	}
	if _, err := r.Open(ctx, seal.System, 1, binding, make([]byte, 64)); !errors.Is(err, hsm.ErrPIN) {
		t.Errorf("Open = %v, want ErrPIN", err)
	}
	wrong = false
	r.Retry(ctx)
	if err := r.Check(); err != nil || attempts.Load() != 2 {
		t.Errorf("after Retry: %v with %d attempts", err, attempts.Load())
	}
}

func TestLoginsWithoutAnAnswerAreNotRepeatedForEver(t *testing.T) {
	token, keys, ctx := newToken(t), &sealtest.Keys{}, t.Context()
	ringOf(t, keys, seal.Options{}, token)
	clock, attempts := time.Now(), 0
	failure := fmt.Errorf("the module aborts: %w: %w", hsm.ErrLogin, hsm.ErrUnavailable)
	r := seal.New([]seal.Member{{Name: "aborting", Open: func(context.Context) (hsm.Token, error) {
		attempts++
		if failure != nil {
			return nil, failure
		}
		return token, nil
	}}}, keys, seal.Options{Now: func() time.Time { clock = clock.Add(time.Minute); return clock }})
	defer r.Close()
	tend := func() {
		for range 6 {
			r.Tend(ctx)
		}
	}
	tend()
	if attempts != hsm.MaxLogins {
		t.Errorf("%d attempts, want %d", attempts, hsm.MaxLogins)
	}
	if s := r.Tokens()[0]; !s.Stopped || s.Err == nil || !strings.Contains(s.Err.Error(), "claviger root retry") {
		t.Errorf("status %+v, want it stopped with the way out", s)
	}
	r.Retry(ctx)
	tend()
	if attempts != hsm.MaxLogins+1 {
		t.Errorf("%d attempts after an operator's word, want one more", attempts)
	}
	failure = fmt.Errorf("it is away: %w", hsm.ErrUnavailable) // before any login
	r.Retry(ctx)
	tend()
	if attempts < hsm.MaxLogins+4 {
		t.Errorf("%d attempts, want no end to those that do not log in", attempts)
	}
	failure = nil
	tend()
	if err := r.Check(); err != nil {
		t.Errorf("Check of a token that is back: %v", err)
	}
}

func TestRandomNumbers(t *testing.T) {
	a, ctx := newBreakable(t), t.Context()
	r := ringOf(t, &sealtest.Keys{}, seal.Options{}, a)
	random := r.Random()
	seen := map[[16]byte]bool{}
	for range 500 {
		var b [16]byte
		if _, err := io.ReadFull(random, b[:]); err != nil {
			t.Fatal(err)
		}
		if seen[b] {
			t.Fatal("a value came twice")
		}
		seen[b] = true
	}
	same := seal.New([]seal.Member{seal.Opened(stuck{a})}, &sealtest.Keys{}, seal.Options{})
	defer same.Close()
	if _, err := io.ReadFull(same.Random(), make([]byte, 5000)); !errors.Is(err, hsm.ErrUnavailable) {
		t.Errorf("a generator that repeats itself = %v, want ErrUnavailable", err)
	}
	gone := seal.New(nil, &sealtest.Keys{}, seal.Options{Random: rand.Reader})
	defer gone.Close()
	if _, err := gone.Random().Read(make([]byte, 1)); !errors.Is(err, hsm.ErrUnavailable) {
		t.Errorf("no token = %v, want ErrUnavailable and not the system's numbers alone", err)
	}
	_ = ctx
}

// stuck is a token whose generator always gives the same.
type stuck struct{ hsm.Token }

func (stuck) Random(_ context.Context, n int) ([]byte, error) {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b, nil
}

func TestTwoInstallationsInOneTokenShareNoRootKey(t *testing.T) {
	token, ctx := newToken(t), t.Context()
	first, second := &sealtest.Keys{}, &sealtest.Keys{}
	a, b := ringOf(t, first, seal.Options{}, token), ringOf(t, second, seal.Options{}, token)
	under := func(k seal.Keys) string {
		rows, err := k.DomainKeys(ctx, seal.System)
		if err != nil || len(rows) != 1 {
			t.Fatalf("%d copies, %v", len(rows), err)
		}
		return rows[0].RootKey
	}
	if under(first) == under(second) {
		t.Fatal("they share a root key")
	}
	for _, id := range strings.Split(under(first), ":") {
		if err := b.RemoveRoot(ctx, serial(t, token), id); !errors.Is(err, seal.ErrForeign) {
			t.Errorf("one removes a root key of the other: %v", err)
		}
	}
	if _, _, err := a.Seal(ctx, seal.System, binding, text("x")); err != nil {
		t.Error(err)
	}
	// Unless the operator says so.
	third := &sealtest.Keys{}
	c := ringOf(t, third, seal.Options{Adopt: true}, token)
	adopted := under(third)
	roots, err := c.Roots(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range roots[0].Keys {
		if k.Ours {
			t.Errorf("root key %s counts as made by who adopted it", k.ID)
		}
	}
	to, err := c.NewRoot(ctx, serial(t, token))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.RotateRoot(ctx, serial(t, token), to, nothing); err != nil {
		t.Fatal(err)
	}
	for _, id := range strings.Split(adopted, ":") {
		if err := c.RemoveRoot(ctx, serial(t, token), id); !errors.Is(err, seal.ErrForeign) {
			t.Errorf("an adopted root key was removed: %v", err)
		}
	}
}

func TestATokenThatTookItsTimeToFailIsNotAskedAgain(t *testing.T) {
	a, ctx := newBreakable(t), t.Context()
	r := ringOf(t, &sealtest.Keys{}, seal.Options{}, a)
	if err := r.EnsureDomain(ctx, "d", seal.ModeDirect); err != nil {
		t.Fatal(err)
	}
	g, sealed, err := r.Seal(ctx, "d", binding, text("x"))
	if err != nil {
		t.Fatal(err)
	}
	a.fail(fmt.Errorf("no answer in time: %w: %w", context.DeadlineExceeded, hsm.ErrUnavailable))
	calls := a.calls.Load()
	if _, err := r.Open(ctx, "d", g, binding, sealed); !errors.Is(err, hsm.ErrUnavailable) {
		t.Errorf("Open = %v, want ErrUnavailable", err)
	}
	if n := a.calls.Load() - calls; n != 1 {
		t.Errorf("%d calls of a token that takes its time to fail, want 1", n)
	}
}

func TestOnlyTheNamedTokenIsTriedAgain(t *testing.T) {
	attempts := map[string]int{}
	var mu sync.Mutex
	locked := func(name string) seal.Member {
		return seal.Member{Name: name, Open: func(context.Context) (hsm.Token, error) {
			mu.Lock()
			defer mu.Unlock()
			attempts[name]++
			return nil, hsm.ErrPIN
		}}
	}
	r := seal.New([]seal.Member{locked("one"), locked("two")}, &sealtest.Keys{}, seal.Options{})
	defer r.Close()
	r.Tend(t.Context())
	r.Retry(t.Context(), "one")
	if attempts["one"] != 2 || attempts["two"] != 1 {
		t.Errorf("attempts: %v, want a second one of the named token only", attempts)
	}
	r.Retry(t.Context())
	if attempts["one"] != 3 || attempts["two"] != 2 {
		t.Errorf("attempts: %v, want one more of each", attempts)
	}
}
