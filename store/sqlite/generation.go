package sqlite

import (
	"context"
	"fmt"

	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/internal/column"
)

const (
	sqlGenerations = `select domain, generation, g.closed, coalesce(k.copies, 0)
		from (select domain, generation, count(*) as copies from domain_key group by domain, generation) k
		full join closed_generation g using (domain, generation)
		order by domain, generation`

	// The page is cut from the primary key.
	sqlSealed = `select ` + bareColumns + `, ` + noCounter + `, o.material, o.material is not null
		from object o where o.domain = ?1 and o.uid > ?3 and o.generation = ?2
		order by o.uid limit ?4`

	sqlSealedCount = `select (select count(*) from object where domain = ?1 and generation = ?2),
		(select count(*) from record where domain = ?1 and generation = ?2)`

	// sqlUnused tells whether a generation is closed and has nothing under it.
	sqlUnused = `select exists (select 1 from closed_generation where domain = ?1 and generation = ?2)
		and not exists (select 1 from object where domain = ?1 and generation = ?2)
		and not exists (select 1 from record where domain = ?1 and generation = ?2)`

	sqlReseal = `update object set generation = ?2, revision = ?4, material = ?5, mac = ?6
		where domain = ?1 and uid = ?3 and revision = ?4 - 1
		and (material is null) = (?5 is null)`
)

func scanGeneration(r row, g *store.Generation) error {
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
	return all(ctx, s, "read sealed objects", scanSealed, sqlSealed, domain, generation, after, limit)
}

// SealedCount implements store.Registry.
func (s *Store) SealedCount(ctx context.Context, domain string, generation int32) (objects, records int64, err error) {
	if err := store.CheckText("domain", domain); err != nil {
		return 0, 0, err
	}
	counts, err := one(ctx, s, "count sealed", func(r row, n *[2]int64) error { return r.Scan(&n[0], &n[1]) },
		sqlSealedCount, domain, generation)
	return counts[0], counts[1], err
}

// expectUnused returns ErrInUse for a change that drops a generation that is in
// use. It looks before the change is written, so that no other change waits
// while it scans: what was found stays true, because nothing gets under a
// generation that is closed.
func (s *Store) expectUnused(ctx context.Context, c *store.Change) error {
	for _, g := range c.DropGenerations {
		unused, err := one(ctx, s, "drop generation", func(r row, v *bool) error { return r.Scan(v) },
			sqlUnused, g.Domain, g.Generation)
		if err != nil {
			return err
		}
		if !unused {
			return fmt.Errorf("sqlite: drop generation: %w", store.ErrInUse)
		}
	}
	return nil
}

// Reseal implements store.Store in one transaction, for which the committer
// waits.
func (s *Store) Reseal(ctx context.Context, objects []store.Object) (int, error) {
	if err := store.CheckReseal(objects); err != nil || len(objects) == 0 {
		return 0, err
	}
	var moved int64
	err := s.writer.transaction(ctx, func() error {
		if err := s.writer.expectOpen(ctx, objects[0].Domain, objects[0].Generation); err != nil {
			return err
		}
		for i := range objects {
			o := &objects[i]
			n, err := s.writer.run(ctx, sqlReseal, o.Domain, o.Generation, o.UID, o.Revision, o.Material, column.Bytes(o.MAC))
			if err != nil {
				return err
			}
			moved += n
		}
		return nil
	})
	if err != nil {
		return 0, s.failure("reseal", err)
	}
	return int(moved), nil
}
