package custody_test

import (
	"context"
	"testing"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/testenv/service"
)

func TestADestructionInABatchThatIsUndoneIsNotPending(t *testing.T) {
	onBothStores(t, func(t *testing.T, s *service.Service) {
		ctx := context.Background()
		rule(t, s, "", custody.DestructionRule{Days: 7})
		uid := create(t, s, s.Client("default"), name("k"))
		o, err := s.Get(ctx, s.Client("default"), uid, custody.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, keep := range []bool{false, true} {
			sc := s.Client("default")
			sc.Undoable()
			if err := s.Destroy(ctx, sc, uid); err != nil {
				t.Fatal(err)
			}
			// What is pending in the batch is not overwritten by it.
			wantKind(t, s.Import(ctx, sc, custody.ImportArgs{UID: uid, Type: o.Type, Value: o, Replace: true}), kmip.KindPermissionDenied)
			if keep {
				err = s.Finish(ctx, sc)
			} else {
				err = s.Undo(ctx, sc, nil)
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := len(pending(t, s)); (got == 1) != keep {
				t.Errorf("batch kept %v: %d pending", keep, got)
			}
			if !keep {
				valueOf(t, s, uid)
			}
		}
		if err := s.RestoreKey(ctx, s.Administrator("default"), uid, false); err != nil {
			t.Fatal(err)
		}
		valueOf(t, s, uid)
	})
}
