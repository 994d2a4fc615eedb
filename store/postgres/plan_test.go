package postgres

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/testenv"
)

// TestAPageOfARotationIsNotSorted, also on a table of which the database has no
// statistics: a domain would be sorted for each of its pages.
func TestAPageOfARotationIsNotSorted(t *testing.T) {
	t.Parallel()
	ctx, url := t.Context(), testenv.Postgres(t)
	if err := Migrate(ctx, url); err != nil {
		t.Fatal(err)
	}
	s, err := Open(ctx, url, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	err = pgx.BeginTxFunc(ctx, s.reads, pgx.TxOptions{}, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `insert into object (domain, uid, type, state, algorithm, length_bits, usage_mask, object_group, creator,
			initial_date, revision, generation, material_version, attributes, mac)
			select 'd', lpad(n::text, 8, '0'), 2, 1, 3, 256, 12, '', '', 0, 1, 1, 1, '', '' from generate_series(1, 20000) n`)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, sqlByKey); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, "explain "+sqlSealed, "d", int32(1), "00010000", 1000)
		if err != nil {
			return err
		}
		plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if text := strings.Join(plan, "\n"); err == nil && (strings.Contains(text, "Sort") || !strings.Contains(text, "Index Scan using object_pkey")) {
			t.Errorf("the plan:\n%s", text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
