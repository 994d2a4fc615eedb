package sqlite_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/claviger/claviger/migrations"
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/audit"
	"github.com/claviger/claviger/store/sqlite"
	"github.com/claviger/claviger/store/storetest"
)

func open(t testing.TB, o store.Options) store.Store {
	t.Helper()
	url := "sqlite:" + filepath.Join(t.TempDir(), "st#re %.db")
	if err := sqlite.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	return reopen(t, url, o)
}

func reopen(t testing.TB, url string, o store.Options) store.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, storetest.Config{
		Open: func(t *testing.T, o store.Options) store.Store { t.Helper(); return open(t, o) },
	})
}

func BenchmarkStore(b *testing.B) {
	storetest.Bench(b, func(b *testing.B) store.Store { b.Helper(); return open(b, store.Options{}) })
}

func TestSecondOpenIsRefused(t *testing.T) {
	t.Parallel()
	url := "sqlite:" + filepath.Join(t.TempDir(), "store.db")
	if _, err := sqlite.Open(t.Context(), url, store.Options{}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Open of nothing: %v", err)
	}
	if err := sqlite.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	s := reopen(t, url, store.Options{})
	if _, err := sqlite.Open(t.Context(), url, store.Options{}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("second Open: %v", err)
	}
	if err := sqlite.Migrate(t.Context(), url); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Migrate of an open file: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := reopen(t, url, store.Options{}).Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOpenWithoutSchemaIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the first one gives its lock back
		if _, err := sqlite.Open(t.Context(), "sqlite:"+path, store.Options{}); !errors.Is(err, migrations.ErrNotCurrent) {
			t.Errorf("Open: %v", err)
		}
	}
}

func TestNodeThatComesBackGoesOnCounting(t *testing.T) {
	t.Parallel()
	url := "sqlite:" + filepath.Join(t.TempDir(), "store.db")
	if err := sqlite.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	for want := int64(1); want < 4; want++ {
		s := reopen(t, url, store.Options{Node: "n"})
		if err := s.Commit(t.Context(), store.Change{Audit: []audit.Entry{{Outcome: audit.Success}}}); err != nil {
			t.Fatal(err)
		}
		list, err := s.Audit(t.Context(), store.AuditQuery{Limit: 1})
		if err != nil || list[0].Counter != want {
			t.Errorf("Audit: %+v, %v, want counter %d", list, err, want)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
