package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/audit"
)

// TestLostConnectionsDoNotLie drops every connection again and again while
// changes are committed. Each reported outcome has to be what is stored, and
// the audit numbers stay without a gap.
func TestLostConnectionsDoNotLie(t *testing.T) {
	t.Parallel()
	p := newProxy(t, migrated(t))
	s := reopen(t, p.url, store.Options{})
	defer s.Close()
	var stop atomic.Bool
	outcomes := sync.Map{}
	var wait sync.WaitGroup
	for g := range 8 {
		wait.Go(func() {
			for i := 0; !stop.Load(); i++ {
				uid := fmt.Sprintf("%d-%d", g, i)
				outcomes.Store(uid, s.Commit(context.Background(), store.Change{
					Insert: []store.Object{{Domain: "d", UID: uid, Revision: 1}},
					Audit:  []audit.Entry{{Domain: "d", UID: uid, Outcome: audit.Success}},
				}))
			}
		})
	}
	for range 30 {
		time.Sleep(30 * time.Millisecond)
		p.drop()
	}
	stop.Store(true)
	wait.Wait()
	var stored, failed, unknown int
	outcomes.Range(func(uid, value any) bool {
		err, _ := value.(error)
		var rerr error
		for range 5 { // a connection of the pool may be a lost one
			if _, rerr = s.Object(t.Context(), "d", uid.(string)); rerr == nil || errors.Is(rerr, store.ErrNotFound) {
				break
			}
		}
		switch {
		case errors.Is(err, store.ErrOutcomeUnknown):
			unknown++
		case err == nil:
			stored++
			if rerr != nil {
				t.Errorf("%s was committed, but: %v", uid, rerr)
			}
		default:
			failed++
			if !errors.Is(err, store.ErrUnavailable) || !errors.Is(rerr, store.ErrNotFound) {
				t.Errorf("%s failed with %v, but: %v", uid, err, rerr)
			}
		}
		return true
	})
	t.Logf("%d stored, %d failed, %d unknown", stored, failed, unknown)
	if stored == 0 {
		t.Error("nothing was stored")
	}
	conn, err := pgx.Connect(t.Context(), p.url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var count, last int64
	if err := conn.QueryRow(t.Context(), `select count(*), max(counter) from audit`).Scan(&count, &last); err != nil {
		t.Fatal(err)
	}
	if count != last {
		t.Errorf("%d audit entries, but the newest has number %d", count, last)
	}
}
