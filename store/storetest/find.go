package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/claviger/claviger/store"
)

var findCases = []testCase{
	{"gives objects without material, newest first", func(t *testing.T, s store.Store) {
		a, b := object("d", "a"), object("d", "b")
		b.Initial = day.Add(-time.Microsecond)
		insert(t, s, b, a)
		got, err := s.Find(t.Context(), "d", store.Query{Limit: 10})
		a.Material, b.Material = nil, nil
		if d := diff([]store.Object{a, b}, got); d != "" || err != nil {
			t.Errorf("Find (-want +got):\n%s %v", d, err)
		}
	}},
	{"orders the same date by the bytes of the identifier", func(t *testing.T, s store.Store) {
		ids := []string{"a", "B", "b", "A", "_", "é", "e\u0301", "z", "𝄞", "～", "-1", "10", "9", "a b", "ab"}
		for _, id := range ids {
			insert(t, s, object("d", id))
		}
		slices.Sort(ids)
		slices.Reverse(ids)
		expectFound(t, s, "d", store.Query{}, ids...)
	}},
	{"pages meet every object once, ties included", func(t *testing.T, s store.Store) {
		var list []store.Object
		for i := range 23 {
			o := object("d", fmt.Sprintf("%c%02d", "aAbB"[i%4], i))
			o.Initial = day.Add(time.Duration(i/7) * time.Microsecond)
			list = append(list, o)
		}
		insert(t, s, list...)
		whole, err := s.Find(t.Context(), "d", store.Query{Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		for _, limit := range []int{1, 4, 7, 23, 24} {
			var got []string
			q := store.Query{Limit: limit}
			for {
				page, err := s.Find(t.Context(), "d", q)
				if err != nil {
					t.Fatal(err)
				}
				if len(page) == 0 {
					break
				}
				got = append(got, uids(page)...)
				last := page[len(page)-1]
				q.After = &store.Position{Initial: last.Initial, UID: last.UID}
			}
			if d := diff(uids(whole), got); d != "" {
				t.Errorf("pages of %d (-want +got):\n%s", limit, d)
			}
		}
	}},
	{"narrows by every condition", func(t *testing.T, s store.Store) {
		a, b := object("d", "a"), object("d", "b")
		b.Type, b.State, b.Algorithm, b.LengthBits, b.UsageMask, b.Creator = 4, 2, 5, 128, 3, "other"
		b.Initial = day.Add(time.Second)
		insert(t, s, a, b)
		algorithm, length := uint32(5), int32(128)
		for name, q := range map[string]store.Query{
			"identifiers": {UIDs: []string{"b", "c"}},
			"types":       {Types: []uint32{4, 9}},
			"states":      {States: []store.State{2, 9}},
			"algorithm":   {Algorithm: &algorithm},
			"length":      {Length: &length},
			"mask":        {UsageMask: 3},
			"part mask":   {UsageMask: 1},
			"creator":     {Creator: "other"},
			"from":        {InitialFrom: b.Initial},
			"all":         {UIDs: []string{"a", "b"}, Types: []uint32{4}, States: []store.State{2}, UsageMask: 2, Creator: "other", InitialTo: b.Initial},
		} {
			t.Run(name, func(t *testing.T) { expectFound(t, s, "d", q, "b") })
		}
		expectFound(t, s, "d", store.Query{InitialTo: a.Initial}, "a")
		expectFound(t, s, "d", store.Query{UsageMask: 0x80000000}, "a")
		expectFound(t, s, "d", store.Query{UsageMask: 0x80000001})
		expectFound(t, s, "d", store.Query{UIDs: []string{}})
		expectFound(t, s, "d", store.Query{Types: []uint32{}})
	}},
	{"by several names finds each", func(t *testing.T, s store.Store) {
		insert(t, s, object("d", "1"), object("d", "2"), object("d", "3"))
		commit(t, s, store.Change{Take: slices.Concat(name("n", "1"), name("m", "2"), name("o", "3"))})
		expectFound(t, s, "d", store.Query{Names: []string{"n", "m", "x"}}, "2", "1")
		expectFound(t, s, "d", store.Query{Names: []string{"N"}})
	}},
	{"by sides needs all of them", func(t *testing.T, s store.Store) {
		long := strings.Repeat("é", 300)
		insert(t, s, object("d", "1"), object("d", "2"))
		row := func(uid, kind, value string) store.SideRow {
			return store.SideRow{Domain: "d", Side: store.Side{UID: uid, Kind: kind, Value: value}}
		}
		commit(t, s, store.Change{AddSides: []store.SideRow{
			row("1", store.SideLink, "x"), row("1", store.SideLink, "x"), row("1", store.SideCustom, long), row("2", store.SideLink, "x"),
		}})
		commit(t, s, store.Change{AddSides: []store.SideRow{row("1", store.SideLink, "x")}}) // repeated
		link, custom := store.Side{Kind: store.SideLink, Value: "x"}, store.Side{Kind: store.SideCustom, Value: long}
		expectFound(t, s, "d", store.Query{Sides: []store.Side{link}}, "2", "1")
		expectFound(t, s, "d", store.Query{Sides: []store.Side{link, custom}}, "1")
		expectFound(t, s, "d", store.Query{Sides: []store.Side{{Kind: store.SideCustom, Value: "x"}}})
		commit(t, s, store.Change{DropSides: []store.SideRow{row("1", store.SideCustom, long), row("1", store.SideCustom, "never")}})
		expectFound(t, s, "d", store.Query{Sides: []store.Side{custom}})
	}},
	{"by group finds first and further groups", func(t *testing.T, s store.Store) {
		a, b, c := object("d", "a"), object("d", "b"), object("d", "c")
		a.Group, b.Group, c.Group = "g", "h", strings.Repeat("long", 100)
		insert(t, s, a, b, c)
		commit(t, s, store.Change{AddSides: []store.SideRow{{Domain: "d", Side: store.Side{UID: "b", Kind: store.SideGroup, Value: "g"}}}})
		expectFound(t, s, "d", store.Query{Sides: []store.Side{{Kind: store.SideGroup, Value: "g"}}}, "b", "a")
		expectFound(t, s, "d", store.Query{Sides: []store.Side{{Kind: store.SideGroup, Value: c.Group}}}, "c")
	}},
	{"by Deactivation Date", func(t *testing.T, s store.Store) {
		a, b, c := object("d", "a"), object("d", "b"), object("d", "c")
		a.Deactivation, b.Deactivation, c.Deactivation = day, day.Add(time.Hour), time.Time{}
		insert(t, s, a, b, c)
		expectFound(t, s, "d", store.Query{DeactivationFrom: day, DeactivationTo: day.Add(time.Hour)}, "b", "a")
		expectFound(t, s, "d", store.Query{DeactivationFrom: day.Add(time.Microsecond)}, "b")
		expectFound(t, s, "d", store.Query{DeactivationTo: day.Add(time.Hour - time.Microsecond)}, "a")
	}},
	{"needs a limit from 1 to 1000", func(t *testing.T, s store.Store) {
		for _, limit := range []int{-1, 0, 1001} {
			_, err := s.Find(t.Context(), "d", store.Query{Limit: limit})
			expectError(t, err, store.ErrInvalid)
		}
	}},
}

// expectFound finds with a limit of 1000 unless q has one.
func expectFound(t *testing.T, s store.Store, domain string, q store.Query, want ...string) {
	t.Helper()
	if q.Limit == 0 {
		q.Limit = 1000
	}
	got, err := s.Find(context.Background(), domain, q)
	if err != nil {
		t.Fatalf("Find(%+v): %v", q, err)
	}
	if d := diff(want, uids(got)); d != "" {
		t.Errorf("Find(%+v) (-want +got):\n%s", q, d)
	}
}
