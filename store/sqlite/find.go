package sqlite

import (
	"context"
	"encoding/hex"
	"strings"

	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/internal/column"
)

// Find implements store.Reader. Pages are found by key, not by counting: the
// order is that of the index object_by_date.
func (s *Store) Find(ctx context.Context, domain string, q store.Query) ([]store.Object, error) {
	if err := store.CheckText("domain", domain); err != nil {
		return nil, err
	}
	if err := q.Check(); err != nil {
		return nil, err
	}
	text, args := findSQL(domain, q)
	return all(ctx, s, "find objects", scanBare, text, args...)
}

// findSQL writes the conditions of a query. Every value is a parameter.
func findSQL(domain string, q store.Query) (string, []any) {
	var b strings.Builder
	b.WriteString(`select ` + objectColumns + objectSource + ` where o.domain = ?`)
	args := []any{domain}
	// What finds few objects is to be used, not an index on state or date: a
	// plus sign before a column forbids those.
	plus := ""
	if q.UIDs != nil || q.Names != nil || len(q.Sides) > 0 {
		plus = "+"
	}
	and := func(condition string, values ...any) {
		b.WriteString(` and ` + condition)
		args = append(args, values...)
	}
	if q.UIDs != nil {
		and(`o.uid in (select value from json_each(?))`, list(q.UIDs))
	}
	if q.Types != nil {
		and(`o.type in (select value from json_each(?))`, list(q.Types))
	}
	if q.States != nil {
		and(plus+`o.state in (select value from json_each(?))`, list(q.States))
	}
	if q.Algorithm != nil {
		and(`o.algorithm = ?`, int64(*q.Algorithm))
	}
	if q.Length != nil {
		and(`o.length_bits = ?`, *q.Length)
	}
	if q.UsageMask != 0 {
		and(`o.usage_mask & ? = ?`, int64(q.UsageMask), int64(q.UsageMask))
	}
	if q.Names != nil {
		hashes := make([]string, len(q.Names))
		for i, n := range q.Names {
			hashes[i] = hex.EncodeToString(column.NameHash(n))
		}
		and(`o.uid in (select n.uid from name n where n.domain = ?
			and n.hash in (select unhex(value) from json_each(?)))`, domain, list(hashes))
	}
	for _, side := range q.Sides {
		value := store.IndexValue(side.Value)
		const inSide = `o.uid in (select s.uid from side s where s.domain = ? and s.kind = ? and s.value = ?`
		if side.Kind == store.SideGroup {
			and(inSide+` union select g.uid from object g where g.domain = ? and g.object_group = ?)`,
				domain, side.Kind, value, domain, value)
		} else {
			and(inSide+`)`, domain, side.Kind, value)
		}
	}
	if q.Creator != "" {
		and(`o.creator = ?`, q.Creator)
	}
	if !q.InitialFrom.IsZero() {
		and(plus+`o.initial_date >= ?`, column.Micro(q.InitialFrom))
	}
	if !q.InitialTo.IsZero() {
		and(plus+`o.initial_date <= ?`, column.Micro(q.InitialTo))
	}
	if !q.DeactivationFrom.IsZero() {
		and(`o.deactivation_date >= ?`, column.Micro(q.DeactivationFrom))
	}
	if !q.DeactivationTo.IsZero() {
		and(`o.deactivation_date <= ?`, column.Micro(q.DeactivationTo))
	}
	if q.After != nil {
		and(`(o.initial_date, o.uid) < (?, ?)`, column.Micro(q.After.Initial), q.After.UID)
	}
	b.WriteString(` order by ` + plus + `o.initial_date desc, ` + plus + `o.uid desc limit ?`)
	return b.String(), append(args, q.Limit)
}
