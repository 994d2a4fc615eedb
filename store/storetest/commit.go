package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/audit"
)

var commitCases = []testCase{
	{"with one bad part leaves nothing", func(t *testing.T, s store.Store) {
		insert(t, s, object("d", "old"), object("d", "other"))
		commit(t, s, store.Change{Take: name("taken", "other")})
		stale := object("d", "old")
		for what, c := range map[string]struct {
			bad  store.Change
			want error
		}{
			"insert":  {store.Change{Insert: []store.Object{object("d", "new"), stale}}, store.ErrExists},
			"update":  {store.Change{Insert: []store.Object{object("d", "new")}, Update: []store.Object{stale}}, store.ErrConflict},
			"delete":  {store.Change{Insert: []store.Object{object("d", "new")}, Delete: []store.Ref{{Domain: "d", UID: "old", Revision: 9}}}, store.ErrConflict},
			"name":    {store.Change{Insert: []store.Object{object("d", "new")}, Take: name("taken", "new")}, store.ErrNameTaken},
			"counter": {store.Change{Insert: []store.Object{object("d", "new")}, Counters: []store.CounterChange{{Domain: "d", UID: "new", SetUsage: usage(1), Take: 2}}}, store.ErrExhausted},
			"client":  {store.Change{Insert: []store.Object{object("d", "new")}, UpdateClients: []store.Client{aClient}}, store.ErrNotFound},
		} {
			change := c.bad
			change.PutSettings = []store.Setting{{Name: "s", Value: []byte("v")}}
			change.Audit = []audit.Entry{entry("d", "new")}
			expectError(t, s.Commit(t.Context(), change), c.want)
			_, err := s.Object(t.Context(), "d", "new")
			expectError(t, err, store.ErrNotFound)
			_, err = s.Setting(t.Context(), "s")
			expectError(t, err, store.ErrNotFound)
			if list, err := s.Audit(t.Context(), store.AuditQuery{Limit: 10}); err != nil || len(list) != 0 {
				t.Errorf("%s: audit has %v, %v", what, list, err)
			}
		}
	}},
	{"of nothing succeeds", func(t *testing.T, s store.Store) {
		commit(t, s, store.Change{})
	}},
	{"is seen by reads after it", func(t *testing.T, s store.Store) {
		var wait sync.WaitGroup
		for g := range 8 {
			wait.Go(func() {
				for i := range 10 {
					o := object("d", fmt.Sprintf("%d-%d", g, i))
					commit(t, s, store.Change{Insert: []store.Object{o}})
					expectObject(t, s, o)
				}
			})
		}
		wait.Wait()
	}},
	{"concurrent with one in conflict fails only that one", func(t *testing.T, s store.Store) {
		insert(t, s, object("d", "0"))
		for round := range 5 {
			var wait sync.WaitGroup
			for i := range 40 {
				wait.Go(func() {
					o := object("d", fmt.Sprintf("%d-%d", round, i))
					if i == 20 {
						o.UID = "0"
					}
					err := s.Commit(context.Background(), store.Change{
						Insert: []store.Object{o}, Take: name(fmt.Sprintf("%d-%d", round, i), o.UID),
					})
					if i == 20 {
						expectError(t, err, store.ErrExists)
					} else if err != nil {
						t.Errorf("Commit %d: %v", i, err)
					}
				})
			}
			wait.Wait()
		}
		if n, err := s.Count(t.Context(), "d"); err != nil || n[1] != 5*39+1 {
			t.Errorf("Count: %v, %v", n, err)
		}
	}},
	{"concurrent on one object lets one of each revision through", func(t *testing.T, s store.Store) {
		insert(t, s, object("d", "0"))
		var done atomic.Int64
		var wait sync.WaitGroup
		for range 8 {
			wait.Go(func() {
				for done.Load() < 50 {
					o, err := s.Object(context.Background(), "d", "0")
					if err != nil {
						t.Errorf("Object: %v", err)
						return
					}
					o.Revision++
					switch err := s.Commit(context.Background(), store.Change{Update: []store.Object{o}}); {
					case err == nil:
						done.Add(1)
					case !errors.Is(err, store.ErrConflict):
						t.Errorf("Commit: %v", err)
						return
					}
				}
			})
		}
		wait.Wait()
		o, err := s.Object(t.Context(), "d", "0")
		if err != nil || o.Revision != 1+done.Load() {
			t.Errorf("revision %d after %d updates, %v", o.Revision, done.Load(), err)
		}
	}},
	{"of one name by many gives it to one", func(t *testing.T, s store.Store) {
		var got atomic.Int64
		var wait sync.WaitGroup
		for i := range 20 {
			wait.Go(func() {
				o := object("d", fmt.Sprint(i))
				switch err := s.Commit(context.Background(), store.Change{Insert: []store.Object{o}, Take: name("n", o.UID)}); {
				case err == nil:
					got.Add(1)
				case !errors.Is(err, store.ErrNameTaken):
					t.Errorf("Commit: %v", err)
				}
			})
		}
		wait.Wait()
		if list, err := s.Find(t.Context(), "d", store.Query{Limit: 100}); err != nil || got.Load() != 1 || len(list) != 1 {
			t.Errorf("%d got the name, %d objects, %v", got.Load(), len(list), err)
		}
	}},
	{"with a context that has ended does nothing", func(t *testing.T, s store.Store) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		expectError(t, s.Commit(ctx, store.Change{Insert: []store.Object{object("d", "1")}}), context.Canceled)
		_, err := s.Object(ctx, "d", "1")
		expectError(t, err, context.Canceled)
		_, err = s.Find(ctx, "d", store.Query{Limit: 1})
		expectError(t, err, context.Canceled)
		expectFound(t, s, "d", store.Query{})
		ctx, cancel = context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
		defer cancel()
		expectError(t, s.Commit(ctx, store.Change{Insert: []store.Object{object("d", "1")}}), store.ErrUnavailable)
		_, err = s.Object(ctx, "d", "1")
		expectError(t, err, store.ErrUnavailable)
	}},
	{"cancelled meanwhile tells the truth", func(t *testing.T, s store.Store) {
		var wait sync.WaitGroup
		for i := range 60 {
			wait.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i)*100*time.Microsecond)
				defer cancel()
				uid := fmt.Sprint(i)
				err := s.Commit(ctx, store.Change{Insert: []store.Object{object("d", uid)}})
				_, rerr := s.Object(context.Background(), "d", uid)
				if (err == nil) != (rerr == nil) {
					t.Errorf("Commit: %v, but reading: %v", err, rerr)
				}
				if err != nil && !errors.Is(err, store.ErrUnavailable) {
					t.Errorf("Commit: %v", err)
				}
			})
		}
		wait.Wait()
	}},
}
