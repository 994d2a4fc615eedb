package commit

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/audit"
)

func insertOf(uid string) store.Change {
	return store.Change{Insert: []store.Object{{Domain: "d", UID: uid, Revision: 1}}}
}

func queue(changes ...store.Change) []*request {
	var list []*request
	for i := range changes {
		list = append(list, &request{change: changes[i], keys: keys(&changes[i])})
	}
	return list
}

func TestTakeLeavesWhatSharesARecord(t *testing.T) {
	t.Parallel()
	a, b, c := insertOf("a"), insertOf("b"), insertOf("c")
	both := store.Change{Insert: slices.Concat(a.Insert, b.Insert)}
	name := store.Change{Take: []store.Name{{Domain: "d", Value: "n", UID: "x"}}}
	sameName := store.Change{Take: []store.Name{{Domain: "d", Value: "n", UID: "y"}}}
	other := store.Change{Take: []store.Name{{Domain: "e", Value: "n", UID: "x"}}}
	for _, tc := range []struct {
		name        string
		waiting     []*request
		group, rest int
	}{
		{"nothing", nil, 0, 0},
		{"different objects", queue(a, b, c), 3, 0},
		{"the same object", queue(a, a, a), 1, 2},
		{"what stays behind keeps its place", queue(a, both, b, c), 2, 2},
		{"the same name", queue(name, sameName, other), 2, 1},
		{"audit shares nothing", queue(store.Change{}, store.Change{}), 2, 0},
	} {
		group, rest := take(tc.waiting)
		if len(group) != tc.group || len(rest) != tc.rest {
			t.Errorf("%s: took %d and left %d, want %d and %d", tc.name, len(group), len(rest), tc.group, tc.rest)
		}
	}
	var many []store.Change
	for i := range Most + 5 {
		many = append(many, insertOf(fmt.Sprint(i)))
	}
	group, rest := take(queue(many...))
	if len(group) != Most || len(rest) != 5 || rest[0].change.Insert[0].UID != fmt.Sprint(Most) {
		t.Errorf("took %d and left %d", len(group), len(rest))
	}
}

// fake is a backend in memory that can lose answers.
type fake struct {
	mu      sync.Mutex
	entries []int64  // counters of the audit, durable
	groups  []int    // sizes of the transactions
	answers []string // what the next writes do: "lost before", "lost after", "settle fails"
}

func (f *fake) next() string {
	if len(f.answers) == 0 {
		return ""
	}
	a := f.answers[0]
	f.answers = f.answers[1:]
	return a
}

func (f *fake) Write(_ context.Context, c *store.Change) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	answer := f.next()
	if answer == "lost before" {
		return store.ErrOutcomeUnknown
	}
	for _, o := range c.Insert {
		if o.UID == "bad" {
			return store.ErrExists
		}
	}
	f.groups = append(f.groups, len(c.Insert))
	for _, e := range c.Audit {
		f.entries = append(f.entries, e.Counter)
	}
	if answer == "lost after" {
		return store.ErrOutcomeUnknown
	}
	return nil
}

func (f *fake) Settle(context.Context, string) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.answers) > 0 && f.answers[0] == "settle fails" {
		f.next()
		return 0, store.ErrUnavailable
	}
	if len(f.entries) == 0 {
		return 0, nil
	}
	return f.entries[len(f.entries)-1], nil
}

func TestLostAnswersAreLookedUp(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		answers []string
		want    []error
		entries []int64
	}{
		{"before the commit it is repeated", []string{"lost before"}, []error{nil, nil}, []int64{1, 2}},
		{"after the commit it has succeeded", []string{"lost after"}, []error{nil, nil}, []int64{1, 2}},
		{"twice it fails and nothing is stored", []string{"lost before", "lost before"}, []error{store.ErrUnavailable, nil}, []int64{1}},
		{"unless it cannot be looked up", []string{"lost after", "settle fails"}, []error{store.ErrOutcomeUnknown, nil}, []int64{1, 2}},
		{"and the next one waits for that", []string{"lost after", "settle fails", "settle fails"}, []error{store.ErrOutcomeUnknown, store.ErrUnavailable, nil}, []int64{1, 2}},
	} {
		f := &fake{}
		c := New(f, store.Options{Node: "n"})
		warm := store.Change{}
		if err := c.Commit(t.Context(), warm); err != nil { // settles the start
			t.Fatal(err)
		}
		f.mu.Lock()
		f.answers = tc.answers
		f.mu.Unlock()
		for i, want := range tc.want {
			if err := c.Commit(t.Context(), store.Change{Audit: []audit.Entry{{}}}); !errors.Is(err, want) {
				t.Errorf("%s: commit %d: %v, want %v", tc.name, i, err, want)
			}
		}
		c.Close()
		if d := cmp.Diff(tc.entries, f.entries); d != "" {
			t.Errorf("%s: audit (-want +got):\n%s", tc.name, d)
		}
	}
}

func TestConflictFailsOnlyTheOneAtFault(t *testing.T) {
	t.Parallel()
	f := &fake{}
	c := New(f, store.Options{Node: "n"})
	defer c.Close()
	group := queue(insertOf("a"), insertOf("bad"), insertOf("c"))
	for _, r := range group {
		r.result = make(chan error, 1)
	}
	c.Close() // the goroutine is gone, the test does its work
	c.commit(group)
	for i, want := range []error{nil, store.ErrExists, nil} {
		if err := <-group[i].result; !errors.Is(err, want) {
			t.Errorf("change %d: %v, want %v", i, err, want)
		}
	}
}

func TestMergeLeavesTheChangesAlone(t *testing.T) {
	t.Parallel()
	change := store.Change{
		Insert:   slices.Concat(insertOf("b").Insert, insertOf("a").Insert),
		AddSides: []store.SideRow{{Domain: "d", Side: store.Side{UID: "a", Kind: "k", Value: string(make([]byte, 300))}}},
	}
	m := merge(queue(change))
	if m.Insert[0].UID != "a" || change.Insert[0].UID != "b" || len(change.AddSides[0].Value) != 300 || len(m.AddSides[0].Value) != 64 {
		t.Errorf("merged %+v of %+v", m, change)
	}
}

// TestMergeKnowsEveryPart gives two changes with one of everything.
func TestMergeKnowsEveryPart(t *testing.T) {
	t.Parallel()
	var change store.Change
	v := reflect.ValueOf(&change).Elem()
	for i := range v.NumField() {
		v.Field(i).Set(reflect.MakeSlice(v.Field(i).Type(), 1, 1))
	}
	change.Take = []store.Name{{Domain: "d", Value: "n", UID: "u"}}
	other := change
	other.Take = []store.Name{{Domain: "d", Value: "m", UID: "u"}}
	m := reflect.ValueOf(merge(queue(change, other))).Elem()
	for i := range m.NumField() {
		if n := m.Field(i).Len(); n != 2 {
			t.Errorf("%s of two changes has %d elements, want 2", m.Type().Field(i).Name, n)
		}
	}
}

// TestChangesOfOneGenerationWait pairs changes of the copies of a generation.
func TestChangesOfOneGenerationWait(t *testing.T) {
	t.Parallel()
	copyOf := store.DomainKey{Domain: "d", Generation: 1, Token: "t"}
	other := store.DomainKeyRef{Domain: "d", Generation: 1, Token: "u"}
	ref := []store.GenerationRef{{Domain: "d", Generation: 1}}
	all := queue(
		store.Change{AddDomainKeys: []store.DomainKey{copyOf}},
		store.Change{UpdateDomainKeys: []store.DomainKeyChange{{DomainKey: copyOf}}},
		store.Change{DropDomainKeys: []store.DomainKeyRef{other}},
		store.Change{CloseGenerations: ref},
		store.Change{DropGenerations: ref},
		store.Change{DropGenerations: []store.GenerationRef{{Domain: "d", Generation: 11}}},
	)
	if group, rest := take(all); len(group) != 2 || len(rest) != 4 {
		t.Errorf("took %d and left %d, want 2 and 4", len(group), len(rest))
	}
}
