package sqlite

import (
	"context"
	"strings"

	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/audit"
	"github.com/claviger/claviger/store/internal/column"
)

const sqlAudit = `select sequence, node, counter, time, domain, actor, source, door, operation,
	uid, outcome, reason, detail, request, mac from audit where true`

const sqlAuditCount = `select count(*) from audit where true`

func scanEntry(r row, e *audit.Entry) error {
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
	conditions, args := auditConditions(q)
	text := sqlAudit + conditions + ` order by sequence desc limit ?`
	return all(ctx, s, "read audit", scanEntry, text, append(args, q.Limit)...)
}

// AuditCount implements store.Registry.
func (s *Store) AuditCount(ctx context.Context, q store.AuditQuery) (int64, error) {
	q.Before, q.Limit = 0, 1
	if err := q.Check(); err != nil {
		return 0, err
	}
	conditions, args := auditConditions(q)
	return one(ctx, s, "count audit entries", func(r row, n *int64) error { return r.Scan(n) }, sqlAuditCount+conditions, args...)
}

// auditConditions writes the conditions of a query. Every value is a parameter.
func auditConditions(q store.AuditQuery) (string, []any) {
	var b strings.Builder
	var args []any
	and := func(condition string, value any) {
		b.WriteString(` and ` + condition)
		args = append(args, value)
	}
	if q.Domain != "" {
		and(`domain = ?`, q.Domain)
	}
	if q.UID != "" {
		and(`uid = ?`, q.UID)
	}
	if q.Actor != "" {
		and(`actor = ?`, q.Actor)
	}
	if q.Operation != "" {
		and(`operation = ?`, q.Operation)
	}
	if q.Outcome != "" {
		and(`outcome = ?`, q.Outcome)
	}
	if !q.From.IsZero() {
		and(`time >= ?`, column.Micro(q.From))
	}
	if !q.To.IsZero() {
		and(`time <= ?`, column.Micro(q.To))
	}
	if q.Before != 0 {
		and(`sequence < ?`, q.Before)
	}
	return b.String(), args
}
