package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/audit"
)

// copyOf is a copy of a generation of the key of the domain d.
func copyOf(generation int32, token string) store.DomainKey {
	return store.DomainKey{
		Domain: "d", Generation: generation, Token: token, RootKey: "r",
		Wrapped: fmt.Appendf(nil, "%d for %s", generation, token), Created: day,
	}
}

func generationOf(number int32) []store.GenerationRef {
	return []store.GenerationRef{{Domain: "d", Generation: number}}
}

// under is an object of the domain d under a generation.
func under(uid string, generation int32) store.Object {
	o := object("d", uid)
	o.Generation = generation
	return o
}

// resealed is what Reseal makes of an object.
func resealed(o store.Object, generation int32) store.Object {
	o.Generation, o.Revision = generation, o.Revision+1
	if o.Material != nil {
		o.Material = fmt.Appendf(nil, "resealed %d", generation)
	}
	o.MAC = fmt.Appendf(nil, "mac %d", generation)
	return o
}

func recordUnder(key string, generation int32) store.Record {
	return with(func(r *store.Record) { r.Key, r.Generation = key, generation })
}

var generationCases = []testCase{
	{"is listed with its copies and whether it is closed", func(t *testing.T, s store.Store) {
		e := copyOf(3, "t")
		e.Domain = "D"
		commit(t, s, store.Change{AddDomainKeys: []store.DomainKey{copyOf(1, "t"), copyOf(1, "u"), copyOf(2, "t"), e}})
		before := time.Now().Add(-time.Minute)
		commit(t, s, store.Change{CloseGenerations: slices.Concat(generationOf(1), generationOf(9))})
		got, err := s.Generations(t.Context())
		for i := range got {
			if closed := got[i].Closed; !closed.IsZero() && (closed.Before(before) || closed.After(before.Add(2*time.Minute))) {
				t.Errorf("closed at %v", closed)
			}
		}
		closed := make([]time.Time, 2)
		if len(got) == 4 {
			closed[0], closed[1] = got[1].Closed, got[3].Closed
		}
		want := []store.Generation{
			{GenerationRef: store.GenerationRef{Domain: "D", Generation: 3}, Copies: 1},
			{GenerationRef: generationOf(1)[0], Copies: 2, Closed: closed[0]},
			{GenerationRef: generationOf(2)[0], Copies: 1},
			{GenerationRef: generationOf(9)[0], Closed: closed[1]},
		}
		expect(t, "Generations", want, got, err)
		if closed[0].IsZero() || closed[1].IsZero() {
			t.Error("closed generations have no time")
		}
		keys, err := s.DomainKeys(t.Context(), "")
		expect(t, "DomainKeys of all domains", []store.DomainKey{e, copyOf(1, "t"), copyOf(1, "u"), copyOf(2, "t")}, keys, err)
		commit(t, s, store.Change{CloseGenerations: generationOf(1)})
		again, err := s.Generations(t.Context())
		expect(t, "Generations after closing again", got, again, err)
	}},
	{"has copies that are wrapped anew by who knows the root key", func(t *testing.T, s store.Store) {
		commit(t, s, store.Change{AddDomainKeys: []store.DomainKey{copyOf(1, "t"), copyOf(1, "u")}})
		next := copyOf(1, "t")
		next.RootKey, next.Wrapped = "r2", []byte("anew")
		for name, c := range map[string]store.DomainKeyChange{
			"another root key":   {DomainKey: next, From: "x"},
			"another token":      {DomainKey: copyOf(1, "x"), From: "r"},
			"another generation": {DomainKey: copyOf(2, "t"), From: "r"},
		} {
			err := s.Commit(t.Context(), store.Change{UpdateDomainKeys: []store.DomainKeyChange{c}, AddSettings: []store.Setting{{Name: "s"}}})
			if !errors.Is(err, store.ErrConflict) {
				t.Errorf("%s: %v, want conflict", name, err)
			}
		}
		late := next
		late.Created = day.Add(time.Hour) // stays as it was
		commit(t, s, store.Change{UpdateDomainKeys: []store.DomainKeyChange{{DomainKey: late, From: "r"}}, AddSettings: []store.Setting{{Name: "s"}}})
		expectError(t, s.Commit(t.Context(), store.Change{UpdateDomainKeys: []store.DomainKeyChange{{DomainKey: late, From: "r"}}}), store.ErrConflict)
		got, err := s.DomainKeys(t.Context(), "d")
		expect(t, "DomainKeys", []store.DomainKey{next, copyOf(1, "u")}, got, err)
	}},
	{"keeps its last copy", func(t *testing.T, s store.Store) {
		all := []store.DomainKey{copyOf(1, "t"), copyOf(1, "u"), copyOf(2, "t"), copyOf(2, "u")}
		commit(t, s, store.Change{AddDomainKeys: all})
		drop := func(generation int32, tokens ...string) (c store.Change) {
			for _, token := range tokens {
				c.DropDomainKeys = append(c.DropDomainKeys, store.DomainKeyRef{Domain: "d", Generation: generation, Token: token})
			}
			return c
		}
		for _, c := range []store.Change{
			drop(1, "t", "u"),
			{DropDomainKeys: slices.Concat(drop(2, "t").DropDomainKeys, drop(1, "u", "x", "t").DropDomainKeys)},
		} {
			expectError(t, s.Commit(t.Context(), c), store.ErrInUse)
		}
		got, err := s.DomainKeys(t.Context(), "d")
		expect(t, "DomainKeys", all, got, err)
		commit(t, s, drop(1, "t", "x", "t"))
		commit(t, s, drop(1, "t"))
		commit(t, s, drop(7, "t"))
		expectError(t, s.Commit(t.Context(), drop(1, "u")), store.ErrInUse)
		c := drop(1, "u") // to another token
		c.AddDomainKeys = []store.DomainKey{copyOf(1, "v")}
		commit(t, s, c)
		got, err = s.DomainKeys(t.Context(), "d")
		expect(t, "DomainKeys", []store.DomainKey{copyOf(1, "v"), copyOf(2, "t"), copyOf(2, "u")}, got, err)
	}},
	{"that is closed takes nothing new", func(t *testing.T, s store.Store) {
		elsewhere := object("e", "1")
		elsewhere.Generation = 1
		insert(t, s, under("in", 1), under("out", 2), elsewhere)
		commit(t, s, store.Change{AddRecords: []store.Record{recordUnder("in", 1), recordUnder("out", 2), recordUnder("none", 0)}})
		commit(t, s, store.Change{CloseGenerations: generationOf(1)})
		update := func(uid string, generation int32) store.Object { o := under(uid, generation); o.Revision = 2; return o }
		record := func(key string, generation int32) store.Record {
			r := recordUnder(key, generation)
			r.Revision = 2
			return r
		}
		for name, c := range map[string]store.Change{
			"an object":             {Insert: []store.Object{under("new", 1)}},
			"one of several":        {Insert: []store.Object{under("new", 2), under("newer", 1)}},
			"an object from others": {Update: []store.Object{update("out", 1)}},
			"a record":              {AddRecords: []store.Record{recordUnder("new", 1)}},
			"a record from others":  {UpdateRecords: []store.Record{record("out", 1)}},
			"a record from none":    {UpdateRecords: []store.Record{record("none", 1)}},
			"in the same change":    {Insert: []store.Object{under("new", 2)}, CloseGenerations: generationOf(2)},
		} {
			c.AddSettings = []store.Setting{{Name: "s"}}
			if err := s.Commit(t.Context(), c); !errors.Is(err, store.ErrConflict) {
				t.Errorf("%s: %v, want conflict", name, err)
			}
		}
		expectSealed(t, s, 1, 1, 1)
		expectSealed(t, s, 2, 1, 1)
		other := object("e", "2")
		other.Generation = 1
		commit(t, s, store.Change{
			Insert:        []store.Object{under("new", 2), other},
			Update:        []store.Object{update("in", 1)},
			AddRecords:    []store.Record{recordUnder("new", 2)},
			UpdateRecords: []store.Record{record("in", 1), record("none", 0)},
		})
		expectObject(t, s, update("in", 1))
		got, err := s.Record(t.Context(), "d", "ticket", "in")
		expect(t, "Record", record("in", 1), got, err)
		left := update("in", 2)
		left.Revision = 3
		commit(t, s, store.Change{Update: []store.Object{left}})
		expectSealed(t, s, 1, 0, 1)
		left.Revision, left.Generation = 4, 1
		expectError(t, s.Commit(t.Context(), store.Change{Update: []store.Object{left}}), store.ErrConflict)
	}},
	{"is dropped when it is closed and empty", func(t *testing.T, s store.Store) {
		commit(t, s, store.Change{
			AddDomainKeys: []store.DomainKey{copyOf(1, "t"), copyOf(1, "u"), copyOf(2, "t")},
			Insert:        []store.Object{under("1", 1)}, AddRecords: []store.Record{recordUnder("k", 1)},
		})
		drop := store.Change{DropGenerations: generationOf(1), Audit: []audit.Entry{entry("d", "")}}
		refused := func(why string) {
			t.Helper()
			if err := s.Commit(t.Context(), drop); !errors.Is(err, store.ErrInUse) {
				t.Errorf("%s: %v, want in use", why, err)
			}
		}
		refused("open, with an object and a record")
		both := drop
		both.CloseGenerations = generationOf(1)
		expectError(t, s.Commit(t.Context(), both), store.ErrInUse)
		commit(t, s, store.Change{CloseGenerations: generationOf(1)})
		refused("with an object and a record")
		commit(t, s, store.Change{Delete: []store.Ref{{Domain: "d", UID: "1", Revision: 1}}})
		refused("with a record")
		commit(t, s, store.Change{DeleteRecords: []store.RecordRef{aRecord.Ref()}})
		mixed := drop
		mixed.DropGenerations = slices.Concat(generationOf(1), generationOf(2))
		expectError(t, s.Commit(t.Context(), mixed), store.ErrInUse)
		keys, err := s.DomainKeys(t.Context(), "d")
		expect(t, "DomainKeys", []store.DomainKey{copyOf(1, "t"), copyOf(1, "u"), copyOf(2, "t")}, keys, err)
		commit(t, s, drop)
		commit(t, s, drop)
		keys, err = s.DomainKeys(t.Context(), "d")
		expect(t, "DomainKeys", []store.DomainKey{copyOf(2, "t")}, keys, err)
		if list, err := s.Generations(t.Context()); err != nil || len(list) != 2 || list[0].Closed.IsZero() || list[0].Copies != 0 {
			t.Errorf("Generations: %+v, %v", list, err)
		}
		expectError(t, s.Commit(t.Context(), store.Change{Insert: []store.Object{under("1", 1)}}), store.ErrConflict)
	}},
	{"has objects that are read by pages", func(t *testing.T, s store.Store) {
		var list, want []store.Object
		for i, uid := range []string{"a", "B", "b", "A", "é", "𝄞", "10", "9"} {
			o := under(uid, int32(1+i%2))
			if i%3 == 0 {
				o.Material = nil
			}
			list = append(list, o)
		}
		other := object("e", "x")
		other.Generation = 1
		insert(t, s, append(list, other)...)
		commit(t, s, store.Change{Counters: []store.CounterChange{{Domain: "d", UID: "a", Serve: true}}})
		for _, o := range list {
			if o.Generation == 1 {
				want = append(want, o)
			}
		}
		slices.SortFunc(want, func(a, b store.Object) int { return strings.Compare(a.UID, b.UID) })
		for _, limit := range []int{1, 3, 4, 10000} {
			var got []store.Object
			for after := ""; ; {
				page, err := s.Sealed(t.Context(), "d", 1, after, limit)
				if err != nil || len(page) > limit {
					t.Fatalf("Sealed: %d objects, %v", len(page), err)
				}
				if len(page) == 0 {
					break
				}
				got = append(got, page...)
				after = page[len(page)-1].UID
			}
			expect(t, fmt.Sprintf("pages of %d", limit), want, got, nil)
		}
		commit(t, s, store.Change{AddRecords: []store.Record{recordUnder("k", 1), recordUnder("l", 2)}})
		expectSealed(t, s, 1, 4, 1)
		expectSealed(t, s, 2, 4, 1)
		expectSealed(t, s, 3, 0, 0)
		records, err := s.Records(t.Context(), store.RecordQuery{Domain: "d", Generation: 2, Limit: 10})
		expect(t, "Records", []store.Record{recordUnder("l", 2)}, records, err)
		for _, limit := range []int{-1, 0, 10001} {
			_, err := s.Sealed(t.Context(), "d", 1, "", limit)
			expectError(t, err, store.ErrInvalid)
		}
	}},
	{"takes objects from another, and only what it should", func(t *testing.T, s store.Store) {
		a, bare, changed := under("a", 1), under("bare", 1), under("changed", 1)
		bare.Material = nil
		insert(t, s, a, bare, changed, under("kept", 1))
		commit(t, s, store.Change{
			Take:     name("n", "a"),
			AddSides: []store.SideRow{{Domain: "d", Side: store.Side{UID: "a", Kind: store.SideLink, Value: "x"}}},
			Counters: []store.CounterChange{{Domain: "d", UID: "a", SetUsage: usage(3)}},
		})
		other := changed
		other.Revision, other.Attributes = 2, []byte("changed")
		commit(t, s, store.Change{Update: []store.Object{other}})
		list := []store.Object{resealed(under("missing", 1), 2), resealed(a, 2), resealed(changed, 2), resealed(bare, 2)}
		n, err := s.Reseal(t.Context(), list)
		expect(t, "moved", 2, n, err)
		want := resealed(a, 2)
		want.Counter = store.Counter{HasUsage: true, UsageLeft: 3}
		expectObject(t, s, want)
		expectObject(t, s, resealed(bare, 2))
		expectObject(t, s, other)
		expectObject(t, s, under("kept", 1))
		expectFound(t, s, "d", store.Query{Names: []string{"n"}}, "a")
		expectFound(t, s, "d", store.Query{Sides: []store.Side{{Kind: store.SideLink, Value: "x"}}}, "a")
		n, err = s.Reseal(t.Context(), list)
		expect(t, "moved again", 0, n, err)
	}},
	{"takes only hot columns that Reseal replaces", func(t *testing.T, s store.Store) {
		insert(t, s, under("1", 1))
		lie := resealed(under("1", 1), 2)
		lie.State, lie.Group, lie.Attributes, lie.MaterialVersion = 3, "lie", nil, 9
		n, err := s.Reseal(t.Context(), []store.Object{lie})
		expect(t, "moved", 1, n, err)
		expectObject(t, s, resealed(under("1", 1), 2))
	}},
	{"does not take an object without its material, nor invents some", func(t *testing.T, s store.Store) {
		a, b := under("a", 1), under("b", 1)
		b.Material = nil
		insert(t, s, a, b)
		without, invented := resealed(a, 2), resealed(b, 2)
		without.Material, invented.Material = nil, []byte("invented")
		n, err := s.Reseal(t.Context(), []store.Object{without, invented})
		expect(t, "moved", 0, n, err)
		expectObject(t, s, a)
		expectObject(t, s, b)
	}},
	{"that is closed takes nothing by Reseal", func(t *testing.T, s store.Store) {
		insert(t, s, under("a", 1))
		commit(t, s, store.Change{CloseGenerations: generationOf(2)})
		n, err := s.Reseal(t.Context(), []store.Object{resealed(under("a", 1), 2)})
		expectError(t, err, store.ErrConflict)
		expect(t, "moved", 0, n, nil)
		expectObject(t, s, under("a", 1))
		commit(t, s, store.Change{CloseGenerations: generationOf(1)})
		n, err = s.Reseal(t.Context(), []store.Object{resealed(under("a", 1), 3)})
		expect(t, "moved", 1, n, err)
	}},
	{"refuses what no backend can keep", func(t *testing.T, s store.Store) {
		many := make([]store.Object, 10001)
		for i := range many {
			many[i] = under(fmt.Sprint(i), 1)
		}
		elsewhere := object("e", "1")
		elsewhere.Generation = 1
		for name, err := range map[string]error{
			"too many":               second(s.Reseal(t.Context(), many)),
			"an object twice":        second(s.Reseal(t.Context(), []store.Object{under("1", 1), under("1", 1)})),
			"several generations":    second(s.Reseal(t.Context(), []store.Object{under("1", 1), under("2", 2)})),
			"several domains":        second(s.Reseal(t.Context(), []store.Object{under("1", 1), elsewhere})),
			"U+0000":                 second(s.Reseal(t.Context(), []store.Object{under("a\x00", 1)})),
			"no generation to close": s.Commit(t.Context(), store.Change{CloseGenerations: generationOf(0)}),
			"no generation to drop":  s.Commit(t.Context(), store.Change{DropGenerations: generationOf(0)}),
			"no domain":              s.Commit(t.Context(), store.Change{DropGenerations: []store.GenerationRef{{Generation: 1}}}),
			"no token":               s.Commit(t.Context(), store.Change{DropDomainKeys: []store.DomainKeyRef{{Domain: "d", Generation: 1}}}),
			"a broken root key":      s.Commit(t.Context(), store.Change{UpdateDomainKeys: []store.DomainKeyChange{{DomainKey: copyOf(1, "t"), From: "\xff"}}}),
		} {
			if !errors.Is(err, store.ErrInvalid) {
				t.Errorf("%s: %v, want invalid", name, err)
			}
		}
		n, err := s.Reseal(t.Context(), nil)
		expect(t, "moved of nothing", 0, n, err)
	}},
}

func expectSealed(t *testing.T, s store.Store, generation int32, objects, records int64) {
	t.Helper()
	o, r, err := s.SealedCount(context.Background(), "d", generation)
	if err != nil || o != objects || r != records {
		t.Errorf("SealedCount(%d): %d and %d, %v; want %d and %d", generation, o, r, err, objects, records)
	}
}
