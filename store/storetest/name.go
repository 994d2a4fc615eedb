package storetest

import (
	"strings"
	"testing"

	"github.com/claviger/claviger/store"
)

func name(value, uid string) []store.Name {
	return []store.Name{{Domain: "d", Value: value, UID: uid}}
}

var nameCases = []testCase{
	{"is unique in its domain", func(t *testing.T, s store.Store) {
		insert(t, s, object("d", "1"), object("d", "2"), object("e", "1"))
		commit(t, s, store.Change{Take: name("n", "1")})
		expectError(t, s.Commit(t.Context(), store.Change{Take: name("n", "2")}), store.ErrNameTaken)
		commit(t, s, store.Change{Take: []store.Name{{Domain: "e", Value: "n", UID: "1"}}})
		expectFound(t, s, "d", store.Query{Names: []string{"n"}}, "1")
		expectFound(t, s, "e", store.Query{Names: []string{"n"}}, "1")
	}},
	{"may be taken again by its object", func(t *testing.T, s store.Store) {
		insert(t, s, object("d", "1"))
		commit(t, s, store.Change{Take: name("n", "1")})
		commit(t, s, store.Change{Take: append(name("n", "1"), name("n", "1")...)})
	}},
	{"of two objects in one change is refused", func(t *testing.T, s store.Store) {
		c := store.Change{
			Insert: []store.Object{object("d", "1"), object("d", "2")},
			Take:   append(name("n", "1"), name("n", "2")...),
		}
		expectError(t, s.Commit(t.Context(), c), store.ErrNameTaken)
		expectFound(t, s, "d", store.Query{})
	}},
	{"is free after it was given up", func(t *testing.T, s store.Store) {
		insert(t, s, object("d", "1"), object("d", "2"))
		commit(t, s, store.Change{Take: name("n", "1")})
		commit(t, s, store.Change{Release: name("n", "2")}) // not its name: nothing happens
		expectError(t, s.Commit(t.Context(), store.Change{Take: name("n", "2")}), store.ErrNameTaken)
		commit(t, s, store.Change{Release: name("n", "1")})
		expectFound(t, s, "d", store.Query{Names: []string{"n"}})
		commit(t, s, store.Change{Take: name("n", "2")})
	}},
	{"moves to another object in one change", func(t *testing.T, s store.Store) {
		insert(t, s, object("d", "1"), object("d", "2"))
		commit(t, s, store.Change{Take: name("n", "1")})
		commit(t, s, store.Change{Release: name("n", "1"), Take: name("n", "2")})
		expectFound(t, s, "d", store.Query{Names: []string{"n"}}, "2")
	}},
	{"that differs in case, accent or length is another", func(t *testing.T, s store.Store) {
		long := strings.Repeat("x", 5000)
		for i, n := range []string{"key", "Key", "kéy", "ke\u0301y", "key ", "", long, long + "x"} {
			o := object("d", string(rune('a'+i)))
			commit(t, s, store.Change{Insert: []store.Object{o}, Take: name(n, o.UID)})
			expectFound(t, s, "d", store.Query{Names: []string{n}}, o.UID)
		}
	}},
	{"of an object that is not there is refused", func(t *testing.T, s store.Store) {
		expectError(t, s.Commit(t.Context(), store.Change{Take: name("n", "1")}), store.ErrNotFound)
	}},
}
