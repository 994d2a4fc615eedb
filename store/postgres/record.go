package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/internal/column"
)

const (
	recordColumns = `domain, kind, key, revision, created, expires, generation, value`

	sqlRecord  = `select ` + recordColumns + ` from record where domain = $1 and kind = $2 and key = $3`
	sqlRecords = `select ` + recordColumns + ` from record
		where $1::text in (domain, '') and $2::text in (kind, '') and ($3::bigint is null or expires <= $3)
		and $4::integer in (generation, 0) and ($6::bigint is null or (created, domain, key) > ($6, $7, $8))
		order by created, domain, key limit $5`
)

func scanRecord(r pgx.Row, v *store.Record) error {
	var created int64
	var expires *int64
	err := r.Scan(&v.Domain, &v.Kind, &v.Key, &v.Revision, &created, &expires, &v.Generation, &v.Value)
	v.Created, v.Expires = column.Time(created), column.OptionalTime(expires)
	return err
}

// Record implements store.Registry.
func (s *Store) Record(ctx context.Context, domain, kind, key string) (store.Record, error) {
	if err := store.CheckText("record", domain, kind, key); err != nil {
		return store.Record{}, err
	}
	return one(ctx, s, "read record", scanRecord, sqlRecord, domain, kind, key)
}

// Records implements store.Registry.
func (s *Store) Records(ctx context.Context, q store.RecordQuery) ([]store.Record, error) {
	if err := q.Check(); err != nil {
		return nil, err
	}
	var after store.RecordPosition
	if q.After != nil {
		after = *q.After
	}
	return all(ctx, s, "read records", scanRecord, sqlRecords, q.Domain, q.Kind, optional(q.Expired), q.Generation, q.Limit,
		optional(after.Created), after.Domain, after.Key)
}
