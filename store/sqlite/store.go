// Package sqlite is the embedded backend of store: one file, one process.
//
// An acknowledged commit survives the end of the process and of the power:
// write-ahead log with synchronous = FULL. Writes go through one connection
// with immediate transactions (see [commit.Committer]), reads through a pool
// of their own that never waits for a writer. A lock beside the file keeps a
// second process out.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"
	_ "modernc.org/sqlite" // the driver

	"github.com/claviger/claviger/migrations"
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/internal/commit"
)

// Store implements store.Store.
type Store struct {
	lock      *flock.Flock
	reads     *sql.DB
	writes    *sql.DB // one connection, used by writer only
	object    *sql.Stmt
	finds     statements
	writer    *writer
	committer *commit.Committer
	closed    atomic.Bool
}

var _ store.Store = (*Store)(nil)

// Open opens a file whose schema Migrate has made. The url is "sqlite:" and a
// path. Returns migrations.ErrNotCurrent if the schema is not the one of this
// program, and ErrUnavailable if another process has the file.
func Open(ctx context.Context, url string, o store.Options) (*Store, error) {
	path, err := filePath(url)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("sqlite: open: %w: %w", store.ErrUnavailable, err)
	}
	s := &Store{}
	if s.lock, err = lockFile(path); err != nil {
		return nil, err
	}
	if err := s.open(ctx, path, o); err != nil {
		return nil, errors.Join(err, s.release())
	}
	return s, nil
}

func (s *Store) open(ctx context.Context, path string, o store.Options) error {
	var err error
	if s.writes, err = openWrites(path); err != nil {
		return err
	}
	if err := migrations.Check(ctx, migrations.SQLite, s.writes); err != nil {
		return fmt.Errorf("sqlite: open: %w", err)
	}
	if s.reads, err = openReads(path); err != nil {
		return err
	}
	if s.object, err = s.reads.PrepareContext(ctx, sqlObject); err != nil {
		return s.failure("prepare", err)
	}
	if s.writer, err = newWriter(ctx, s.writes); err != nil {
		return s.failure("prepare", err)
	}
	s.committer = commit.New(s.writer, o)
	return nil
}

// Migrate creates the file if need be and brings its schema up to date. No
// other process may have it open.
func Migrate(ctx context.Context, url string) error {
	path, err := filePath(url)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("sqlite: create: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("sqlite: create: %w", err)
	}
	lock, err := lockFile(path)
	if err != nil {
		return err
	}
	db, err := openWrites(path)
	if err != nil {
		return errors.Join(err, lock.Unlock())
	}
	return errors.Join(migrations.Up(ctx, migrations.SQLite, db), db.Close(), lock.Unlock())
}

// Commit implements store.Store.
func (s *Store) Commit(ctx context.Context, c store.Change) error {
	if len(c.DropGenerations) > 0 {
		if err := c.Check(); err != nil {
			return err
		}
		if err := s.expectUnused(ctx, &c); err != nil {
			return err
		}
	}
	return s.committer.Commit(ctx, c)
}

// Ping implements store.Store.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	return s.failure("ping", s.reads.QueryRowContext(ctx, `select 1 from setting limit 1`).Scan(&one), sql.ErrNoRows)
}

// Now implements store.Store by the clock of this machine.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	if err := ctx.Err(); err != nil {
		return time.Time{}, s.failure("now", err)
	}
	if s.closed.Load() {
		return time.Time{}, store.ErrClosed
	}
	return time.Now().UTC().Truncate(time.Microsecond), nil
}

// Close implements store.Store. Safe to repeat.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.committer.Close()
	return s.release()
}

// release gives back what open has got so far.
func (s *Store) release() error {
	var errs []error
	if s.writer != nil {
		errs = append(errs, s.writer.close())
	}
	errs = append(errs, s.finds.close())
	for _, db := range []*sql.DB{s.reads, s.writes} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(append(errs, s.lock.Unlock())...)
}

func filePath(url string) (string, error) {
	path, ok := strings.CutPrefix(url, "sqlite:")
	if !ok || path == "" {
		return "", fmt.Errorf("sqlite: %q is not \"sqlite:\" and a path", url)
	}
	return path, nil
}

// lockFile keeps other processes out. The lock goes away with the process.
func lockFile(path string) (*flock.Flock, error) {
	lock := flock.New(path+".lock", flock.SetPermissions(0o600))
	ok, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("sqlite: lock: %w", err)
	}
	if !ok {
		return nil, fmt.Errorf("sqlite: %w: another process has %s open", store.ErrUnavailable, path)
	}
	return lock, nil
}

var escapePath = strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23")

const pragmas = "?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(ON)"

func openWrites(path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+escapePath.Replace(path)+pragmas+"&_txlock=immediate")
	if err != nil {
		return nil, fmt.Errorf("sqlite: open: %w", err)
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

func openReads(path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+escapePath.Replace(path)+pragmas+"&_pragma=query_only(ON)&_pragma=cache_size(-16384)")
	if err != nil {
		return nil, fmt.Errorf("sqlite: open: %w", err)
	}
	n := max(4, 2*runtime.GOMAXPROCS(0))
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	return db, nil
}
