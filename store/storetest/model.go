package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/claviger/claviger/store"
)

// model is what a store should hold, of one domain.
type model struct {
	objects map[string]store.Object
	names   map[string]string // value to identifier
	left    map[string]int64  // limits; none without an entry
	closed  map[int32]bool    // generations
}

func newModel() model {
	return model{map[string]store.Object{}, map[string]string{}, map[string]int64{}, map[int32]bool{}}
}

// commit does what the contract of Change says, to a copy.
func (m model) commit(c store.Change) (model, error) {
	n := model{maps.Clone(m.objects), maps.Clone(m.names), maps.Clone(m.left), maps.Clone(m.closed)}
	for _, g := range c.DropGenerations {
		if !m.closed[g.Generation] || m.under(g.Generation) > 0 {
			return m, store.ErrInUse
		}
	}
	for _, g := range c.CloseGenerations {
		n.closed[g.Generation] = true
	}
	for _, r := range c.Delete {
		if o, ok := n.objects[r.UID]; !ok || o.Revision != r.Revision {
			return m, store.ErrConflict
		}
		delete(n.objects, r.UID)
		delete(n.left, r.UID)
		maps.DeleteFunc(n.names, func(_, uid string) bool { return uid == r.UID })
	}
	for _, r := range c.Release {
		if n.names[r.Value] == r.UID {
			delete(n.names, r.Value)
		}
	}
	for _, o := range c.Insert {
		if _, ok := n.objects[o.UID]; ok {
			return m, store.ErrExists
		}
		if n.closed[o.Generation] {
			return m, store.ErrConflict
		}
		n.objects[o.UID] = o
	}
	for _, o := range c.Update {
		old, ok := n.objects[o.UID]
		if !ok || old.Revision != o.Revision-1 || old.Generation != o.Generation && n.closed[o.Generation] {
			return m, store.ErrConflict
		}
		if o.Material == nil && o.MaterialVersion == old.MaterialVersion {
			o.Material = old.Material
		}
		n.objects[o.UID] = o
	}
	for _, r := range c.Take {
		if uid, ok := n.names[r.Value]; ok && uid != r.UID {
			return m, store.ErrNameTaken
		}
		if _, ok := n.objects[r.UID]; !ok {
			return m, store.ErrNotFound
		}
		n.names[r.Value] = r.UID
	}
	for _, u := range c.Counters {
		left, limited := n.left[u.UID]
		if u.SetUsage != nil {
			left, limited = *u.SetUsage, true
		}
		if limited && left+u.Give-u.Take < 0 {
			return m, store.ErrExhausted
		}
		if _, ok := n.objects[u.UID]; !ok {
			return m, store.ErrNotFound
		}
		if limited {
			n.left[u.UID] = left + u.Give - u.Take
		}
	}
	return n, nil
}

// reseal does what the contract of Reseal says, to a copy.
func (m model) reseal(list []store.Object) (model, int, error) {
	if len(list) > 0 && m.closed[list[0].Generation] {
		return m, 0, store.ErrConflict
	}
	n, moved := m, 0
	n.objects = maps.Clone(m.objects)
	for _, o := range list {
		old, ok := n.objects[o.UID]
		if !ok || old.Revision != o.Revision-1 || (old.Material == nil) != (o.Material == nil) {
			continue
		}
		old.Revision, old.Generation, old.Material, old.MAC = o.Revision, o.Generation, o.Material, o.MAC
		n.objects[o.UID] = old
		moved++
	}
	return n, moved, nil
}

// under counts the objects under a generation.
func (m model) under(generation int32) (n int64) {
	for _, o := range m.objects {
		if o.Generation == generation {
			n++
		}
	}
	return n
}

// find gives identifiers in the order of Find.
func (m model) find(q store.Query) []string {
	var ids []string
	for _, o := range slices.SortedFunc(maps.Values(m.objects), func(a, b store.Object) int {
		if c := b.Initial.Compare(a.Initial); c != 0 {
			return c
		}
		return strings.Compare(b.UID, a.UID)
	}) {
		if len(q.States) > 0 && !slices.Contains(q.States, o.State) {
			continue
		}
		if len(q.Names) > 0 && !slices.ContainsFunc(q.Names, func(n string) bool { return m.names[n] == o.UID }) {
			continue
		}
		if len(ids) < q.Limit {
			ids = append(ids, o.UID)
		}
	}
	return ids
}

// testModel commits random small changes to the store and to a model, and
// expects the same outcome and the same contents.
func testModel(t *testing.T, c Config) {
	s := c.open(t, store.Options{})
	var run int
	rapid.Check(t, func(t *rapid.T) {
		run++
		w := &walk{store: s, domain: fmt.Sprintf("model-%d", run), model: newModel()}
		t.Repeat(map[string]func(*rapid.T){"": w.compare, "commit": w.commit, "reseal": w.reseal, "find": w.find})
	})
}

// walk is one path of the state machine, in a domain of its own.
type walk struct {
	store  store.Store
	domain string
	model  model
}

var (
	drawUID  = rapid.SampledFrom([]string{"a", "A", "b", "ä"})
	drawName = rapid.SampledFrom([]string{"n", "N", "m"})
	// drawGeneration is most often one that is never closed.
	drawGeneration = rapid.SampledFrom([]int32{1, 1, 1, 1, 2, 3})
)

func (w *walk) drawObject(t *rapid.T) store.Object {
	o := object(w.domain, drawUID.Draw(t, "uid"))
	o.State = store.State(rapid.Uint32Range(1, 3).Draw(t, "state"))
	o.Initial = day.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "age")) * time.Microsecond)
	o.MaterialVersion = rapid.Int32Range(1, 2).Draw(t, "version")
	o.Material = rapid.SampledFrom([][]byte{nil, {}, []byte("x"), []byte("y")}).Draw(t, "material")
	o.Generation = drawGeneration.Draw(t, "generation")
	return o
}

// revision is most often the right one for an update, sometimes not.
func (w *walk) revision(t *rapid.T, uid string) int64 {
	return w.model.objects[uid].Revision + rapid.SampledFrom([]int64{0, 0, 0, 1}).Draw(t, "revision")
}

func (w *walk) drawChange(t *rapid.T) store.Change {
	var c store.Change
	used := map[string]bool{} // an object is in a change once
	for range rapid.IntRange(1, 3).Draw(t, "objects") {
		o := w.drawObject(t)
		if used[o.UID] {
			continue
		}
		used[o.UID] = true
		switch rapid.IntRange(0, 5).Draw(t, "kind") {
		case 0, 1:
			c.Insert = append(c.Insert, o)
		case 2, 3:
			o.Revision = w.revision(t, o.UID) + 1
			c.Update = append(c.Update, o)
		case 4:
			c.Delete = append(c.Delete, store.Ref{Domain: w.domain, UID: o.UID, Revision: w.revision(t, o.UID)})
		}
	}
	if rapid.Bool().Draw(t, "take") {
		c.Take = []store.Name{{Domain: w.domain, Value: drawName.Draw(t, "name"), UID: drawUID.Draw(t, "of")}}
	}
	if rapid.Bool().Draw(t, "release") {
		c.Release = []store.Name{{Domain: w.domain, Value: drawName.Draw(t, "name"), UID: drawUID.Draw(t, "of")}}
	}
	for range rapid.IntRange(0, 2).Draw(t, "counters") {
		u := store.CounterChange{Domain: w.domain, UID: drawUID.Draw(t, "of")}
		switch rapid.IntRange(0, 2).Draw(t, "counter") {
		case 0:
			u.SetUsage = usage(rapid.Int64Range(0, 4).Draw(t, "limit"))
		case 1:
			u.Take = rapid.Int64Range(0, 3).Draw(t, "take")
		case 2:
			u.Give = rapid.Int64Range(0, 3).Draw(t, "give")
		}
		c.Counters = append(c.Counters, u)
	}
	ref := store.GenerationRef{Domain: w.domain, Generation: rapid.Int32Range(2, 3).Draw(t, "generation")}
	switch rapid.IntRange(0, 15).Draw(t, "of a generation") {
	case 0:
		c.CloseGenerations = []store.GenerationRef{ref}
	case 1, 2:
		c.DropGenerations = []store.GenerationRef{ref}
	}
	return c
}

func (w *walk) commit(t *rapid.T) {
	c := w.drawChange(t)
	next, want := w.model.commit(c)
	got := w.store.Commit(context.Background(), c)
	if want == nil && got != nil || want != nil && !sameKind(got) {
		t.Fatalf("Commit(%+v): %v, want %v", c, got, want)
	}
	w.model = next
}

// sameKind accepts any error of the contract: which of several faults of a
// change is reported is the backend's choice.
func sameKind(err error) bool {
	for _, k := range []error{store.ErrConflict, store.ErrExists, store.ErrNameTaken, store.ErrNotFound, store.ErrExhausted, store.ErrInUse} {
		if errors.Is(err, k) {
			return true
		}
	}
	return false
}

func (w *walk) reseal(t *rapid.T) {
	var list []store.Object
	generation := drawGeneration.Draw(t, "to")
	for _, uid := range rapid.SliceOfNDistinct(drawUID, 0, 4, rapid.ID).Draw(t, "objects") {
		o := w.drawObject(t)
		o.UID, o.Generation, o.Revision = uid, generation, w.revision(t, uid)+1
		list = append(list, o)
	}
	next, want, err := w.model.reseal(list)
	got, gerr := w.store.Reseal(context.Background(), list)
	if got != want || !errors.Is(gerr, err) {
		t.Fatalf("Reseal(%+v): %d, %v, want %d, %v", list, got, gerr, want, err)
	}
	w.model = next
}

func (w *walk) find(t *rapid.T) {
	q := store.Query{Limit: rapid.IntRange(1, 5).Draw(t, "limit")}
	if rapid.Bool().Draw(t, "by state") {
		q.States = []store.State{store.State(rapid.Uint32Range(1, 3).Draw(t, "state"))}
	}
	if rapid.Bool().Draw(t, "by name") {
		q.Names = []string{drawName.Draw(t, "name")}
	}
	got, err := w.store.Find(context.Background(), w.domain, q)
	if d := diff(w.model.find(q), uids(got)); d != "" || err != nil {
		t.Fatalf("Find(%+v) (-want +got):\n%s %v", q, d, err)
	}
}

// compare expects the store to hold what the model holds.
func (w *walk) compare(t *rapid.T) {
	ids := []string{"a", "A", "b", "ä"}
	list, err := w.store.Objects(context.Background(), w.domain, ids)
	if err != nil {
		t.Fatalf("Objects: %v", err)
	}
	got, left := map[string]store.Object{}, map[string]int64{}
	for _, o := range list {
		if o.Counter.HasUsage {
			left[o.UID] = o.Counter.UsageLeft
		}
		o.Counter = store.Counter{}
		got[o.UID] = o
	}
	if d := diff(w.model.objects, got); d != "" {
		t.Fatalf("objects (-want +got):\n%s", d)
	}
	if d := diff(w.model.left, left); d != "" {
		t.Fatalf("counters (-want +got):\n%s", d)
	}
	for g := int32(1); g <= 3; g++ {
		if n, _, err := w.store.SealedCount(context.Background(), w.domain, g); err != nil || n != w.model.under(g) {
			t.Fatalf("SealedCount(%d): %d, %v, want %d", g, n, err, w.model.under(g))
		}
	}
}
