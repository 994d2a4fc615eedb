package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/claviger/claviger/store"
)

// TestWaitingReadsAreAnsweredTogether reads through one connection from many
// goroutines: everyone gets the object asked for, in memory of its own.
func TestWaitingReadsAreAnsweredTogether(t *testing.T) {
	t.Parallel()
	s := reopen(t, migrated(t)+"&pool_max_conns=1", store.Options{})
	defer s.Close()
	var list []store.Object
	for i := range 20 {
		domain := fmt.Sprint("d", i%2)
		list = append(list, store.Object{Domain: domain, UID: fmt.Sprint(i), Revision: 1, Material: []byte(domain)})
	}
	if err := s.Commit(t.Context(), store.Change{Insert: list}); err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for g := range 100 {
		wait.Go(func() {
			for i := range 20 {
				uid, domain := fmt.Sprint(i), fmt.Sprint("d", g%2)
				ctx := context.Background()
				if g == 99 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, time.Duration(i)*50*time.Microsecond)
					defer cancel()
				}
				o, err := s.Object(ctx, domain, uid)
				switch {
				case g == 99 && errors.Is(err, context.DeadlineExceeded):
				case i%2 != g%2:
					if !errors.Is(err, store.ErrNotFound) {
						t.Errorf("Object(%q, %q) of another domain: %v", domain, uid, err)
					}
				case err != nil || o.UID != uid || o.Domain != domain || string(o.Material) != domain:
					t.Errorf("Object(%q, %q): %+v, %v", domain, uid, o, err)
				default:
					clear(o.Material) // the caller's own
				}
			}
		})
	}
	wait.Wait()
}
