package custody

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/audit"
)

// refusal is why a peer is turned away before it is asked what it wants.
type refusal struct {
	reason string
	err    error
}

func (r *refusal) Error() string { return r.err.Error() }

func (r *refusal) Unwrap() error { return r.err }

// refusalTable bounds how many entries of the audit peers make that are turned
// away: one for each peer, reason and second.
type refusalTable struct {
	mu   sync.Mutex
	seen map[string]refusals // guarded by mu
}

type refusals struct {
	since time.Time // of the entry that was written last
	more  int       // that were not written since then
}

const (
	refusalInterval = time.Second
	maxRefusals     = 10_000 // peers and reasons at a time; more share one entry
)

// note counts a refusal. It returns whether it is to be written, and how many
// like it were not written since the last one that was.
func (t *refusalTable) note(key string, now time.Time) (write bool, more int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.seen == nil {
		t.seen = map[string]refusals{}
	}
	r, ok := t.seen[key]
	if !ok && len(t.seen) >= maxRefusals {
		key = "others"
		r, ok = t.seen[key]
	}
	if age := now.Sub(r.since); ok && age >= 0 && age < refusalInterval {
		r.more++
		t.seen[key] = r
		return false, 0
	}
	t.seen[key] = refusals{since: now}
	return true, r.more
}

// over forgets what is over, and returns how many were not written of each.
func (t *refusalTable) over(now time.Time) map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	var untold map[string]int
	for key, r := range t.seen {
		if age := now.Sub(r.since); age >= 0 && age < 2*refusalInterval {
			continue
		}
		delete(t.seen, key)
		if r.more > 0 {
			if untold == nil {
				untold = map[string]int{}
			}
			untold[key] = r.more
		}
	}
	return untold
}

// TurnAway records that a peer was refused before its request was looked at: at
// most one entry for each peer, reason and second, with the number of those that
// were not written in the next one, or in the log. peer tells peers apart.
func (s *Service) TurnAway(ctx context.Context, sc *Scope, action, peer string, err error) {
	reason := refusedUnknown
	var r *refusal
	if errors.As(err, &r) {
		reason = r.reason
	}
	write, more := s.refusals.note(peer+" "+reason, s.now())
	if !write {
		return
	}
	e := s.entry(sc, action, "", err)
	e.Detail = reason
	if more > 0 {
		e.Detail = fmt.Sprintf("%s; %d more before it", reason, more)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditDeadline)
	defer cancel()
	if werr := s.store.Commit(ctx, store.Change{Audit: []audit.Entry{e}}); werr != nil {
		s.log.ErrorContext(ctx, "refusal could not be recorded", "operation", action, "error", werr)
	}
}

// tellRefusals logs the refusals that no entry of the audit will count.
func (s *Service) tellRefusals(ctx context.Context) {
	for key, n := range s.refusals.over(s.now()) {
		s.log.WarnContext(ctx, "refusals that are not in the audit", "peer", key, "count", n)
	}
}
