package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/audit"
)

// reads calls one method of each kind, and what does not go through the
// committer.
func reads(s store.Store) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Object":      func(ctx context.Context) error { _, err := s.Object(ctx, "d", "1"); return err },
		"Objects":     func(ctx context.Context) error { _, err := s.Objects(ctx, "d", []string{"1"}); return err },
		"Find":        func(ctx context.Context) error { _, err := s.Find(ctx, "d", store.Query{Limit: 1}); return err },
		"Domain":      func(ctx context.Context) error { _, err := s.Domain(ctx, "d"); return err },
		"Domains":     func(ctx context.Context) error { _, err := s.Domains(ctx); return err },
		"Setting":     func(ctx context.Context) error { _, err := s.Setting(ctx, "d"); return err },
		"Audit":       func(ctx context.Context) error { _, err := s.Audit(ctx, store.AuditQuery{Limit: 1}); return err },
		"Count":       func(ctx context.Context) error { _, err := s.Count(ctx, "d"); return err },
		"Generations": func(ctx context.Context) error { _, err := s.Generations(ctx); return err },
		"Sealed":      func(ctx context.Context) error { _, err := s.Sealed(ctx, "d", 1, "", 1); return err },
		"SealedCount": func(ctx context.Context) error { _, _, err := s.SealedCount(ctx, "d", 1); return err },
		"Reseal":      func(ctx context.Context) error { _, err := s.Reseal(ctx, []store.Object{object("d", "1")}); return err },
		"Ping":        s.Ping,
		"Now":         func(ctx context.Context) error { _, err := s.Now(ctx); return err },
	}
}

// testClosed closes a store while it works: what was accepted is durable, and
// everything after that is ErrClosed.
func testClosed(t *testing.T, c Config) {
	s := c.open(t, store.Options{})
	var wait sync.WaitGroup
	for i := range 20 {
		wait.Go(func() {
			err := s.Commit(context.Background(), store.Change{Insert: []store.Object{object("d", fmt.Sprint(i))}})
			if err != nil && !errors.Is(err, store.ErrClosed) {
				t.Errorf("Commit while closing: %v", err)
			}
		})
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	wait.Wait()
	err := s.Commit(t.Context(), store.Change{Insert: []store.Object{object("d", "x")}})
	expectError(t, err, store.ErrClosed)
	expectError(t, err, store.ErrUnavailable)
	for name, read := range reads(s) {
		if err := read(t.Context()); !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s of a closed store: %v", name, err)
		}
	}
}

// testUnavailable takes the database away from an open store.
func testUnavailable(t *testing.T, c Config) {
	if c.OpenUnavailable == nil {
		t.Skip("this backend does not lose its database")
	}
	s, takeAway := c.OpenUnavailable(t)
	t.Cleanup(func() { _ = s.Close() })
	insert(t, s, object("d", "1"))
	takeAway()
	for name, read := range reads(s) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		if err := read(ctx); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s without a database: %v", name, err)
		}
		cancel()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	err := s.Commit(ctx, store.Change{Insert: []store.Object{object("d", "2")}, Audit: []audit.Entry{entry("d", "2")}})
	expectError(t, err, store.ErrUnavailable)
}
