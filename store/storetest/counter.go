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
		got, err := s.Counters(t.Context(), "d", []string{"1", "2"})
		if err != nil || len(got) != 0 {
			t.Errorf("Counters: %v, %v", got, err)
		}
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
		got, err := s.Counters(t.Context(), "d", []string{"1", "2"})
		if d := diff(map[string]store.Counter{"1": {Allocated: true}}, got); d != "" || err != nil {
			t.Errorf("Counters (-want +got):\n%s %v", d, err)
		}
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
	got, err := s.Counter(context.Background(), "d", "1")
	if d := diff(want, got); d != "" || err != nil {
		t.Errorf("Counter (-want +got):\n%s %v", d, err)
	}
}
