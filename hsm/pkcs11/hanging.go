//go:build cgo

package pkcs11

import (
	"sync"
	"sync/atomic"
	"time"
)

// hanging are the operations that were written off and have not come back.
type hanging struct {
	n     atomic.Int32 // how many
	mu    sync.Mutex
	begun map[any]time.Time // when each began; guarded by mu
}

func (h *hanging) add(operation any, begun time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.begun == nil {
		h.begun = map[any]time.Time{}
	}
	h.begun[operation] = begun
	h.n.Store(int32(len(h.begun))) //nolint:gosec // begin bounds them
}

func (h *hanging) remove(operation any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.begun, operation)
	h.n.Store(int32(len(h.begun))) //nolint:gosec // begin bounds them
}

func (h *hanging) count() int { return int(h.n.Load()) }

// HangingSince returns when the oldest operation began that was written off and
// has not come back; zero if there is none.
func (t *Token) HangingSince() time.Time {
	t.hung.mu.Lock()
	defer t.hung.mu.Unlock()
	var oldest time.Time
	for _, begun := range t.hung.begun {
		if oldest.IsZero() || begun.Before(oldest) {
			oldest = begun
		}
	}
	return oldest
}
