// Package service gives tests a custody service on a real store and a real key
// hierarchy: SQLite in a folder of the test, a software root key.
package service

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/claviger/claviger/hsm/seal"
	"github.com/claviger/claviger/hsm/seal/sealtest"
	"github.com/claviger/claviger/hsm/soft"
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/wire"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/sqlite"
)

// Service is a custody service with what a test may want to look behind.
type Service struct {
	*custody.Service
	Store store.Store
	Ring  *seal.Ring
	Clock *Clock
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
	ctx := context.Background()
	dir := t.TempDir()
	file := filepath.Join(dir, "store.db")
	database, err := migrated()
	if err != nil {
		t.Fatalf("migrate: %v", err)
	}
	if err := os.WriteFile(file, database, 0o600); err != nil {
		t.Fatalf("write store: %v", err)
	}
	url := "sqlite:" + file
	st, err := sqlite.Open(ctx, url, store.Options{Node: uuid.NewString()})
	if err != nil {
		t.Fatalf("open store: %v", err)
	}
	token, err := soft.Create(filepath.Join(dir, "root.key"), soft.Options{})
	if err != nil {
		t.Fatalf("create token: %v", err)
	}
	ring := seal.New(token, &sealtest.Keys{}, seal.Options{})
	t.Cleanup(func() {
		_ = st.Close()
		ring.Close()
		_ = token.Close()
	})
	if err := ring.Prepare(ctx); err != nil {
		t.Fatalf("prepare: %v", err)
	}
	clock := &Clock{now: time.Now().UTC().Truncate(time.Second)}
	svc := custody.New(custody.Config{
		Store: st, Sealer: ring, Log: slog.New(slog.DiscardHandler), Now: clock.Now,
		EncodeTTLV: func(i kmip.Item) []byte { return wire.Append(nil, i) },
		DecodeTTLV: func(b []byte) (kmip.Item, error) { return wire.Parse(b, wire.DefaultLimits()) },
	})
	if _, err := svc.Initialise(ctx); err != nil {
		t.Fatalf("initialise: %v", err)
	}
	return &Service{Service: svc, Store: st, Ring: ring, Clock: clock}
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
