package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/internal/column"
)

const (
	sqlGenerations = `select domain, generation, g.closed, coalesce(k.copies, 0)
		from (select domain, generation, count(*) as copies from domain_key group by domain, generation) k
		full join closed_generation g using (domain, generation)
		order by domain, generation`

	// The page is cut from the primary key. How few objects may have the
	// generation is hidden from the planner, who would otherwise sort the table.
	sqlSealed = `select ` + bareColumns + `, ` + noCounter + `, o.material
		from (select * from object where domain = $1 and uid > $3 order by uid offset 0) o
		where o.generation = $2 limit $4`

	// sqlByKey keeps the planner from sorting a domain for each page of a table of
	// which it has no statistics yet.
	sqlByKey = `select set_config('enable_sort', 'off', true), set_config('enable_bitmapscan', 'off', true), set_config('enable_seqscan', 'off', true)`

	sqlSealedCount = `select (select count(*) from object where domain = $1 and generation = $2),
		(select count(*) from record where domain = $1 and generation = $2)`

	// sqlUnused tells whether a generation is closed and has nothing under it.
	sqlUnused = `select exists (select from closed_generation where domain = $1 and generation = $2)
		and not exists (select from object where domain = $1 and generation = $2)
		and not exists (select from record where domain = $1 and generation = $2)`

	sqlReseal = `update object o set generation = $2, revision = u.revision, material = u.material, mac = u.mac
		from unnest($3::text[], $4::bigint[], $5::bytea[], $6::bytea[]) as u (uid, revision, material, mac)
		where o.domain = $1 and o.uid = u.uid and o.revision = u.revision - 1
		and (o.material is null) = (u.material is null)`
)

func scanGeneration(r pgx.Row, g *store.Generation) error {
	var closed *int64
	err := r.Scan(&g.Domain, &g.Generation, &closed, &g.Copies)
	g.Closed = column.OptionalTime(closed)
	return err
}

// Generations implements store.Registry.
func (s *Store) Generations(ctx context.Context) ([]store.Generation, error) {
	return all(ctx, s, "read generations", scanGeneration, sqlGenerations)
}

// Sealed implements store.Registry.
func (s *Store) Sealed(ctx context.Context, domain string, generation int32, after string, limit int) ([]store.Object, error) {
	if err := store.CheckSealed(domain, after, limit); err != nil {
		return nil, err
	}
	var list []store.Object
	err := pgx.BeginTxFunc(ctx, s.reads, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, sqlByKey); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, sqlSealed, domain, generation, after, limit)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (o store.Object, err error) {
			err = scanSealed(r, &o)
			return o, err
		})
		return err
	})
	if err != nil {
		return nil, s.failure("read sealed objects", err)
	}
	return list, nil
}

// SealedCount implements store.Registry.
func (s *Store) SealedCount(ctx context.Context, domain string, generation int32) (objects, records int64, err error) {
	if err := store.CheckText("domain", domain); err != nil {
		return 0, 0, err
	}
	counts, err := one(ctx, s, "count sealed", func(r pgx.Row, n *[2]int64) error { return r.Scan(&n[0], &n[1]) },
		sqlSealedCount, domain, generation)
	return counts[0], counts[1], err
}

// expectUnused returns ErrInUse for a change that drops a generation that is in
// use. It looks before the change is written, so that no other change waits
// while it scans: what was found stays true, because nothing gets under a
// generation that is closed.
func (s *Store) expectUnused(ctx context.Context, c *store.Change) error {
	for _, g := range c.DropGenerations {
		unused, err := one(ctx, s, "drop generation", func(r pgx.Row, v *bool) error { return r.Scan(v) },
			sqlUnused, g.Domain, g.Generation)
		if err != nil {
			return err
		}
		if !unused {
			return fmt.Errorf("postgres: drop generation: %w", store.ErrInUse)
		}
	}
	return nil
}

// Reseal implements store.Store by a connection of the pool. Rows are locked in
// the order in which the committer locks them.
func (s *Store) Reseal(ctx context.Context, objects []store.Object) (int, error) {
	if err := store.CheckReseal(objects); err != nil || len(objects) == 0 {
		return 0, err
	}
	order := make([]*store.Object, len(objects))
	for i := range objects {
		order[i] = &objects[i]
	}
	slices.SortFunc(order, func(a, b *store.Object) int { return strings.Compare(a.UID, b.UID) })
	n := len(order)
	uid, revision := make([]string, n), make([]int64, n)
	material, mac := make([][]byte, n), make([][]byte, n)
	for i, o := range order {
		uid[i], revision[i], material[i], mac[i] = o.UID, o.Revision, o.Material, column.Bytes(o.MAC)
	}
	domain, generation := objects[0].Domain, objects[0].Generation
	var moved int64
	for attempt := 1; ; attempt++ {
		err := pgx.BeginTxFunc(ctx, s.reads, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
			// Nobody closes the generation before this transaction has ended.
			if _, err := tx.Exec(ctx, sqlExpectOpen, domain, generation); err != nil {
				return err
			}
			tag, err := tx.Exec(ctx, sqlReseal, domain, generation, uid, revision, material, mac)
			moved = tag.RowsAffected()
			return err
		})
		switch {
		case err == nil:
			return int(moved), nil
		case attempt == maxAttempts || !isRepeatable(err):
			return 0, s.failure("reseal", err)
		}
	}
}

// isRepeatable tells whether the server gave a transaction up because of others.
func isRepeatable(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == pgerrcode.DeadlockDetected || pg.Code == pgerrcode.SerializationFailure)
}
