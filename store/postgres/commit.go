package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/claviger/claviger/store"
)

const (
	sqlBegin    = `begin isolation level read committed`
	sqlCommit   = `commit`
	sqlRollback = `rollback`

	// sqlEnd waits for the end of other connections that write for this process.
	sqlEnd = `select pg_terminate_backend(pid, 5000) from pg_stat_activity
		where application_name = $1 and pid <> pg_backend_pid() and datname = current_database()`

	sqlLastEntry = `select coalesce(max(counter), 0) from audit where node = $1`
)

// writerStatements are prepared on the connection that writes.
var writerStatements = []string{
	sqlBegin, sqlCommit,
	sqlInsertObjects, sqlUpdateObjects, sqlDeleteObjects, sqlReleaseNames, sqlTakeNames,
	sqlDropSides, sqlAddSides, sqlCounterChange, sqlInsertEntries, sqlExpectOpen,
}

// maxAttempts at a transaction that the server gave up because of others.
const maxAttempts = 4

// writer implements commit.Writer. Used by the committer's goroutine only.
type writer struct {
	pool *pgxpool.Pool // of one connection
	tag  string        // its application_name
}

// Write implements commit.Writer.
func (w *writer) Write(ctx context.Context, c *store.Change) error {
	for attempt := 1; ; attempt++ {
		err := w.write(ctx, c)
		if attempt == maxAttempts || !isRepeatable(err) {
			return err
		}
	}
}

func (w *writer) write(ctx context.Context, c *store.Change) error {
	conn, err := w.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("postgres: connect: %w", kind(err))
	}
	defer conn.Release()

	b := &batch{}
	b.queue("begin", sqlBegin)
	b.queueClose(c)
	b.queueRegistry(c)
	b.queueDomainKeys(c)
	b.queueObjects(c)
	b.queueExpectOpen(c)
	b.queueSides(c)
	if err := b.queueCounters(c); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	b.queueAudit(c)
	b.queue("commit", sqlCommit)

	verb, err := b.send(ctx, conn.Conn())
	if err == nil {
		return nil
	}
	// While the connection lives, an error means that the transaction has
	// failed: commit is the last statement, and skipped after an error.
	if pc := conn.Conn().PgConn(); !pc.IsClosed() {
		if pc.TxStatus() == 'I' {
			return fmt.Errorf("postgres: %s: %w", verb, kind(err))
		}
		if _, rerr := conn.Exec(context.WithoutCancel(ctx), sqlRollback); rerr == nil {
			return fmt.Errorf("postgres: %s: %w", verb, kind(err))
		}
	}
	if pgconn.SafeToRetry(err) {
		return fmt.Errorf("postgres: %s: %w: %w", verb, store.ErrUnavailable, err)
	}
	return fmt.Errorf("postgres: %s: %w: %w", verb, store.ErrOutcomeUnknown, err)
}

// Settle implements commit.Writer.
func (w *writer) Settle(ctx context.Context, node string) (int64, error) {
	var last int64
	_, err := w.pool.Exec(ctx, sqlEnd, w.tag)
	if err == nil {
		err = w.pool.QueryRow(ctx, sqlLastEntry, node).Scan(&last)
	}
	if err != nil {
		// Nothing has been sent for the change that asks.
		return 0, fmt.Errorf("postgres: read audit counter: %w: %w", store.ErrUnavailable, err)
	}
	return last, nil
}

// batch is the statements of one transaction, with the verb of each.
type batch struct {
	pgx.Batch
	verbs []string
}

func (b *batch) queue(verb, text string, args ...any) {
	b.verbs = append(b.verbs, verb)
	b.Queue(text, args...)
}

// send runs the statements in one round trip, and gives the verb that failed.
func (b *batch) send(ctx context.Context, conn *pgx.Conn) (verb string, err error) {
	results := conn.SendBatch(ctx, &b.Batch)
	for _, v := range b.verbs {
		tag, err := results.Exec()
		if err == nil && v == "commit" && tag.String() != "COMMIT" {
			err = fmt.Errorf("answered %q", tag)
		}
		if err != nil {
			_ = results.Close() // says the same
			return v, err
		}
	}
	return "commit", results.Close()
}
