package seal_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/hsm/seal"
	"github.com/claviger/claviger/hsm/seal/sealtest"
)

// remembering is a token that checks the root keys that this node has used.
type remembering struct {
	*breakable
	used []string
}

func (r *remembering) Check(ctx context.Context) error {
	var gone []string
	for _, id := range r.used {
		if _, err := r.Find(ctx, id); err != nil {
			gone = append(gone, id)
		}
	}
	if len(gone) > 0 {
		return fmt.Errorf("check: root key %q: %w", gone, hsm.ErrNotFound)
	}
	return r.breakable.Check(ctx)
}

// rootsOf are the identifiers of the root keys of a token.
func rootsOf(t *testing.T, token hsm.Token) []string {
	t.Helper()
	keys, err := token.Keys(t.Context(), hsm.AnyPurpose)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, k := range keys {
		ids = append(ids, k.ID)
	}
	return ids
}

func TestARootKeyThatNothingNeedsMayGo(t *testing.T) {
	token, keys, ctx := newBreakable(t), &sealtest.Keys{}, t.Context()
	one := ringOf(t, keys, seal.Options{}, token)
	for domain, mode := range map[string]seal.Mode{"e": seal.ModeEnvelope, "d": seal.ModeDirect} {
		if err := one.EnsureDomain(ctx, domain, mode); err != nil {
			t.Fatal(err)
		}
	}
	other := &remembering{breakable: token, used: rootsOf(t, token)}
	two := ringOf(t, keys, seal.Options{}, other)
	g, sealed, err := two.Seal(ctx, "d", binding, text("kept"))
	if err != nil {
		t.Fatal(err)
	}

	to, err := one.NewRoot(ctx, serial(t, token))
	if err != nil {
		t.Fatal(err)
	}
	if err := one.RotateRoot(ctx, serial(t, token), to, nothing); err != nil {
		t.Fatal(err)
	}
	for _, id := range other.used {
		if err := one.RemoveRoot(ctx, serial(t, token), id); err != nil {
			t.Fatal(err)
		}
	}
	// The other node has the old copies in memory and finds the new ones.
	if _, err := two.Open(ctx, "d", g, binding, sealed); err != nil {
		t.Errorf("Open: %v", err)
	}
	if err := two.Check(); err != nil {
		t.Errorf("the token counts as ill when a copy in memory is under a root key that is gone: %v", err)
	}
	for range 3 {
		two.Tend(ctx)
		if err := two.Check(); err != nil {
			t.Errorf("the token counts as ill when a root key that no copy is under is gone: %v", err)
		}
	}

	// One that copies are under is missed.
	needed, _, _ := strings.Cut(to, ":")
	if err := token.Destroy(ctx, needed); err != nil {
		t.Fatal(err)
	}
	other.used = append(other.used, needed)
	for range 3 {
		two.Tend(ctx)
		if err := two.Check(); !errors.Is(err, hsm.ErrNotFound) || !strings.Contains(err.Error(), "restore it from its backup") {
			t.Errorf("Check when a root key that is needed is gone = %v, want ErrNotFound", err)
		}
	}
}
