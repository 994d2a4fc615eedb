// Package postgres is the backend of store for production: several nodes may
// share one database.
//
// Reads use a pool; statements of every day are prepared on each connection.
// Reads of single objects that would have to wait for a connection are answered
// together. Objects are resealed by a connection of that pool, too.
// All other writes use one connection of their own (see [commit.Committer]): a group of
// changes is one transaction and one round trip, because every statement fails
// by itself when it touches another number of rows than it has to. The answer
// to a change comes after the commit has been flushed: synchronous_commit is
// never off.
package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/claviger/claviger/migrations"
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/internal/column"
	"github.com/claviger/claviger/store/internal/commit"
)

// defaultConnections is the size of the pool for reads unless the URL has
// pool_max_conns.
const defaultConnections = 8

// connectTimeout holds unless the URL has connect_timeout.
const connectTimeout = 5 * time.Second

// Store implements store.Store.
type Store struct {
	reads     *pgxpool.Pool
	coalescer *coalescer
	writes    *pgxpool.Pool // one connection, used by the committer only
	committer *commit.Committer
	closed    atomic.Bool
}

var _ store.Store = (*Store)(nil)

// Open connects to a database whose schema Migrate has made. Returns
// migrations.ErrNotCurrent if the schema is not the one of this program, and
// ErrUnavailable if the server does not answer.
func Open(ctx context.Context, url string, o store.Options) (*Store, error) {
	config, err := parse(url)
	if err != nil {
		return nil, err
	}
	db := stdlib.OpenDB(*config.ConnConfig)
	err = migrations.Check(ctx, migrations.Postgres, db)
	if err = errors.Join(err, db.Close()); err != nil {
		return nil, fmt.Errorf("postgres: open: %w", kind(err))
	}
	s := &Store{}
	config.AfterConnect = prepare(sqlObject, sqlObjectsOfAll, sqlObjects)
	if s.reads, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, s.failure("open", err)
	}
	s.coalescer = &coalescer{pool: s.reads, most: int(s.reads.Config().MaxConns)}
	// The name tells connections that write for this process from all others.
	tag := "claviger-commit-" + rand.Text()
	config = config.Copy()
	config.MaxConns, config.MinConns, config.MinIdleConns = 1, 0, 0
	config.ConnConfig.RuntimeParams["application_name"] = tag
	config.AfterConnect = prepare(writerStatements...)
	if s.writes, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		s.reads.Close()
		return nil, s.failure("open", err)
	}
	s.committer = commit.New(&writer{pool: s.writes, tag: tag}, o)
	return s, nil
}

// Migrate brings the schema of a database up to date. Several nodes may do it
// at the same time.
func Migrate(ctx context.Context, url string) error {
	config, err := parse(url)
	if err != nil {
		return err
	}
	db := stdlib.OpenDB(*config.ConnConfig)
	err = migrations.Up(ctx, migrations.Postgres, db)
	if err = errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("postgres: migrate: %w", kind(err))
	}
	return nil
}

func parse(url string) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err) // has no password in it
	}
	if !strings.Contains(url, "pool_max_conns") {
		config.MaxConns = defaultConnections
	}
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = connectTimeout
	}
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "claviger"
	}
	return config, nil
}

// sqlDurable takes back a setting that would lose acknowledged commits.
const sqlDurable = `select set_config('synchronous_commit', 'on', false)
	where current_setting('synchronous_commit') = 'off'`

// prepare returns a function that makes commits of a new connection durable and
// prepares statements on it, where they are found by their text.
func prepare(statements ...string) func(context.Context, *pgx.Conn) error {
	return func(ctx context.Context, conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, sqlDurable); err != nil {
			return err
		}
		for _, text := range statements {
			if _, err := conn.Prepare(ctx, text, text); err != nil {
				return fmt.Errorf("prepare: %w", err)
			}
		}
		return nil
	}
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
	return s.failure("ping", s.reads.Ping(ctx))
}

const sqlNow = `select (extract(epoch from clock_timestamp()) * 1000000)::bigint`

// Now implements store.Store by the clock of the database.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	var micro int64
	if err := s.reads.QueryRow(ctx, sqlNow).Scan(&micro); err != nil {
		return time.Time{}, s.failure("now", err)
	}
	return column.Time(micro), nil
}

// Close implements store.Store. Safe to repeat.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.committer.Close()
	s.writes.Close()
	s.reads.Close()
	return nil
}
