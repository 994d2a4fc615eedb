package storetest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/claviger/claviger/store"
)

// change is a counter change of the object 1 of the domain d.
func change(c store.CounterChange) store.Change {
	c.Domain, c.UID = "d", "1"
	return store.Change{Counters: []store.CounterChange{c}}
}

func usage(n int64) *int64 { return &n }

var counterCases = []testCase{
	{"is zero when nothing was recorded", func(t *testing.T, s store.Store) {
		insert(t, s, object("d", "1"))
		expectCounter(t, s, store.Counter{})
	}},
	{"takes, gives and is exhausted", func(t *testing.T, s store.Store) {
		commit(t, s, store.Change{Insert: []store.Object{object("d", "1")}, Counters: change(store.CounterChange{SetUsage: usage(10)}).Counters})
		expectCounter(t, s, store.Counter{HasUsage: true, UsageLeft: 10})
		commit(t, s, change(store.CounterChange{Take: 7}))
		expectCounter(t, s, store.Counter{HasUsage: true, UsageLeft: 3, Allocated: true})
		expectError(t, s.Commit(t.Context(), change(store.CounterChange{Take: 4})), store.ErrExhausted)
		expectCounter(t, s, store.Counter{HasUsage: true, UsageLeft: 3, Allocated: true})
		commit(t, s, change(store.CounterChange{Give: 2}))
		commit(t, s, change(store.CounterChange{Take: 5}))
		expectCounter(t, s, store.Counter{HasUsage: true, Allocated: true})
		commit(t, s, change(store.CounterChange{RemoveUsage: true}))
		expectCounter(t, s, store.Counter{Allocated: true})
	}},
	{"without a limit is never exhausted", func(t *testing.T, s store.Store) {
		insert(t, s, object("d", "1"))
		commit(t, s, change(store.CounterChange{Take: 1}))
		commit(t, s, change(store.CounterChange{Take: 1, Give: 5}))
		expectCounter(t, s, store.Counter{Allocated: true})
	}},
	{"sets and takes in one change", func(t *testing.T, s store.Store) {
		insert(t, s, object("d", "1"))
		expectError(t, s.Commit(t.Context(), change(store.CounterChange{SetUsage: usage(1), Take: 2})), store.ErrExhausted)
		expectCounter(t, s, store.Counter{})
		commit(t, s, change(store.CounterChange{SetUsage: usage(3), Take: 2}))
		expectCounter(t, s, store.Counter{HasUsage: true, UsageLeft: 1, Allocated: true})
		commit(t, s, change(store.CounterChange{SetUsage: usage(9), Take: 2}))
		expectCounter(t, s, store.Counter{HasUsage: true, UsageLeft: 7, Allocated: true})
	}},
	{"is changed several times in one change, in order", func(t *testing.T, s store.Store) {
		insert(t, s, object("d", "1"))
		c := change(store.CounterChange{SetUsage: usage(2)})
		for range 2 {
			c.Counters = append(c.Counters, change(store.CounterChange{Take: 1}).Counters...)
		}
		commit(t, s, c)
		expectCounter(t, s, store.Counter{HasUsage: true, Allocated: true})
	}},
	{"remembers service and the last use", func(t *testing.T, s store.Store) {
		insert(t, s, object("d", "1"))
		commit(t, s, change(store.CounterChange{Serve: true}))
		expectCounter(t, s, store.Counter{Served: true})
		commit(t, s, change(store.CounterChange{Used: day}))
		commit(t, s, change(store.CounterChange{Used: day.Add(-time.Second)}))
		commit(t, s, change(store.CounterChange{Give: 1}))
		expectCounter(t, s, store.Counter{Served: true, LastUsed: day})
	}},
	{"of an object that is not there is refused", func(t *testing.T, s store.Store) {
		expectError(t, s.Commit(t.Context(), change(store.CounterChange{Serve: true})), store.ErrNotFound)
	}},
	{"is never overspent by concurrent takes", func(t *testing.T, s store.Store) {
		insert(t, s, object("d", "1"))
		commit(t, s, change(store.CounterChange{SetUsage: usage(50)}))
		var taken atomic.Int64
		var wait sync.WaitGroup
		for range 20 {
			wait.Go(func() {
				for range 5 {
					switch err := s.Commit(context.Background(), change(store.CounterChange{Take: 1})); {
					case err == nil:
						taken.Add(1)
					case !errors.Is(err, store.ErrExhausted):
						t.Errorf("Commit: %v", err)
					}
				}
			})
		}
		wait.Wait()
		if taken.Load() != 50 {
			t.Errorf("took %d of 50", taken.Load())
		}
		expectCounter(t, s, store.Counter{HasUsage: true, Allocated: true})
	}},
}

func expectCounter(t *testing.T, s store.Store, want store.Counter) {
	t.Helper()
	o, err := s.Object(context.Background(), "d", "1")
	if d := diff(want, o.Counter); d != "" || err != nil {
		t.Errorf("Object: counter (-want +got):\n%s %v", d, err)
	}
	many, err := s.Objects(context.Background(), "d", []string{"1"})
	if err != nil || len(many) != 1 || many[0].Counter != want {
		t.Errorf("Objects: %+v, %v; want the counter %+v", many, err, want)
	}
	found, err := s.Find(context.Background(), "d", store.Query{UIDs: []string{"1"}, Limit: 1})
	if err != nil || len(found) != 1 || found[0].Counter != want {
		t.Errorf("Find: %+v, %v; want the counter %+v", found, err, want)
	}
}
