package postgres

import (
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/internal/column"
)

// Statements take an array for each column and touch as many rows as the
// arrays have elements, or fail with the code that says why.
const (
	sqlInsertObjects = `insert into object (domain, uid, type, state, algorithm, length_bits, usage_mask,
		object_group, creator, initial_date, activation_date, deactivation_date, destroy_date,
		revision, generation, material_version, material, attributes, mac)
		select * from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::integer[], $7::bigint[],
		$8::text[], $9::text[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[],
		$14::bigint[], $15::integer[], $16::integer[], $17::bytea[], $18::bytea[], $19::bytea[])`

	sqlUpdateObjects = `with done as (
		update object o set type = u.type, state = u.state, algorithm = u.algorithm,
			length_bits = u.length_bits, usage_mask = u.usage_mask, object_group = u.object_group, creator = u.creator,
			initial_date = u.initial_date, activation_date = u.activation_date,
			deactivation_date = u.deactivation_date, destroy_date = u.destroy_date,
			revision = u.revision, generation = u.generation,
			material = case when u.material is not null then u.material
				when o.material_version = u.material_version then o.material end,
			material_version = u.material_version, attributes = u.attributes, mac = u.mac
		from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::integer[], $7::bigint[],
			$8::text[], $9::text[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[],
			$14::bigint[], $15::integer[], $16::integer[], $17::bytea[], $18::bytea[], $19::bytea[])
			as u (domain, uid, type, state, algorithm, length_bits, usage_mask, object_group, creator,
			initial_date, activation_date, deactivation_date, destroy_date,
			revision, generation, material_version, material, attributes, mac)
		where o.domain = u.domain and o.uid = u.uid and o.revision = u.revision - 1
		and (o.generation = u.generation or not exists (` + sqlClosed + `(u.domain, u.generation) for key share))
		returning 1)
		select claviger_expect(count(*), cardinality($1::text[]), '` + codeConflict + `') from done`

	sqlDeleteObjects = `with done as (
		delete from object o using unnest($1::text[], $2::text[], $3::bigint[]) as u (domain, uid, revision)
		where o.domain = u.domain and o.uid = u.uid and o.revision = u.revision
		returning 1)
		select claviger_expect(count(*), cardinality($1::text[]), '` + codeConflict + `') from done`

	sqlReleaseNames = `delete from name n using unnest($1::text[], $2::bytea[], $3::text[]) as u (domain, hash, uid)
		where n.domain = u.domain and n.hash = u.hash and n.uid = u.uid`

	sqlTakeNames = `with done as (
		insert into name (domain, hash, uid) select * from unnest($1::text[], $2::bytea[], $3::text[])
		on conflict (domain, hash) do update set uid = excluded.uid where name.uid = excluded.uid
		returning 1)
		select claviger_expect(count(*), cardinality($1::text[]), '` + codeNameTaken + `') from done`

	sqlDropSides = `delete from side s
		using unnest($1::text[], $2::text[], $3::text[], $4::text[]) as u (domain, kind, value, uid)
		where s.domain = u.domain and s.kind = u.kind and s.value = u.value and s.uid = u.uid`

	sqlAddSides = `insert into side (domain, kind, value, uid)
		select * from unnest($1::text[], $2::text[], $3::text[], $4::text[])
		on conflict (domain, kind, value, uid) do nothing`

	// $3 tells what happens to the limit first: 0 it stays, 1 it becomes $4,
	// 2 it goes. $5 is taken, $6 given back.
	sqlCounterChange = `with done as (
		insert into counter as c (domain, uid, usage_left, allocated, served, last_used)
		values ($1, $2, case when $3::integer = 1 then $4::bigint + $6::bigint - $5::bigint end,
			$5::bigint > 0, $7, $8)
		on conflict (domain, uid) do update set
			usage_left = case $3::integer when 0 then c.usage_left when 1 then $4::bigint end + $6::bigint - $5::bigint,
			allocated = c.allocated or excluded.allocated,
			served = c.served or excluded.served,
			last_used = greatest(c.last_used, excluded.last_used)
		where coalesce(case $3::integer when 0 then c.usage_left when 1 then $4::bigint end + $6::bigint - $5::bigint, 0) >= 0
		returning 1)
		select claviger_expect(count(*), 1, '` + codeExhausted + `') from done`
)

// objectArrays are the parameters of sqlInsertObjects and sqlUpdateObjects.
func objectArrays(list []store.Object) []any {
	n := len(list)
	var (
		domain, uid                      = make([]string, n), make([]string, n)
		kind, state, algorithm           = make([]int64, n), make([]int64, n), make([]int64, n)
		length                           = make([]int32, n)
		mask                             = make([]int64, n)
		group, creator                   = make([]string, n), make([]string, n)
		initial                          = make([]int64, n)
		activation, deactivation, gone   = make([]pgtype.Int8, n), make([]pgtype.Int8, n), make([]pgtype.Int8, n)
		revision                         = make([]int64, n)
		generation, version              = make([]int32, n), make([]int32, n)
		material, attributes, authentics = make([][]byte, n), make([][]byte, n), make([][]byte, n)
	)
	for i := range list {
		o := &list[i]
		domain[i], uid[i] = o.Domain, o.UID
		kind[i], state[i], algorithm[i] = int64(o.Type), int64(o.State), int64(o.Algorithm)
		length[i], mask[i] = o.LengthBits, int64(o.UsageMask)
		group[i], creator[i] = store.IndexValue(o.Group), o.Creator
		initial[i] = column.Micro(o.Initial)
		activation[i], deactivation[i], gone[i] = optional(o.Activation), optional(o.Deactivation), optional(o.Destroyed)
		revision[i], generation[i], version[i] = o.Revision, o.Generation, o.MaterialVersion
		material[i], attributes[i], authentics[i] = o.Material, column.Bytes(o.Attributes), column.Bytes(o.MAC)
	}
	return []any{
		domain, uid, kind, state, algorithm, length, mask, group, creator, initial,
		activation, deactivation, gone, revision, generation, version, material, attributes, authentics,
	}
}

// optional is the parameter for a time that may be missing.
func optional(t time.Time) pgtype.Int8 {
	if t.IsZero() {
		return pgtype.Int8{}
	}
	return pgtype.Int8{Int64: column.Micro(t), Valid: true}
}

func (b *batch) queueObjects(c *store.Change) {
	if n := len(c.Delete); n > 0 {
		domain, uid, revision := make([]string, n), make([]string, n), make([]int64, n)
		for i, r := range c.Delete {
			domain[i], uid[i], revision[i] = r.Domain, r.UID, r.Revision
		}
		b.queue("delete object", sqlDeleteObjects, domain, uid, revision)
	}
	if len(c.Release) > 0 {
		b.queue("release name", sqlReleaseNames, nameArrays(c.Release)...)
	}
	if len(c.Insert) > 0 {
		b.queue("insert object", sqlInsertObjects, objectArrays(c.Insert)...)
	}
	if len(c.Update) > 0 {
		b.queue("update object", sqlUpdateObjects, objectArrays(c.Update)...)
	}
	if len(c.Take) > 0 {
		b.queue("take name", sqlTakeNames, nameArrays(c.Take)...)
	}
}

func nameArrays(list []store.Name) []any {
	domain, hash, uid := make([]string, len(list)), make([][]byte, len(list)), make([]string, len(list))
	for i, n := range list {
		domain[i], hash[i], uid[i] = n.Domain, column.NameHash(n.Value), n.UID
	}
	return []any{domain, hash, uid}
}

func (b *batch) queueSides(c *store.Change) {
	if len(c.DropSides) > 0 {
		b.queue("drop side", sqlDropSides, sideArrays(c.DropSides)...)
	}
	if len(c.AddSides) > 0 {
		b.queue("add side", sqlAddSides, sideArrays(c.AddSides)...)
	}
}

func sideArrays(list []store.SideRow) []any {
	n := len(list)
	domain, kind, value, uid := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	for i, s := range list {
		domain[i], kind[i], value[i], uid[i] = s.Domain, s.Kind, s.Value, s.UID
	}
	return []any{domain, kind, value, uid}
}

// queueCounters adds a statement for each change: several may concern one counter.
func (b *batch) queueCounters(c *store.Change) error {
	for _, u := range c.Counters {
		mode, limit := column.Usage(u)
		if mode == column.SetUsage && limit+u.Give-u.Take < 0 {
			return fmt.Errorf("change counter: %w", store.ErrExhausted)
		}
		b.queue("change counter", sqlCounterChange,
			u.Domain, u.UID, mode, limit, u.Take, u.Give, u.Serve, optional(u.Used))
	}
	return nil
}
