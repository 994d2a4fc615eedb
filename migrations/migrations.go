// Package migrations holds the schema of both backends, one numbered file for
// each step with the same number and name in both dialects, and applies it.
//
// Conventions of the schema: times are whole microseconds since 1970 in a
// bigint, NULL where the Go value is the zero time and the column allows it
// (columns that are always set keep the zero time as its own number). Enumerations and
// masks of KMIP are unsigned 32 bits wide and stand in a bigint. Texts sort
// and compare by bytes in both dialects.
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed postgres/*.sql sqlite/*.sql
var files embed.FS

// Dialect names a family of files.
type Dialect string

// The dialects, by the name of their folder.
const (
	Postgres Dialect = "postgres"
	SQLite   Dialect = "sqlite"
)

// ErrNotCurrent reports a schema that lacks steps this program needs, or has
// steps that it does not know.
var ErrNotCurrent = errors.New("migrations: the schema of the store is not the one of this program: run claviger init")

// Step is one migration and whether the database has it.
type Step struct {
	Version int64
	File    string
	Applied bool
}

// Up applies the steps that the database lacks. Safe to repeat, and for
// Postgres safe while another node does the same: one waits for the other.
func Up(ctx context.Context, dialect Dialect, db *sql.DB) error {
	p, err := provider(dialect, db)
	if err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrations: apply: %w", err)
	}
	return nil
}

// Status lists every step in order.
func Status(ctx context.Context, dialect Dialect, db *sql.DB) ([]Step, error) {
	p, err := provider(dialect, db)
	if err != nil {
		return nil, err
	}
	list, err := p.Status(ctx)
	if err != nil {
		return nil, fmt.Errorf("migrations: status: %w", err)
	}
	steps := make([]Step, 0, len(list))
	for _, s := range list {
		steps = append(steps, Step{
			Version: s.Source.Version,
			File:    s.Source.Path,
			Applied: s.State == goose.StateApplied,
		})
	}
	return steps, nil
}

// sqlVersion works in both dialects. Steps are never taken back, so the
// largest number is the state.
const sqlVersion = `select coalesce(max(version_id), 0) from goose_db_version`

// Check returns ErrNotCurrent unless the database has every step and none
// that is unknown here. It writes nothing.
func Check(ctx context.Context, dialect Dialect, db *sql.DB) error {
	want, err := latest(dialect)
	if err != nil {
		return err
	}
	var got int64
	if err := db.QueryRowContext(ctx, sqlVersion).Scan(&got); err != nil {
		if perr := db.PingContext(ctx); perr != nil {
			return fmt.Errorf("migrations: read version: %w", perr)
		}
		return fmt.Errorf("%w (%w)", ErrNotCurrent, err)
	}
	if got != want {
		return fmt.Errorf("%w (it has version %d, the program %d)", ErrNotCurrent, got, want)
	}
	return nil
}

func latest(dialect Dialect) (int64, error) {
	names, err := fs.Glob(files, string(dialect)+"/*.sql")
	if err != nil || len(names) == 0 {
		return 0, fmt.Errorf("migrations: no files for %q: %w", dialect, err)
	}
	return goose.NumericComponent(names[len(names)-1])
}

func provider(dialect Dialect, db *sql.DB) (*goose.Provider, error) {
	sub, err := fs.Sub(files, string(dialect))
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	options := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	var d goose.Dialect
	switch dialect {
	case Postgres:
		d = goose.DialectPostgres
		// Tries every second for a minute.
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 60))
		if err != nil {
			return nil, fmt.Errorf("migrations: session lock: %w", err)
		}
		options = append(options, goose.WithSessionLocker(locker))
	case SQLite:
		d = goose.DialectSQLite3
	default:
		return nil, fmt.Errorf("migrations: unknown dialect %q", dialect)
	}
	p, err := goose.NewProvider(d, db, sub, options...)
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	return p, nil
}
