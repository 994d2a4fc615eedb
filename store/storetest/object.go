package storetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/claviger/claviger/store"
)

var objectCases = []testCase{
	{"is read as it was inserted", func(t *testing.T, s store.Store) {
		want := object("d", "1")
		insert(t, s, want)
		expectObject(t, s, want)
	}},
	{"without dates and material is read so", func(t *testing.T, s store.Store) {
		want := store.Object{Domain: "d", UID: "1", Initial: day, Revision: 1}
		insert(t, s, want)
		expectObject(t, s, want)
	}},
	{"empty material is not missing material", func(t *testing.T, s store.Store) {
		want := object("d", "1")
		want.Material = []byte{}
		insert(t, s, want)
		expectObject(t, s, want)
	}},
	{"numbers of 32 bits are kept", func(t *testing.T, s store.Store) {
		want := object("d", "1")
		want.Type, want.State, want.Algorithm, want.UsageMask = ^uint32(0), ^store.State(0), ^uint32(0), ^uint32(0)
		insert(t, s, want)
		expectObject(t, s, want)
	}},
	{"times before 1970 and far ahead are kept to the microsecond", func(t *testing.T, s store.Store) {
		want := object("d", "1")
		want.Initial = time.Date(1969, 12, 31, 23, 59, 59, 999999000, time.UTC)
		want.Activation = time.Date(1, 1, 1, 0, 0, 0, 1000, time.UTC)
		want.Deactivation = time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC)
		want.Destroyed = time.Unix(0, 0).UTC() // 1970 is a time and not none
		insert(t, s, want)
		expectObject(t, s, want)
	}},
	{"times come back in UTC", func(t *testing.T, s store.Store) {
		o := object("d", "1")
		o.Initial = o.Initial.In(time.FixedZone("x", 3600))
		insert(t, s, o)
		expectObject(t, s, object("d", "1"))
	}},
	{"one MiB of material is kept", func(t *testing.T, s store.Store) {
		want := object("d", "1")
		want.Material = make([]byte, 1<<20)
		if _, err := rand.Read(want.Material); err != nil {
			t.Fatal(err)
		}
		want.Attributes = bytes.Repeat([]byte{0, 0xff}, 1<<18)
		insert(t, s, want)
		expectObject(t, s, want)
	}},
	{"any UTF-8 is an identifier", func(t *testing.T, s store.Store) {
		for _, uid := range []string{"ÄÖ", "äö", "𝄞", "a b", "a'b\"c\\", "a", "A", "á", "a\u0301", "%_?$1"} {
			want := object("d", uid)
			insert(t, s, want)
			expectObject(t, s, want)
		}
	}},
	{"U+0000 and broken UTF-8 are refused", func(t *testing.T, s store.Store) {
		for _, text := range []string{"a\x00b", "a\xff"} {
			o := object("d", text)
			expectError(t, s.Commit(t.Context(), store.Change{Insert: []store.Object{o}}), store.ErrInvalid)
			o = object("d", "1")
			o.Group = text
			expectError(t, s.Commit(t.Context(), store.Change{Insert: []store.Object{o}}), store.ErrInvalid)
			_, err := s.Object(t.Context(), "d", text)
			expectError(t, err, store.ErrInvalid)
			_, err = s.Find(t.Context(), "d", store.Query{Names: []string{text}, Limit: 1})
			expectError(t, err, store.ErrInvalid)
		}
	}},
	{"another domain does not see it", func(t *testing.T, s store.Store) {
		insert(t, s, object("d", "1"))
		_, err := s.Object(t.Context(), "e", "1")
		expectError(t, err, store.ErrNotFound)
		list, err := s.Objects(t.Context(), "e", []string{"1"})
		if err != nil || len(list) != 0 {
			t.Errorf("Objects of another domain: %v, %v", list, err)
		}
		expectFound(t, s, "e", store.Query{})
		other := object("e", "1")
		other.Material = []byte("other")
		insert(t, s, other)
		expectObject(t, s, object("d", "1"))
		expectObject(t, s, other)
	}},
	{"several are read at once", func(t *testing.T, s store.Store) {
		a, b := object("d", "a"), object("d", "b")
		insert(t, s, a, b)
		got, err := s.Objects(t.Context(), "d", []string{"b", "missing", "a", "a"})
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(got, func(x, y store.Object) int { return bytes.Compare([]byte(x.UID), []byte(y.UID)) })
		if d := diff([]store.Object{a, b}, got); d != "" {
			t.Errorf("Objects (-want +got):\n%s", d)
		}
		if got, err := s.Objects(t.Context(), "d", nil); err != nil || len(got) != 0 {
			t.Errorf("Objects of no identifiers: %v, %v", got, err)
		}
	}},
	{"a second insert is refused", func(t *testing.T, s store.Store) {
		insert(t, s, object("d", "1"))
		expectError(t, s.Commit(t.Context(), store.Change{Insert: []store.Object{object("d", "1")}}), store.ErrExists)
	}},
	{"the same object twice in a change is refused", func(t *testing.T, s store.Store) {
		c := store.Change{Insert: []store.Object{object("d", "1")}, Delete: []store.Ref{{Domain: "d", UID: "1", Revision: 1}}}
		expectError(t, s.Commit(t.Context(), c), store.ErrInvalid)
	}},
	{"an update changes every column", func(t *testing.T, s store.Store) {
		insert(t, s, object("d", "1"), object("d", "2"))
		want := store.Object{
			Domain: "d", UID: "1", Type: 3, State: 2, Algorithm: 4, LengthBits: 128, UsageMask: 1, Group: "g", Creator: "c",
			Initial: day.Add(time.Minute), Activation: day.Add(time.Hour), Revision: 2, Generation: 8, MaterialVersion: 2,
			Material: []byte("new"), Attributes: []byte("new attributes"), MAC: []byte("new mac"),
		}
		commit(t, s, store.Change{Update: []store.Object{want}})
		expectObject(t, s, want)
		expectObject(t, s, object("d", "2"))
	}},
	{"an update without material keeps it", func(t *testing.T, s store.Store) {
		insert(t, s, object("d", "1"))
		want := object("d", "1")
		want.Revision, want.Material = 2, nil
		commit(t, s, store.Change{Update: []store.Object{want}})
		want.Material = object("d", "1").Material
		expectObject(t, s, want)
	}},
	{"an update without material and with another version removes it", func(t *testing.T, s store.Store) {
		insert(t, s, object("d", "1"))
		want := object("d", "1")
		want.Revision, want.MaterialVersion, want.Material = 2, 2, nil
		commit(t, s, store.Change{Update: []store.Object{want}})
		expectObject(t, s, want)
	}},
	{"an update on an old revision is a conflict", func(t *testing.T, s store.Store) {
		insert(t, s, object("d", "1"))
		for _, revision := range []int64{1, 3} {
			o := object("d", "1")
			o.Revision = revision
			expectError(t, s.Commit(t.Context(), store.Change{Update: []store.Object{o}}), store.ErrConflict)
		}
		expectObject(t, s, object("d", "1"))
	}},
	{"an update of nothing is a conflict", func(t *testing.T, s store.Store) {
		o := object("d", "1")
		o.Revision = 2
		expectError(t, s.Commit(t.Context(), store.Change{Update: []store.Object{o}}), store.ErrConflict)
	}},
	{"a delete takes names, sides and counter with it", func(t *testing.T, s store.Store) {
		left := int64(5)
		commit(t, s, store.Change{
			Insert:   []store.Object{object("d", "1")},
			Take:     []store.Name{{Domain: "d", Value: "n", UID: "1"}},
			AddSides: []store.SideRow{{Domain: "d", Side: store.Side{UID: "1", Kind: store.SideLink, Value: "x"}}},
			Counters: []store.CounterChange{{Domain: "d", UID: "1", SetUsage: &left}},
		})
		expectError(t, s.Commit(t.Context(), store.Change{Delete: []store.Ref{{Domain: "d", UID: "1", Revision: 2}}}), store.ErrConflict)
		commit(t, s, store.Change{Delete: []store.Ref{{Domain: "d", UID: "1", Revision: 1}}})
		_, err := s.Object(t.Context(), "d", "1")
		expectError(t, err, store.ErrNotFound)
		commit(t, s, store.Change{
			Insert: []store.Object{object("d", "1"), object("d", "2")},
			Take:   []store.Name{{Domain: "d", Value: "n", UID: "2"}},
		})
		if o, err := s.Object(t.Context(), "d", "1"); err != nil || o.Counter != (store.Counter{}) {
			t.Errorf("counter after delete: %+v, %v", o.Counter, err)
		}
		expectFound(t, s, "d", store.Query{Sides: []store.Side{{Kind: store.SideLink, Value: "x"}}})
	}},
	{"are counted by state", func(t *testing.T, s store.Store) {
		list := []store.Object{object("d", "1"), object("d", "2"), object("d", "3"), object("e", "1")}
		list[1].State = 4
		insert(t, s, list...)
		got, err := s.Count(t.Context(), "d")
		if d := diff(map[store.State]int64{1: 2, 4: 1}, got); d != "" || err != nil {
			t.Errorf("Count (-want +got):\n%s %v", d, err)
		}
	}},
}

func expectObject(t *testing.T, s store.Store, want store.Object) {
	t.Helper()
	got, err := s.Object(context.Background(), want.Domain, want.UID)
	if err != nil {
		t.Fatalf("Object(%q, %q): %v", want.Domain, want.UID, err)
	}
	if d := diff(want, got); d != "" {
		t.Errorf("Object(%q, %q) (-want +got):\n%s", want.Domain, want.UID, d)
	}
}

func expectError(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("got error %v, want %v", got, want)
	}
}
