package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// statements keeps what has been prepared, because SQLite takes longer to plan
// a search by name than to do it. Searches differ in their conditions, not in
// their values, so there are few of them; one that comes when the cache is full
// is planned each time. The zero value is empty.
type statements struct {
	mu    sync.RWMutex
	known map[string]*sql.Stmt // guarded by mu
}

const maxStatements = 256

// query runs a statement by its prepared form.
func (p *statements) query(ctx context.Context, db *sql.DB, text string, args ...any) (*sql.Rows, error) {
	p.mu.RLock()
	st := p.known[text]
	p.mu.RUnlock()
	if st == nil {
		var err error
		if st, err = p.prepare(ctx, db, text); err != nil {
			return nil, err
		}
	}
	if st == nil {
		return db.QueryContext(ctx, text, args...)
	}
	return st.QueryContext(ctx, args...)
}

// prepare remembers a statement; it returns nil when there is no room.
func (p *statements) prepare(ctx context.Context, db *sql.DB, text string) (*sql.Stmt, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if st := p.known[text]; st != nil || len(p.known) >= maxStatements {
		return st, nil
	}
	st, err := db.PrepareContext(ctx, text) //nolint:sqlclosecheck // close does
	if err != nil {
		return nil, err
	}
	if p.known == nil {
		p.known = map[string]*sql.Stmt{}
	}
	p.known[text] = st
	return st, nil
}

// close gives the statements back.
func (p *statements) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, st := range p.known {
		errs = append(errs, st.Close())
	}
	p.known = nil
	return errors.Join(errs...)
}
