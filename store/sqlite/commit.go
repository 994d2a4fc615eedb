package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/audit"
	"github.com/claviger/claviger/store/internal/column"
)

const (
	sqlInsertObject = `insert into object (domain, uid, type, state, algorithm, length_bits, usage_mask,
		object_group, creator, initial_date, activation_date, deactivation_date, destroy_date,
		revision, generation, material_version, material, attributes, mac)
		select ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19
		where not exists (` + sqlClosed + `(?1, ?15))`

	sqlUpdateObject = `update object set type = ?3, state = ?4, algorithm = ?5, length_bits = ?6, usage_mask = ?7,
		object_group = ?8, creator = ?9, initial_date = ?10, activation_date = ?11, deactivation_date = ?12,
		destroy_date = ?13, revision = ?14, generation = ?15,
		material = case when ?17 is not null then ?17 when material_version = ?16 then material end,
		material_version = ?16, attributes = ?18, mac = ?19
		where domain = ?1 and uid = ?2 and revision = ?14 - 1
		and (generation = ?15 or not exists (` + sqlClosed + `(?1, ?15)))`

	sqlDeleteObject = `delete from object where domain = ? and uid = ? and revision = ?`

	sqlReleaseName = `delete from name where domain = ? and hash = ? and uid = ?`

	sqlTakeName = `insert into name (domain, hash, uid) values (?, ?, ?)
		on conflict (domain, hash) do update set uid = excluded.uid where name.uid = excluded.uid`

	sqlDropSide = `delete from side where domain = ? and kind = ? and value = ? and uid = ?`

	sqlAddSide = `insert into side (domain, kind, value, uid) values (?, ?, ?, ?)
		on conflict (domain, kind, value, uid) do nothing`

	// ?3 tells what happens to the limit first: 0 it stays, 1 it becomes ?4,
	// 2 it goes. ?5 is taken, ?6 given back.
	sqlCounterChange = `insert into counter as c (domain, uid, usage_left, allocated, served, last_used)
		values (?1, ?2, case when ?3 = 1 then ?4 + ?6 - ?5 end, ?5 > 0, ?7, ?8)
		on conflict (domain, uid) do update set
			usage_left = case ?3 when 0 then c.usage_left when 1 then ?4 end + ?6 - ?5,
			allocated = max(c.allocated, excluded.allocated),
			served = max(c.served, excluded.served),
			last_used = coalesce(max(c.last_used, excluded.last_used), c.last_used, excluded.last_used)
		where coalesce(case ?3 when 0 then c.usage_left when 1 then ?4 end + ?6 - ?5, 0) >= 0`

	sqlEntryRow    = `(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	sqlInsertEntry = `insert into audit (node, counter, time, domain, actor, source, door, operation,
		uid, outcome, reason, detail, request, mac) values ` + sqlEntryRow

	sqlLastEntry = `select coalesce(max(counter), 0) from audit where node = ?`
)

// entriesAtOnce is how many audit entries one statement inserts when there are
// so many: most of what a group of reads costs is its entries.
const entriesAtOnce = 8

var sqlInsertEntries = sqlInsertEntry + strings.Repeat(", "+sqlEntryRow, entriesAtOnce-1)

// writer implements commit.Writer on the one connection for writing, which the
// committer shares with Reseal.
type writer struct {
	mu   sync.Mutex // held for a transaction
	conn *sql.Conn  // guarded by mu
	// The statements of every day, prepared; the others are rare. Guarded by mu.
	statements map[string]*sql.Stmt
}

func newWriter(ctx context.Context, db *sql.DB) (*writer, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	w := &writer{conn: conn, statements: make(map[string]*sql.Stmt)}
	for _, text := range []string{
		sqlBegin, sqlCommit, sqlRollback,
		sqlInsertObject, sqlUpdateObject, sqlDeleteObject, sqlReleaseName, sqlTakeName,
		sqlDropSide, sqlAddSide, sqlCounterChange, sqlInsertEntry, sqlInsertEntries, sqlReseal,
	} {
		st, err := conn.PrepareContext(ctx, text) //nolint:sqlclosecheck // close does
		if err != nil {
			return nil, errors.Join(err, w.close())
		}
		w.statements[text] = st
	}
	return w, nil
}

const (
	sqlBegin    = `begin immediate`
	sqlCommit   = `commit`
	sqlRollback = `rollback`
)

func (w *writer) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var errs []error
	for _, st := range w.statements {
		errs = append(errs, st.Close())
	}
	return errors.Join(append(errs, w.conn.Close())...)
}

// Write implements commit.Writer.
func (w *writer) Write(ctx context.Context, c *store.Change) error {
	return w.transaction(ctx, func() error { return w.apply(ctx, c) })
}

// transaction makes durable what a function writes, or undoes it.
func (w *writer) transaction(ctx context.Context, write func() error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := w.run(ctx, sqlBegin); err != nil {
		return fmt.Errorf("sqlite: begin: %w", kind(err))
	}
	err := write()
	if err != nil {
		err = fmt.Errorf("sqlite: %w", err)
	} else if _, cerr := w.run(context.WithoutCancel(ctx), sqlCommit); cerr != nil {
		err = fmt.Errorf("sqlite: %w: %w", store.ErrOutcomeUnknown, cerr)
	}
	if err != nil {
		// The transaction may be gone already: then this fails and nothing is lost.
		_, _ = w.run(context.WithoutCancel(ctx), sqlRollback)
	}
	return err
}

// Settle implements commit.Writer. There is no transaction left: Write has
// rolled it back.
func (w *writer) Settle(ctx context.Context, node string) (int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var last int64
	if err := w.conn.QueryRowContext(ctx, sqlLastEntry, node).Scan(&last); err != nil {
		return 0, fmt.Errorf("sqlite: read audit counter: %w", kind(err))
	}
	return last, nil
}

func (w *writer) run(ctx context.Context, text string, args ...any) (int64, error) {
	var result sql.Result
	var err error
	if st := w.statements[text]; st != nil {
		result, err = st.ExecContext(ctx, args...)
	} else {
		result, err = w.conn.ExecContext(ctx, text, args...)
	}
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// must runs a statement that has to touch one row, or else fails with miss. A
// nil miss allows any number.
func (w *writer) must(ctx context.Context, verb string, miss error, text string, args ...any) error {
	n, err := w.run(ctx, text, args...)
	if err != nil {
		return fmt.Errorf("%s: %w", verb, kind(err))
	}
	if n != 1 && miss != nil {
		return fmt.Errorf("%s: %w", verb, miss)
	}
	return nil
}

// apply writes the parts of a change, those first that others refer to.
func (w *writer) apply(ctx context.Context, c *store.Change) error {
	if err := w.applyClose(ctx, c); err != nil {
		return err
	}
	if err := w.applyRegistry(ctx, c); err != nil {
		return err
	}
	if err := w.applyDomainKeys(ctx, c); err != nil {
		return err
	}
	if err := w.applyObjects(ctx, c); err != nil {
		return err
	}
	for _, s := range c.DropSides {
		if err := w.must(ctx, "drop side", nil, sqlDropSide, s.Domain, s.Kind, s.Value, s.UID); err != nil {
			return err
		}
	}
	for _, s := range c.AddSides {
		if err := w.must(ctx, "add side", nil, sqlAddSide, s.Domain, s.Kind, s.Value, s.UID); err != nil {
			return err
		}
	}
	for _, u := range c.Counters {
		if err := w.applyCounter(ctx, u); err != nil {
			return err
		}
	}
	return w.applyAudit(ctx, c.Audit)
}

// applyAudit inserts entries in their order.
func (w *writer) applyAudit(ctx context.Context, entries []audit.Entry) error {
	for len(entries) > 0 {
		n, text := 1, sqlInsertEntry
		if len(entries) >= entriesAtOnce {
			n, text = entriesAtOnce, sqlInsertEntries
		}
		args := make([]any, 0, n*14)
		for i := range entries[:n] {
			e := &entries[i]
			args = append(args, e.Node, e.Counter, column.Micro(e.Time), e.Domain, e.Actor, e.Source, e.Door,
				e.Operation, e.UID, e.Outcome, e.Reason, e.Detail, e.Request, column.Bytes(e.MAC))
		}
		if err := w.must(ctx, "add audit entries", nil, text, args...); err != nil {
			return err
		}
		entries = entries[n:]
	}
	return nil
}

func (w *writer) applyObjects(ctx context.Context, c *store.Change) error {
	for _, r := range c.Delete {
		if err := w.must(ctx, "delete object", store.ErrConflict, sqlDeleteObject, r.Domain, r.UID, r.Revision); err != nil {
			return err
		}
	}
	for _, n := range c.Release {
		if err := w.must(ctx, "release name", nil, sqlReleaseName, n.Domain, column.NameHash(n.Value), n.UID); err != nil {
			return err
		}
	}
	for i := range c.Insert {
		if err := w.must(ctx, "insert object", store.ErrConflict, sqlInsertObject, objectArgs(&c.Insert[i])...); err != nil {
			return err
		}
	}
	for i := range c.Update {
		if err := w.must(ctx, "update object", store.ErrConflict, sqlUpdateObject, objectArgs(&c.Update[i])...); err != nil {
			return err
		}
	}
	for _, n := range c.Take {
		if err := w.must(ctx, "take name", store.ErrNameTaken, sqlTakeName, n.Domain, column.NameHash(n.Value), n.UID); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) applyCounter(ctx context.Context, u store.CounterChange) error {
	mode, limit := column.Usage(u)
	if mode == column.SetUsage && limit+u.Give-u.Take < 0 {
		return fmt.Errorf("change counter: %w", store.ErrExhausted)
	}
	return w.must(ctx, "change counter", store.ErrExhausted, sqlCounterChange,
		u.Domain, u.UID, mode, limit, u.Take, u.Give, u.Serve, optional(u.Used))
}

// objectArgs are the parameters of sqlInsertObject and sqlUpdateObject.
func objectArgs(o *store.Object) []any {
	return []any{
		o.Domain, o.UID, int64(o.Type), int64(o.State), int64(o.Algorithm), o.LengthBits, int64(o.UsageMask),
		store.IndexValue(o.Group), o.Creator, column.Micro(o.Initial),
		optional(o.Activation), optional(o.Deactivation), optional(o.Destroyed),
		o.Revision, o.Generation, o.MaterialVersion, o.Material, column.Bytes(o.Attributes), column.Bytes(o.MAC),
	}
}

// optional is the parameter for a time that may be missing.
func optional(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return column.Micro(t)
}
