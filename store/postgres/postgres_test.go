package postgres_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/claviger/claviger/migrations"
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/postgres"
	"github.com/claviger/claviger/store/storetest"
	"github.com/claviger/claviger/testenv"
)

func open(t testing.TB, o store.Options) store.Store {
	t.Helper()
	return reopen(t, migrated(t), o)
}

func migrated(t testing.TB) string {
	t.Helper()
	u := testenv.Postgres(t)
	if err := postgres.Migrate(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	return u
}

func reopen(t testing.TB, u string, o store.Options) store.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), u, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, storetest.Config{
		Open: func(t *testing.T, o store.Options) store.Store { t.Helper(); return open(t, o) },
		OpenNodes: func(t *testing.T) [2]store.Store {
			t.Helper()
			u := migrated(t)
			return [2]store.Store{reopen(t, u, store.Options{}), reopen(t, u, store.Options{})}
		},
		OpenUnavailable: func(t *testing.T) (store.Store, func()) {
			t.Helper()
			p := newProxy(t, migrated(t))
			return reopen(t, p.url, store.Options{}), p.cut
		},
	})
}

func BenchmarkStore(b *testing.B) {
	u := migrated(b)
	storetest.Bench(b, func(b *testing.B) store.Store { b.Helper(); return reopen(b, u, store.Options{}) })
	// What this database writes at most: the same rows, by itself.
	b.Run("reseal/by the database alone", func(b *testing.B) {
		conn, err := pgx.Connect(b.Context(), u)
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close(context.Background())
		for b.Loop() {
			if _, err := conn.Exec(b.Context(), `update object set material = material || '', mac = mac || '',
				revision = revision + 1, generation = generation + 1 where domain = $1`, storetest.ResealDomain); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N*storetest.ResealObjects)/b.Elapsed().Seconds(), "objects/s")
	})
}

func TestOpenWithoutSchemaIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := postgres.Open(t.Context(), testenv.Postgres(t), store.Options{}); !errors.Is(err, migrations.ErrNotCurrent) {
		t.Errorf("Open: %v", err)
	}
}

func TestOpenWithoutServerIsUnavailable(t *testing.T) {
	t.Parallel()
	u := "postgres://claviger@127.0.0.1:1/claviger?sslmode=disable"
	if _, err := postgres.Open(t.Context(), u, store.Options{}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Open: %v", err)
	}
}

func TestTwoNodesStartAtOnce(t *testing.T) {
	t.Parallel()
	u := testenv.Postgres(t)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			if err := postgres.Migrate(t.Context(), u); err != nil {
				t.Errorf("Migrate: %v", err)
				return
			}
			s, err := postgres.Open(t.Context(), u, store.Options{})
			if err != nil {
				t.Errorf("Open: %v", err)
				return
			}
			if err := s.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
	wait.Wait()
}

// proxy stands between a store and its server.
type proxy struct {
	url      string
	listener net.Listener

	mu    sync.Mutex
	conns []net.Conn // guarded by mu
}

func newProxy(t *testing.T, server string) *proxy {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	network, address := "tcp", u.Host
	if dir := u.Query().Get("host"); dir != "" {
		network, address = "unix", filepath.Join(dir, ".s.PGSQL.5432")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u.Host = l.Addr().String()
	u.RawQuery = "sslmode=disable"
	p := &proxy{url: u.String(), listener: l}
	t.Cleanup(p.cut)
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial(network, address)
			if err != nil {
				_ = in.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, in, out)
			p.mu.Unlock()
			go pass(in, out)
			go pass(out, in)
		}
	}()
	return p
}

func pass(from, to net.Conn) {
	_, _ = io.Copy(to, from)
	_ = to.Close()
	_ = from.Close()
}

// drop ends the connections of now, cut takes no new ones either.
func (p *proxy) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.conns = nil
}

func (p *proxy) cut() {
	_ = p.listener.Close()
	p.drop()
}
