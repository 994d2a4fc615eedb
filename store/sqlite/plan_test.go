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
	for name, q := range map[string]store.Query{
		"by name":       {Names: []string{"n"}, States: states, Limit: 50},
		"by identifier": {UIDs: []string{"u"}, States: states, Limit: 50},
		"by group":      {Sides: []store.Side{{Kind: store.SideGroup, Value: "g"}}, States: states, Limit: 50},
		"by link":       {Sides: []store.Side{{Kind: store.SideLink, Value: "l"}}, States: states, Limit: 50},
	} {
		text, args := findSQL("d", q)
		rows, err := s.reads.QueryContext(ctx, "explain query plan "+text, args...)
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
		if !strings.HasPrefix(plan.String(), "SEARCH o ") || !strings.Contains(strings.SplitN(plan.String(), "\n", 2)[0], "(domain=? AND uid=?)") {
			t.Errorf("%s:\n%s", name, plan.String())
		}
	}
}
