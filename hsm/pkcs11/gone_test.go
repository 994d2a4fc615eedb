//go:build cgo

package pkcs11

import (
	"errors"
	"strings"
	"testing"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/hsm/seal"
	"github.com/claviger/claviger/hsm/seal/sealtest"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/testenv"
	"github.com/claviger/claviger/testenv/pkcs11fault"
)

// node is a ring over a token, as one process has it.
func node(t *testing.T, token hsm.Token, keys seal.Keys) *seal.Ring {
	t.Helper()
	r := seal.New([]seal.Member{seal.Opened(token)}, keys, seal.Options{})
	t.Cleanup(r.Close)
	if err := r.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRootKeysThatAnotherNodeRemovedAfterARotation(t *testing.T) {
	for _, mode := range []seal.Mode{seal.ModeEnvelope, seal.ModeDirect} {
		t.Run(string(mode), func(t *testing.T) {
			s, keys, ctx := testenv.SoftHSM(t), &sealtest.Keys{}, t.Context()
			here, there := opened(t, config(s)), opened(t, config(s))
			one, two := node(t, here, keys), node(t, there, keys)
			for _, r := range []*seal.Ring{one, two} {
				for _, domain := range []string{seal.System, "d"} {
					if err := r.EnsureDomain(ctx, domain, mode); err != nil {
						t.Fatal(err)
					}
				}
			}
			b := seal.Binding{UID: "a"}
			g, sealed, err := two.Seal(ctx, "d", b, secret.Copy([]byte("kept")))
			if err != nil {
				t.Fatal(err)
			}
			old, err := here.Keys(ctx, hsm.AnyPurpose)
			if err != nil {
				t.Fatal(err)
			}
			to, err := one.NewRoot(ctx, s.Serial)
			if err != nil {
				t.Fatal(err)
			}
			if err := one.RotateRoot(ctx, s.Serial, to, func(int, int) {}); err != nil {
				t.Fatal(err)
			}
			for _, k := range old {
				if err := one.RemoveRoot(ctx, s.Serial, k.ID); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				two.Tend(ctx)
				if err := two.Check(); err != nil {
					t.Errorf("the other node: %v", err)
				}
				if _, err := two.Open(ctx, "d", g, b, sealed); err != nil {
					t.Errorf("Open by the other node: %v", err)
				}
			}
			if err := two.EnsureDomain(ctx, "later", mode); err != nil {
				t.Errorf("a new domain by the other node: %v", err)
			}
			needed, _, _ := strings.Cut(to, ":")
			if err := here.Destroy(ctx, needed); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				two.Tend(ctx)
				if err := two.Check(); !errors.Is(err, hsm.ErrNotFound) || !strings.Contains(err.Error(), needed) {
					t.Errorf("without the root key that copies are under: %v, want ErrNotFound that names it", err)
				}
			}
		})
	}
}

func TestCheckNamesAllKeysThatAreGone(t *testing.T) {
	s := testenv.SoftHSM(t)
	m := pkcs11fault.New(t, s)
	here, there := opened(t, faultConfig(m, s)), opened(t, faultConfig(m, s))
	var ids []string
	for range 2 {
		key, _, _ := sealedBy(t, here)
		ids = append(ids, key)
	}
	for _, gone := range ids {
		if err := there.Destroy(t.Context(), gone); err != nil {
			t.Fatal(err)
		}
		if err := here.Check(t.Context()); !errors.Is(err, hsm.ErrNotFound) || !strings.Contains(err.Error(), gone) {
			t.Errorf("Check = %v, want ErrNotFound that names %s", err, gone)
		}
	}
	if err := here.Check(t.Context()); !strings.Contains(err.Error(), ids[0]) || !strings.Contains(err.Error(), ids[1]) {
		t.Errorf("Check = %v, want both keys named", err)
	}
}
