package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/audit"
)

var auditCases = []testCase{
	{"is read as it was written, newest first", func(t *testing.T, s store.Store) {
		var want []audit.Entry
		for i := range 3 {
			e := entry("d", fmt.Sprint(i))
			commit(t, s, store.Change{Audit: []audit.Entry{e}})
			want = append(want, e)
		}
		slices.Reverse(want)
		got, err := s.Audit(t.Context(), store.AuditQuery{Limit: 10})
		for i := range got {
			if i > 0 && got[i].Sequence >= got[i-1].Sequence {
				t.Errorf("sequence %d follows %d", got[i].Sequence, got[i-1].Sequence)
			}
		}
		for i := range got {
			got[i].Node, got[i].Counter, got[i].Sequence = "", 0, 0
		}
		expect(t, "Audit", want, got, err)
	}},
	{"keeps the caller's entries as they are", func(t *testing.T, s store.Store) {
		list := []audit.Entry{entry("d", "1")}
		commit(t, s, store.Change{Audit: list})
		expect(t, "entry", entry("d", "1"), list[0], nil)
	}},
	{"narrows by every condition and pages", func(t *testing.T, s store.Store) {
		a, b := entry("d", "1"), entry("e", "2")
		b.Actor, b.Operation, b.Time = "admin:root", "Destroy", day.Add(time.Microsecond)
		b.Outcome = audit.Undone
		commit(t, s, store.Change{Audit: []audit.Entry{a, b, a}})
		for name, q := range map[string]store.AuditQuery{
			"domain": {Domain: "e"}, "object": {UID: "2"}, "actor": {Actor: "admin:root"}, "operation": {Operation: "Destroy"},
			"outcome": {Outcome: audit.Undone}, "from": {From: b.Time},
			"all": {Domain: "e", UID: "2", Actor: "admin:root", Operation: "Destroy", Outcome: audit.Undone, From: a.Time, To: b.Time},
		} {
			q.Limit = 10
			got, err := s.Audit(t.Context(), q)
			if err != nil || len(got) != 1 || got[0].Domain != "e" {
				t.Errorf("%s: %v, %v", name, got, err)
			}
			if n, err := s.AuditCount(t.Context(), q); n != 1 || err != nil {
				t.Errorf("%s: %d entries are counted, %v", name, n, err)
			}
		}
		if n, err := s.AuditCount(t.Context(), store.AuditQuery{Domain: "d"}); n != 2 || err != nil {
			t.Errorf("%d entries of a domain are counted, want 2: %v", n, err)
		}
		var n int
		q := store.AuditQuery{Limit: 1, To: a.Time}
		for {
			page, err := s.Audit(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			n++
			q.Before = page[0].Sequence
		}
		if n != 2 {
			t.Errorf("pages have %d entries, want 2", n)
		}
		_, err := s.Audit(t.Context(), store.AuditQuery{})
		expectError(t, err, store.ErrInvalid)
	}},
}

// testNumbers commits from many goroutines, some of them in vain, and expects
// the numbers of the node without a gap, in the order of the sequence, each
// entry signed as it is stored.
func testNumbers(t *testing.T, c Config) {
	node := uuid.NewString()
	s := c.open(t, store.Options{Node: node, Sign: func(e *audit.Entry) error {
		e.MAC = append([]byte("signed "), e.Canonical()...)
		return nil
	}})
	insert(t, s, object("d", "0"))
	const goroutines, each = 16, 10
	var wait sync.WaitGroup
	for g := range goroutines {
		wait.Go(func() {
			for i := range each {
				e := entry("d", fmt.Sprintf("%d-%d", g, i))
				e.Time = day.Add(999 * time.Nanosecond) // less than the store keeps
				change := store.Change{Audit: []audit.Entry{e, e}}
				bad := i%5 == 4
				if bad {
					change.Insert = []store.Object{object("d", "0")}
				}
				if err := s.Commit(context.Background(), change); bad != errors.Is(err, store.ErrExists) || !bad && err != nil {
					t.Errorf("Commit: %v", err)
				}
			}
		})
	}
	wait.Wait()
	got, err := s.Audit(t.Context(), store.AuditQuery{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if want := goroutines * each * 4 / 5 * 2; len(got) != want {
		t.Errorf("%d entries, want %d", len(got), want)
	}
	slices.Reverse(got)
	for i, e := range got {
		if e.Node != node || e.Counter != int64(i+1) {
			t.Fatalf("entry %d has node %q and counter %d", i+1, e.Node, e.Counter)
		}
		if !bytes.Equal(e.MAC, append([]byte("signed "), e.Canonical()...)) {
			t.Fatalf("entry %d is not signed as it is stored", i+1)
		}
	}
}

// testSignFails expects that a signer that refuses an entry fails that change
// and no other, and costs no number.
func testSignFails(t *testing.T, c Config) {
	refused := errors.New("refused")
	s := c.open(t, store.Options{Sign: func(e *audit.Entry) error {
		if e.UID == "bad" {
			return refused
		}
		return nil
	}})
	var wait sync.WaitGroup
	for i := range 20 {
		wait.Go(func() {
			uid := fmt.Sprint(i)
			if i == 7 {
				uid = "bad"
			}
			err := s.Commit(context.Background(), store.Change{
				Insert: []store.Object{object("d", uid)}, Audit: []audit.Entry{entry("d", uid)},
			})
			if errors.Is(err, refused) != (uid == "bad") {
				t.Errorf("Commit of %q: %v", uid, err)
			}
		})
	}
	wait.Wait()
	_, err := s.Object(t.Context(), "d", "bad")
	expectError(t, err, store.ErrNotFound)
	got, err := s.Audit(t.Context(), store.AuditQuery{Limit: 100})
	if err != nil || len(got) != 19 || got[0].Counter != 19 {
		t.Errorf("%d entries, %v", len(got), err)
	}
}
