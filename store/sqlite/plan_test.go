package sqlite

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/claviger/claviger/store"
)

// A search for what few objects have must not walk all objects of the domain.
func TestSelectiveSearchesUseTheirIndex(t *testing.T) {
	ctx := context.Background()
	url := "sqlite:" + filepath.Join(t.TempDir(), "store.db")
	if err := Migrate(ctx, url); err != nil {
		t.Fatal(err)
	}
	s, err := Open(ctx, url, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	states := []store.State{1, 2, 3, 4}
	const walk = "(domain=? AND uid>?)" // in the order of the primary key, without a sort
	expect := func(name, want, text string, args ...any) {
		t.Helper()
		if plan := explain(t, s, text, args...); !strings.HasPrefix(plan, "SEARCH o ") || !strings.Contains(strings.SplitN(plan, "\n", 2)[0], want) ||
			want == walk && strings.Contains(plan, "ORDER BY") {
			t.Errorf("%s:\n%s", name, plan)
		}
	}
	expect("pages of sealed objects", walk, sqlSealed, "d", 1, "", 1)
	for name, q := range map[string]store.Query{
		"by name":       {Names: []string{"n"}, States: states, Limit: 50},
		"by identifier": {UIDs: []string{"u"}, States: states, Limit: 50},
		"by group":      {Sides: []store.Side{{Kind: store.SideGroup, Value: "g"}}, States: states, Limit: 50},
		"by link":       {Sides: []store.Side{{Kind: store.SideLink, Value: "l"}}, States: states, Limit: 50},
	} {
		text, args := findSQL("d", q)
		expect(name, "(domain=? AND uid=?)", text, args...)
	}
}

// explain gives the steps of a plan, a line each.
func explain(t *testing.T, s *Store, text string, args ...any) string {
	t.Helper()
	rows, err := s.reads.QueryContext(t.Context(), "explain query plan "+text, args...)
	if err != nil {
		t.Fatal(err)
	}
	var plan strings.Builder
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			t.Fatal(err)
		}
		plan.WriteString(step + "\n")
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		t.Fatal(err)
	}
	return plan.String()
}
