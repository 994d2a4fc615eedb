package seal_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/hsm/seal"
	"github.com/claviger/claviger/hsm/seal/sealtest"
	"github.com/claviger/claviger/hsm/soft"
	"github.com/claviger/claviger/kmip/secret"
)

func newToken(t testing.TB) *soft.Token {
	t.Helper()
	token, err := soft.Create(filepath.Join(t.TempDir(), "token"), soft.Options{})
	if err != nil {
		t.Fatalf("Create: %v", err)
	}
	t.Cleanup(func() { _ = token.Close() })
	return token
}

func newRing(t testing.TB, token hsm.Token, keys seal.Keys) *seal.Ring {
	t.Helper()
	r := seal.New([]seal.Member{seal.Opened(token)}, keys, seal.Options{})
	t.Cleanup(r.Close)
	if err := r.Prepare(context.Background()); err != nil {
		t.Fatalf("Prepare: %v", err)
	}
	return r
}

func ensured(t testing.TB, domains ...string) *seal.Ring {
	t.Helper()
	r := newRing(t, newToken(t), &sealtest.Keys{})
	for _, d := range domains {
		if err := r.EnsureDomain(context.Background(), d, ""); err != nil {
			t.Fatalf("EnsureDomain(%s): %v", d, err)
		}
	}
	return r
}

var binding = seal.Binding{UID: "0193-a", ObjectType: 2, Algorithm: 3, LengthBits: 256, MaterialVersion: 1}

func text(s string) *secret.Bytes { return secret.Copy([]byte(s)) }

func TestSealedMaterialOpens(t *testing.T) {
	r, ctx := ensured(t, "tenant"), t.Context()
	for _, n := range []int{0, 1, 32, 5000} {
		plain := secret.New(bytes.Repeat([]byte{7}, n))
		g, sealed, err := r.Seal(ctx, "tenant", binding, plain)
		if err != nil || g != 1 {
			t.Fatalf("Seal(%d bytes) = generation %d, %v", n, g, err)
		}
		if len(sealed) != n+seal.OverheadBytes {
			t.Errorf("Seal(%d bytes) made %d, want %d", n, len(sealed), n+seal.OverheadBytes)
		}
		opened, err := r.Open(ctx, "tenant", g, binding, sealed)
		if err != nil || !opened.Equal(plain) {
			t.Errorf("Open(Seal(%d bytes)): %v", n, err)
		}
	}
}

func TestPrepareAndEnsureAreSafeToRepeat(t *testing.T) {
	token, keys, ctx := newToken(t), &sealtest.Keys{}, t.Context()
	r := newRing(t, token, keys)
	for range 3 {
		if err := r.Prepare(ctx); err != nil {
			t.Fatalf("Prepare: %v", err)
		}
		if err := r.EnsureDomain(ctx, seal.System, ""); err != nil {
			t.Fatalf("EnsureDomain: %v", err)
		}
	}
	if roots, _ := token.Keys(ctx, hsm.AnyPurpose); len(roots) != 2 {
		t.Errorf("%d root keys, want one to seal and one to wrap", len(roots))
	}
	rows, _ := keys.DomainKeys(ctx, seal.System)
	if len(rows) != 1 || rows[0].Generation != 1 || rows[0].RootKey == "" || rows[0].Created.IsZero() {
		t.Errorf("domain keys = %+v, want generation 1 only", rows)
	}
	if err := r.Check(); err != nil {
		t.Errorf("Check: %v", err)
	}
}

func TestAnotherProcessOpens(t *testing.T) {
	token, keys, ctx := newToken(t), &sealtest.Keys{}, t.Context()
	a, b := newRing(t, token, keys), newRing(t, token, keys)
	if err := a.EnsureDomain(ctx, "d", ""); err != nil {
		t.Fatal(err)
	}
	g, sealed, err := a.Seal(ctx, "d", binding, text("moved"))
	if err != nil {
		t.Fatal(err)
	}
	opened, err := b.Open(ctx, "d", g, binding, sealed)
	if err != nil || string(opened.Reveal()) != "moved" {
		t.Errorf("Open by another ring: %v", err)
	}
	mac, _ := a.MAC(ctx, "d", 1, []byte("m"))
	if err := b.VerifyMAC(ctx, "d", 1, []byte("m"), mac); err != nil {
		t.Errorf("VerifyMAC by another ring: %v", err)
	}
}

func TestRacingNodesShareOneKey(t *testing.T) {
	token, keys, ctx := newToken(t), &sealtest.Keys{}, t.Context()
	first := newRing(t, token, keys)
	var wg sync.WaitGroup
	type sealedBlob struct {
		g    int32
		blob []byte
	}
	blobs := make([]sealedBlob, 16)
	for i := range blobs {
		r := seal.New([]seal.Member{seal.Opened(token)}, keys, seal.Options{})
		t.Cleanup(r.Close)
		r.Tend(ctx)
		wg.Go(func() {
			if err := r.EnsureDomain(ctx, "d", ""); err != nil {
				t.Errorf("EnsureDomain: %v", err)
				return
			}
			g, blob, err := r.Seal(ctx, "d", binding, text("x"))
			if err != nil {
				t.Errorf("Seal: %v", err)
			}
			blobs[i] = sealedBlob{g, blob}
		})
	}
	wg.Wait()
	for i, b := range blobs {
		if _, err := first.Open(ctx, "d", b.g, binding, b.blob); err != nil {
			t.Errorf("blob of node %d: %v", i, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	token, keys, ctx := newToken(t), &sealtest.Keys{}, t.Context()
	r := newRing(t, token, keys)
	if err := r.EnsureDomain(ctx, "d", ""); err != nil {
		t.Fatal(err)
	}
	elsewhere := newRing(t, newToken(t), keys)
	closed := newRing(t, token, keys)
	closed.Close()
	gone, cancel := context.WithCancel(ctx)
	cancel()
	fresh := newRing(t, token, keys)
	for _, tc := range []struct {
		name string
		call func() error
		want error
	}{
		{"seal in a domain without keys", func() error { _, _, err := r.Seal(ctx, "none", binding, text("x")); return err }, hsm.ErrNotFound},
		{"seal in a domain without name", func() error { _, _, err := r.Seal(ctx, "", binding, text("x")); return err }, hsm.ErrNotFound},
		{"open in a generation that is not", func() error { _, err := r.Open(ctx, "d", 2, binding, make([]byte, 64)); return err }, hsm.ErrNotFound},
		{"token that is not enrolled", func() error { return elsewhere.EnsureDomain(ctx, "d", "") }, seal.ErrNotEnrolled},
		{"seal by a token that is not enrolled", func() error { _, _, err := elsewhere.Seal(ctx, "d", binding, text("x")); return err }, seal.ErrNotEnrolled},
		{"empty blob", func() error { _, err := r.Open(ctx, "d", 1, binding, nil); return err }, hsm.ErrIntegrity},
		{"empty MAC", func() error { return r.VerifyMAC(ctx, "d", 1, []byte("m"), nil) }, hsm.ErrIntegrity},
		{"too much at once", func() error {
			_, _, err := r.Seal(ctx, "d", binding, secret.New(make([]byte, seal.MaxMaterialBytes+1)))
			return err
		}, hsm.ErrUnsupported},
		{"closed ring", func() error { _, _, err := closed.Seal(ctx, "d", binding, text("x")); return err }, hsm.ErrClosed},
		{"MAC by a closed ring", func() error { _, err := closed.MAC(ctx, "d", 1, nil); return err }, hsm.ErrClosed},
		{"check of a closed ring", func() error { return closed.Check() }, hsm.ErrClosed},
		{"cancelled before the key is open", func() error { _, err := fresh.MAC(gone, "d", 1, nil); return err }, context.Canceled},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := tc.call(); !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
		})
	}
}

func TestChangedDomainKeysAreRefused(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*seal.DomainKey)
	}{
		{"wrapped key", func(k *seal.DomainKey) { k.Wrapped[20] ^= 1 }},
		{"format version", func(k *seal.DomainKey) { k.Wrapped[0]++ }},
		{"nothing wrapped", func(k *seal.DomainKey) { k.Wrapped = nil }},
		{"key of another domain", func(k *seal.DomainKey) { k.Domain = map[string]string{"a": "b", "b": "a"}[k.Domain] }},
		{"key of another generation", func(k *seal.DomainKey) { k.Generation = 2 }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			token, keys, ctx := newToken(t), &sealtest.Keys{}, t.Context()
			r := newRing(t, token, keys)
			for _, d := range []string{"a", "b"} {
				if err := r.EnsureDomain(ctx, d, ""); err != nil {
					t.Fatal(err)
				}
			}
			keys.Change(tc.change)
			_, _, err := newRing(t, token, keys).Seal(ctx, "a", binding, text("x"))
			if !errors.Is(err, hsm.ErrIntegrity) {
				t.Errorf("Seal under a changed domain key = %v, want ErrIntegrity", err)
			}
		})
	}
}

func TestConcurrentUse(t *testing.T) {
	r, ctx := ensured(t, "a", "b"), t.Context()
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			d := []string{"a", "b"}[i%2]
			for range 50 {
				g, sealed, err := r.Seal(ctx, d, binding, text(d))
				if err != nil {
					t.Errorf("Seal: %v", err)
					return
				}
				if p, err := r.Open(ctx, d, g, binding, sealed); err != nil || string(p.Reveal()) != d {
					t.Errorf("Open: %v", err)
				}
				mac, err := r.MAC(ctx, d, g, sealed)
				if err != nil || r.VerifyMAC(ctx, d, g, sealed, mac) != nil {
					t.Errorf("MAC: %v", err)
				}
			}
		})
	}
	wg.Wait()
}
