package postgres

import (
	"context"
	"strconv"
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

// findSQL writes the conditions of a query. Every value is a parameter: each
// question mark of a condition gets the next number.
func findSQL(domain string, q store.Query) (string, []any) {
	var b strings.Builder
	b.WriteString(`select ` + objectColumns + objectSource + ` where o.domain = $1`)
	args := []any{domain}
	and := func(condition string, values ...any) {
		b.WriteString(` and `)
		for _, v := range values {
			args = append(args, v)
			before, after, _ := strings.Cut(condition, `?`)
			b.WriteString(before + `$` + strconv.Itoa(len(args)))
			condition = after
		}
		b.WriteString(condition)
	}
	if q.UIDs != nil {
		and(`o.uid = any(?)`, q.UIDs)
	}
	if q.Types != nil {
		and(`o.type = any(?)`, numbers(q.Types))
	}
	if q.States != nil {
		and(`o.state = any(?)`, numbers(q.States))
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
		hashes := make([][]byte, len(q.Names))
		for i, n := range q.Names {
			hashes[i] = column.NameHash(n)
		}
		and(`o.uid in (select n.uid from name n where n.domain = ?
			and n.hash = any(?))`, domain, hashes)
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
		and(`o.initial_date >= ?`, column.Micro(q.InitialFrom))
	}
	if !q.InitialTo.IsZero() {
		and(`o.initial_date <= ?`, column.Micro(q.InitialTo))
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
	b.WriteString(` order by o.initial_date desc, o.uid desc limit ` + strconv.Itoa(q.Limit))
	return b.String(), args
}

// numbers are values for a bigint[].
func numbers[T ~uint32](values []T) []int64 {
	list := make([]int64, len(values))
	for i, v := range values {
		list[i] = int64(v)
	}
	return list
}
