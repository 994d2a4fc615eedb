package sqlite

import (
	"database/sql"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/internal/column"
)

// failure maps an error to those of store, with the verb that failed. Nil for
// nil and for the errors that are allowed.
func (s *Store) failure(verb string, err error, allowed ...error) error {
	if err == nil {
		return nil
	}
	for _, a := range allowed {
		if errors.Is(err, a) {
			return nil
		}
	}
	if s.closed.Load() {
		return fmt.Errorf("sqlite: %s: %w", verb, store.ErrClosed)
	}
	return fmt.Errorf("sqlite: %s: %w", verb, kind(err))
}

// kind finds the error of store that an error of the driver means, if any.
func kind(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return store.ErrNotFound
	}
	if ctx := column.ContextError(err); ctx != nil {
		return ctx
	}
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code() {
	case lib.SQLITE_CONSTRAINT_PRIMARYKEY, lib.SQLITE_CONSTRAINT_UNIQUE:
		return fmt.Errorf("%w: %w", store.ErrExists, err)
	case lib.SQLITE_CONSTRAINT_FOREIGNKEY:
		return fmt.Errorf("%w: %w", store.ErrNotFound, err)
	}
	switch e.Code() & 0xff {
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED, lib.SQLITE_IOERR, lib.SQLITE_FULL, lib.SQLITE_CANTOPEN,
		lib.SQLITE_NOMEM, lib.SQLITE_INTERRUPT, lib.SQLITE_READONLY, lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return err
}
