// Package service gives tests a custody service on a real store and a real key
// hierarchy: SQLite in a folder of the test or Postgres, a software root key.
package service

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/claviger/claviger/hsm/seal"
	"github.com/claviger/claviger/hsm/soft"
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/wire"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/postgres"
	"github.com/claviger/claviger/store/sqlite"
	"github.com/claviger/claviger/testenv"
)

// Service is a custody service with what a test may want to look behind.
type Service struct {
	*custody.Service
	Store store.Store
	Ring  *seal.Ring
	Clock *Clock
	// Hardware is the token of a service with Options.Hardware.
	Hardware *Hardware

	options Options
	members []seal.Member
}

// Options says what is other than New has it.
type Options struct {
	Hardware bool      // the token says that it is hardware and keeps objects
	Tokens   []string  // labels of further tokens, software, that are not enrolled
	Mode     seal.Mode // of new domains
	Random   io.Reader // makes keys
	Postgres bool      // on a new database of Postgres
	Log      slog.Handler
	FIPS     bool // what is not in the validated module is refused
	// Store puts something before the store.
	Store func(store.Store) store.Store
	// Decide answers in the place of policy.
	Decide func(policy.Request) policy.Decision
}

// Clock is a clock that a test moves, also while a server reads it.
type Clock struct {
	mu  sync.Mutex
	now time.Time // guarded by mu
}

// Now returns the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// migrated is an empty store as the migrations leave it. They cost as much as
// all else that New does, so they run once in a process.
var migrated = sync.OnceValues(func() (database []byte, err error) {
	dir, err := os.MkdirTemp("", "claviger-store-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	file := filepath.Join(dir, "store.db")
	if err := sqlite.Migrate(context.Background(), "sqlite:"+file); err != nil {
		return nil, err
	}
	// A log that was not folded into the file would be lost in the copies.
	if info, err := os.Stat(file + "-wal"); err == nil && info.Size() > 0 {
		return nil, errors.New("the migrated store left a write-ahead log")
	}
	return os.ReadFile(file)
})

// New makes a service with the domain "default", ended with the test.
func New(t testing.TB) *Service {
	t.Helper()
	return With(t, Options{})
}

// With is New with options.
func With(t testing.TB, o Options) *Service {
	t.Helper()
	ctx := context.Background()
	dir := t.TempDir()
	st := open(t, dir, o)
	t.Cleanup(func() { _ = st.Close() })
	s := &Service{Store: st, Clock: &Clock{now: time.Now().UTC().Truncate(time.Second)}, options: o}
	first := newToken(t, filepath.Join(dir, "root"), "claviger")
	s.members = []seal.Member{seal.Opened(first)}
	if o.Hardware {
		s.Hardware = &Hardware{Token: first}
		s.members = []seal.Member{seal.Opened(s.Hardware)}
	}
	s.begin(t)
	if _, err := s.Initialise(ctx); err != nil {
		t.Fatalf("initialise: %v", err)
	}
	if len(o.Tokens) == 0 {
		return s
	}
	for i, label := range o.Tokens {
		s.members = append(s.members, seal.Opened(newToken(t, filepath.Join(dir, strconv.Itoa(i)), label)))
	}
	return s.Another(t)
}

// open opens an empty store.
func open(t testing.TB, dir string, o Options) store.Store {
	t.Helper()
	ctx := context.Background()
	if o.Postgres {
		url := testenv.Postgres(t)
		if err := postgres.Migrate(ctx, url); err != nil {
			t.Fatalf("migrate: %v", err)
		}
		st, err := postgres.Open(ctx, url, store.Options{Node: uuid.NewString()})
		if err != nil {
			t.Fatalf("open store: %v", err)
		}
		return st
	}
	file := filepath.Join(dir, "store.db")
	database, err := migrated()
	if err != nil {
		t.Fatalf("migrate: %v", err)
	}
	if err := os.WriteFile(file, database, 0o600); err != nil {
		t.Fatalf("write store: %v", err)
	}
	st, err := sqlite.Open(ctx, "sqlite:"+file, store.Options{Node: uuid.NewString()})
	if err != nil {
		t.Fatalf("open store: %v", err)
	}
	return st
}

func newToken(t testing.TB, name, label string) *soft.Token {
	t.Helper()
	token, err := soft.Create(name+".key", soft.Options{Label: label})
	if err != nil {
		t.Fatalf("create token: %v", err)
	}
	t.Cleanup(func() { _ = token.Close() })
	return token
}

// Another is one more node on the same store, with the same tokens and clock.
func (s *Service) Another(t testing.TB) *Service {
	t.Helper()
	other := &Service{Store: s.Store, Clock: s.Clock, Hardware: s.Hardware, options: s.options, members: s.members}
	other.options.Store = nil
	other.begin(t)
	return other
}

// begin makes the ring and the service.
func (s *Service) begin(t testing.TB) {
	t.Helper()
	st := s.Store
	if s.options.Store != nil {
		st = s.options.Store(st)
	}
	s.Ring = seal.New(s.members, custody.DomainKeys{Store: st}, seal.Options{Mode: s.options.Mode})
	if err := s.Ring.Prepare(context.Background()); err != nil {
		t.Fatalf("prepare: %v", err)
	}
	log := s.options.Log
	if log == nil {
		log = slog.DiscardHandler
	}
	s.Service = custody.New(custody.Config{
		Store: st, Sealer: s.Ring, Log: slog.New(log), Now: s.Clock.Now, Random: s.options.Random, Decide: s.options.Decide, FIPS: s.options.FIPS,
		EncodeTTLV: func(i kmip.Item) []byte { return wire.Append(nil, i) },
		DecodeTTLV: func(b []byte) (kmip.Item, error) { return wire.Parse(b, wire.DefaultLimits()) },
	})
	t.Cleanup(func() {
		s.Halt()
		s.Ring.Close()
	})
}

// Halt ends the work in the background that a node has begun, as its end does; other
// nodes take it over.
func (s *Service) Halt() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s.Run(ctx)
}

// Client opens a scope of a client of a domain that may do everything in it.
func (s *Service) Client(domain string) *custody.Scope {
	p := custody.Principal{Principal: policy.Principal{Kind: policy.KindClient, Domain: domain, Name: "test", Role: policy.RoleFull}}
	return s.Begin(p, domain, "kmip", "127.0.0.1:1", "test")
}

// Administrator opens a scope of an administrator on a domain.
func (s *Service) Administrator(domain string) *custody.Scope {
	p := custody.Principal{Principal: policy.Principal{Kind: policy.KindAdministrator, Name: "root", Role: policy.RoleAdministrator}}
	return s.Begin(p, domain, "admin", "127.0.0.1:2", "test")
}
