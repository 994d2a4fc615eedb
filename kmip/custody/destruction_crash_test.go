package custody_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/testenv/service"
)

// cutting is before a store. It loses the answer of a commit, after it or instead of
// it, as the end of a process does.
type cutting struct {
	store.Store
	before, after bool
}

func (c *cutting) Commit(ctx context.Context, change store.Change) error {
	if c.before {
		return store.ErrUnavailable
	}
	err := c.Store.Commit(ctx, change)
	if c.after && err == nil {
		return store.ErrOutcomeUnknown
	}
	return err
}

func TestAnEndOfTheProcessAtAnyStepLosesNothingAndDoesNothingTwice(t *testing.T) {
	for when, cut := range map[string]func(*cutting){
		"before the commit": func(c *cutting) { c.before = true },
		"after the commit":  func(c *cutting) { c.after = true },
	} {
		t.Run(when, func(t *testing.T) {
			ctx := context.Background()
			c := &cutting{}
			dying := service.With(t, service.Options{Hardware: true, Store: func(st store.Store) store.Store { c.Store = st; return c }})
			s := dying.Another(t) // the one that goes on
			rule(t, s, "", custody.DestructionRule{Days: 2})
			uid, err := s.Create(ctx, s.Client("default"), kmip.ObjectTypeSymmetricKey, aes256(inHardware, name("k")))
			if err != nil {
				t.Fatal(err)
			}
			cut(c)
			_ = dying.Destroy(ctx, dying.Client("default"), uid) // fails for its caller, whatever became of it
			cutAway(c)
			there := len(pending(t, s))
			if there == 0 { // nothing happened: the object is as it was
				if got := stateOf(t, s, uid); got != kmip.StatePreActive || len(attributesOf(t, s, uid).Names()) != 1 {
					t.Fatalf("nothing is pending, and the object is %s", got)
				}
				if err := s.Destroy(ctx, s.Client("default"), uid); err != nil {
					t.Fatal(err)
				}
			}
			cut(c)
			_ = dying.RestoreKey(ctx, dying.Administrator("default"), uid, false)
			cutAway(c)
			if len(pending(t, s)) == 0 { // it was restored
				if err := s.Activate(ctx, s.Client("default"), uid); err != nil {
					t.Fatal(err)
				}
				if err := s.Revoke(ctx, s.Client("default"), uid, kmip.RevocationReason{Code: kmip.RevocationReasonCodeSuperseded}, time.Time{}); err != nil {
					t.Fatal(err)
				}
				if err := s.Destroy(ctx, s.Client("default"), uid); err != nil {
					t.Fatal(err)
				}
			}
			s.Clock.Advance(2 * day)
			cut(c)
			_ = dying.CompleteDestructions(ctx)
			cutAway(c)
			complete(t, s)
			if n := len(entriesOf(t, s, custody.ActionDestructionComplete, uid)); n != 1 {
				t.Errorf("%d audit entries of the end, want 1", n)
			}
			if _, err := s.Store.Record(ctx, "default", "destruction", uid); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("the record: %v", err)
			}
			tend(t, s)
			within(t, "the key leaves the token", func() bool { return inToken(t, s) == 0 && len(removals(t, s)) == 0 })
		})
	}
}

func cutAway(c *cutting) { c.before, c.after = false, false }
