package postgres

import (
	"context"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/audit"
	"github.com/claviger/claviger/store/internal/column"
)

const sqlAudit = `select sequence, node, counter, time, domain, actor, source, door, operation,
	uid, outcome, reason, detail, request, mac from audit where true`

func scanEntry(r pgx.Row, e *audit.Entry) error {
	var at int64
	err := r.Scan(&e.Sequence, &e.Node, &e.Counter, &at, &e.Domain, &e.Actor, &e.Source, &e.Door,
		&e.Operation, &e.UID, &e.Outcome, &e.Reason, &e.Detail, &e.Request, &e.MAC)
	e.Time = column.Time(at)
	return err
}

// Audit implements store.Registry.
func (s *Store) Audit(ctx context.Context, q store.AuditQuery) ([]audit.Entry, error) {
	if err := q.Check(); err != nil {
		return nil, err
	}
	text, args := auditSQL(q)
	return all(ctx, s, "read audit", scanEntry, text, args...)
}

// auditSQL writes the conditions of a query. Every value is a parameter.
func auditSQL(q store.AuditQuery) (string, []any) {
	var b strings.Builder
	b.WriteString(sqlAudit)
	var args []any
	and := func(condition string, value any) {
		args = append(args, value)
		b.WriteString(` and ` + condition + strconv.Itoa(len(args)))
	}
	if q.Domain != "" {
		and(`domain = $`, q.Domain)
	}
	if q.UID != "" {
		and(`uid = $`, q.UID)
	}
	if q.Actor != "" {
		and(`actor = $`, q.Actor)
	}
	if q.Operation != "" {
		and(`operation = $`, q.Operation)
	}
	if !q.From.IsZero() {
		and(`time >= $`, column.Micro(q.From))
	}
	if !q.To.IsZero() {
		and(`time <= $`, column.Micro(q.To))
	}
	if q.Before != 0 {
		and(`sequence < $`, q.Before)
	}
	b.WriteString(` order by sequence desc limit ` + strconv.Itoa(q.Limit))
	return b.String(), args
}
