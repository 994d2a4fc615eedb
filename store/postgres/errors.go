package postgres

import (
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/internal/column"
)

// Codes that claviger_expect fails with.
const (
	codeConflict  = "CL001"
	codeNotFound  = "CL002"
	codeExhausted = "CL003"
	codeNameTaken = "CL004"
	codeInUse     = "CL005"
)

// failure maps an error to those of store, with the verb that failed; nil for nil.
func (s *Store) failure(verb string, err error) error {
	if err == nil {
		return nil
	}
	if s.closed.Load() {
		return fmt.Errorf("postgres: %s: %w", verb, store.ErrClosed)
	}
	return fmt.Errorf("postgres: %s: %w", verb, kind(err))
}

// kind finds the error of store that an error of the driver means, if any.
func kind(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return store.ErrNotFound
	}
	if ctx := column.ContextError(err); ctx != nil {
		return ctx
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		if k := codeKind(pg.Code); k != nil {
			return fmt.Errorf("%w: %w", k, err)
		}
		return err
	}
	var connect *pgconn.ConnectError
	var network net.Error
	if errors.As(err, &connect) || errors.As(err, &network) || pgconn.SafeToRetry(err) || pgconn.Timeout(err) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return err
}

func codeKind(code string) error {
	switch code {
	case codeConflict:
		return store.ErrConflict
	case codeNotFound, pgerrcode.ForeignKeyViolation:
		return store.ErrNotFound
	case codeExhausted:
		return store.ErrExhausted
	case codeNameTaken:
		return store.ErrNameTaken
	case codeInUse:
		return store.ErrInUse
	case pgerrcode.UniqueViolation:
		return store.ErrExists
	case pgerrcode.QueryCanceled, pgerrcode.LockNotAvailable, pgerrcode.DeadlockDetected,
		pgerrcode.SerializationFailure, pgerrcode.ReadOnlySQLTransaction:
		return store.ErrUnavailable
	}
	if pgerrcode.IsConnectionException(code) || pgerrcode.IsOperatorIntervention(code) ||
		pgerrcode.IsInsufficientResources(code) || pgerrcode.IsSystemError(code) {
		return store.ErrUnavailable
	}
	return nil
}
