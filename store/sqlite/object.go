package sqlite

import (
	"context"
	"encoding/json"

	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/internal/column"
)

// objectColumns without the sealed material, in the order of scanObject.
const objectColumns = bareColumns + `, c.usage_left, c.allocated, c.served, c.last_used`

// bareColumns are those of an object itself; noCounter stands for its counter
// where that is not read.
const (
	bareColumns = `o.domain, o.uid, o.type, o.state, o.algorithm, o.length_bits, o.usage_mask,
	o.object_group, o.creator, o.initial_date, o.activation_date, o.deactivation_date, o.destroy_date,
	o.revision, o.generation, o.material_version, o.attributes, o.mac`
	noCounter = `null, null, null, null`
)

// objectSource is where objectColumns come from: an object that was never used
// has no counter.
const objectSource = ` from object o left join counter c on c.domain = o.domain and c.uid = o.uid`

const (
	sqlObject = `select ` + objectColumns + `, o.material, o.material is not null` + objectSource + `
		where o.domain = ? and o.uid = ?`

	sqlObjects = `select ` + objectColumns + `, o.material, o.material is not null` + objectSource + `
		where o.domain = ? and o.uid in (select value from json_each(?))`

	sqlCount = `select state, count(*) from object where domain = ? group by state`
)

// row is a *sql.Row or *sql.Rows.
type row interface{ Scan(dest ...any) error }

// scanObject reads objectColumns and what follows them.
func scanObject(r row, o *store.Object, more ...any) error {
	var initial int64
	var activation, deactivation, destroyed, left, used *int64
	var allocated, served *bool
	err := r.Scan(append([]any{
		&o.Domain, &o.UID, &o.Type, &o.State, &o.Algorithm, &o.LengthBits, &o.UsageMask,
		&o.Group, &o.Creator, &initial, &activation, &deactivation, &destroyed,
		&o.Revision, &o.Generation, &o.MaterialVersion, &o.Attributes, &o.MAC,
		&left, &allocated, &served, &used,
	}, more...)...)
	o.Initial = column.Time(initial)
	o.Activation = column.OptionalTime(activation)
	o.Deactivation = column.OptionalTime(deactivation)
	o.Destroyed = column.OptionalTime(destroyed)
	o.Counter = column.Counter(left, allocated, served, used)
	return err
}

// scanSealed reads an object with its material. The driver gives nil for
// empty bytes, so that a column of its own tells them from NULL.
func scanSealed(r row, o *store.Object) error {
	var has bool
	err := scanObject(r, o, &o.Material, &has)
	if has {
		o.Material = column.Bytes(o.Material)
	}
	return err
}

// scanBare reads an object without its material.
func scanBare(r row, o *store.Object) error { return scanObject(r, o) }

// Object implements store.Reader.
func (s *Store) Object(ctx context.Context, domain, uid string) (store.Object, error) {
	if err := store.CheckText("identifier", domain, uid); err != nil {
		return store.Object{}, err
	}
	var o store.Object
	if err := scanSealed(s.object.QueryRowContext(ctx, domain, uid), &o); err != nil {
		return store.Object{}, s.failure("read object", err)
	}
	return o, nil
}

// Objects implements store.Reader.
func (s *Store) Objects(ctx context.Context, domain string, uids []string) ([]store.Object, error) {
	if err := store.CheckText("identifier", append([]string{domain}, uids...)...); err != nil {
		return nil, err
	}
	return all(ctx, s, "read objects", scanSealed, sqlObjects, domain, list(uids))
}

// Count implements store.Registry.
func (s *Store) Count(ctx context.Context, domain string) (map[store.State]int64, error) {
	if err := store.CheckText("domain", domain); err != nil {
		return nil, err
	}
	rows, err := s.reads.QueryContext(ctx, sqlCount, domain)
	if err != nil {
		return nil, s.failure("count objects", err)
	}
	defer rows.Close() //nolint:errcheck // Err tells
	counts := make(map[store.State]int64)
	for rows.Next() {
		var state store.State
		var n int64
		if err := rows.Scan(&state, &n); err != nil {
			return nil, s.failure("count objects", err)
		}
		counts[state] = n
	}
	return counts, s.failure("count objects", rows.Err())
}

// list is a parameter for json_each: the number of values does not change the
// statement.
func list[T any](values []T) string {
	b, err := json.Marshal(values)
	if err != nil || values == nil { // texts and numbers never fail
		return "[]"
	}
	return string(b)
}
