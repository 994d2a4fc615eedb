package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/internal/column"
)

const (
	sqlCounter = `select uid, usage_left, allocated, served, last_used
		from counter where domain = $1 and uid = $2`

	sqlCounters = `select uid, usage_left, allocated, served, last_used
		from counter where domain = $1 and uid = any($2::text[])`
)

func scanCounter(r pgx.Row) (uid string, c store.Counter, err error) {
	var left, used *int64
	err = r.Scan(&uid, &left, &c.Allocated, &c.Served, &used)
	if left != nil {
		c.HasUsage, c.UsageLeft = true, *left
	}
	c.LastUsed = column.OptionalTime(used)
	return uid, c, err
}

// counterOf reads the columns of a counter that may not be there.
func counterOf(left *int64, allocated, served *bool, used *int64) store.Counter {
	var c store.Counter
	if left != nil {
		c.HasUsage, c.UsageLeft = true, *left
	}
	c.Allocated = allocated != nil && *allocated
	c.Served = served != nil && *served
	c.LastUsed = column.OptionalTime(used)
	return c
}

// Counter implements store.Reader.
func (s *Store) Counter(ctx context.Context, domain, uid string) (store.Counter, error) {
	if err := store.CheckText("identifier", domain, uid); err != nil {
		return store.Counter{}, err
	}
	rows, err := s.reads.Query(ctx, sqlCounter, domain, uid)
	if err != nil {
		return store.Counter{}, s.failure("read counter", err)
	}
	defer rows.Close() //nolint:errcheck // Err tells
	var c store.Counter
	if rows.Next() {
		if _, c, err = scanCounter(rows); err != nil {
			return store.Counter{}, s.failure("read counter", err)
		}
	}
	return c, s.failure("read counter", rows.Err())
}

// Counters implements store.Reader.
func (s *Store) Counters(ctx context.Context, domain string, uids []string) (map[string]store.Counter, error) {
	if err := store.CheckText("identifier", append([]string{domain}, uids...)...); err != nil {
		return nil, err
	}
	rows, err := s.reads.Query(ctx, sqlCounters, domain, uids)
	if err != nil {
		return nil, s.failure("read counters", err)
	}
	defer rows.Close() //nolint:errcheck // Err tells
	found := make(map[string]store.Counter, len(uids))
	for rows.Next() {
		uid, c, err := scanCounter(rows)
		if err != nil {
			return nil, s.failure("read counters", err)
		}
		found[uid] = c
	}
	return found, s.failure("read counters", rows.Err())
}
