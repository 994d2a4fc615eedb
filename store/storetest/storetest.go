// Package storetest is the suite that every backend of store passes. A backend
// gives a constructor; a new case belongs here, not in the tests of a backend.
package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/audit"
)

// Config is what a backend gives to the suite.
type Config struct {
	// Open returns a new, empty store with the options; the suite closes it.
	Open func(t *testing.T, o store.Options) store.Store
	// OpenNodes returns two stores on one new, empty database; the suite closes
	// them. Nil when a database has one process.
	OpenNodes func(t *testing.T) [2]store.Store
	// OpenUnavailable opens a store and returns a function that takes its
	// database away while the store is open. Nil when the backend cannot lose
	// its database.
	OpenUnavailable func(t *testing.T) (s store.Store, takeAway func())
}

// Run runs the suite.
func Run(t *testing.T, c Config) {
	for _, group := range []struct {
		name  string
		cases []testCase
	}{
		{"object", objectCases},
		{"name", nameCases},
		{"find", findCases},
		{"counter", counterCases},
		{"registry", registryCases},
		{"record", recordCases},
		{"generation", generationCases},
		{"audit", auditCases},
		{"commit", commitCases},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, tc := range group.cases {
				t.Run(tc.name, func(t *testing.T) {
					t.Parallel()
					tc.run(t, c.open(t, store.Options{}))
				})
			}
		})
	}
	t.Run("audit numbers", func(t *testing.T) { t.Parallel(); testNumbers(t, c) })
	t.Run("signer that fails", func(t *testing.T) { t.Parallel(); testSignFails(t, c) })
	t.Run("generation closed against writers", func(t *testing.T) { t.Parallel(); testClose(t, c) })
	t.Run("generation left while objects change", func(t *testing.T) { t.Parallel(); testReseal(t, c) })
	t.Run("copies dropped by two nodes", func(t *testing.T) { t.Parallel(); testDropCopies(t, c) })
	t.Run("closed store", func(t *testing.T) { t.Parallel(); testClosed(t, c) })
	t.Run("unavailable database", func(t *testing.T) { t.Parallel(); testUnavailable(t, c) })
	t.Run("model", func(t *testing.T) { t.Parallel(); testModel(t, c) })
}

type testCase struct {
	name string
	run  func(t *testing.T, s store.Store)
}

func (c Config) open(t *testing.T, o store.Options) store.Store {
	t.Helper()
	if o.Node == "" {
		o.Node = uuid.NewString()
	}
	s := c.Open(t, o)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// openNodes gives two nodes of one database, which are the same one when the
// database has one process.
func (c Config) openNodes(t *testing.T) [2]store.Store {
	t.Helper()
	if c.OpenNodes == nil {
		s := c.open(t, store.Options{})
		return [2]store.Store{s, s}
	}
	nodes := c.OpenNodes(t)
	t.Cleanup(func() {
		for _, s := range nodes {
			if err := s.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
	})
	return nodes
}

// day is a time with microseconds.
var day = time.Date(2026, 2, 28, 23, 59, 59, 123456000, time.UTC)

// object is a record with something in every field.
func object(domain, uid string) store.Object {
	return store.Object{
		Domain: domain, UID: uid,
		Type: 2, State: 1, Algorithm: 3, LengthBits: 256, UsageMask: 0x8000000c,
		Group: "group", Creator: "demo",
		Initial: day, Activation: day.Add(time.Microsecond), Deactivation: day.Add(time.Hour), Destroyed: day.Add(2 * time.Hour),
		Revision: 1, Generation: 7, MaterialVersion: 1,
		Material: []byte("sealed"), Attributes: []byte("attributes of " + uid), MAC: []byte("mac"),
	}
}

func commit(t testing.TB, s store.Store, c store.Change) {
	t.Helper()
	if err := s.Commit(context.Background(), c); err != nil {
		t.Fatalf("Commit: %v", err)
	}
}

func insert(t testing.TB, s store.Store, list ...store.Object) {
	t.Helper()
	commit(t, s, store.Change{Insert: list})
}

// entry is an audit entry with something in every field of the caller.
func entry(domain, uid string) audit.Entry {
	return audit.Entry{
		Time: day, Domain: domain, Actor: "client:demo", Source: "192.0.2.1", Door: "kmip", Operation: "Create",
		UID: uid, Outcome: audit.Failure, Reason: "policy", Detail: "refused", Request: "r-1",
	}
}

// diff compares; nil and empty are the same unless they are material.
func diff(want, got any) string {
	isMaterial := func(p cmp.Path) bool { return p.Last().String() == ".Material" }
	return cmp.Diff(want, got, cmp.FilterPath(func(p cmp.Path) bool { return !isMaterial(p) }, cmpopts.EquateEmpty()))
}

func uids(list []store.Object) []string {
	var ids []string
	for _, o := range list {
		ids = append(ids, o.UID)
	}
	return ids
}
