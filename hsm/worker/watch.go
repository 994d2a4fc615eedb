package worker

import (
	"sync"
	"time"
)

// watch looks after the operations of a token that were given up, and tells when
// one does not come back.
type watch struct {
	token           Hanging // nil if the token does not tell
	usual, generate time.Duration
	tell            func()

	mu    sync.Mutex // guards what follows
	on    bool
	limit time.Duration // how long one may take, of those that were given up
}

// look begins to watch, after a call was given up.
func (w *watch) look(o op) {
	if w.token == nil {
		return
	}
	limit := w.usual
	if o.generates() {
		limit = w.generate
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.limit = max(w.limit, limit)
	if !w.on {
		w.on = true
		go w.run()
	}
}

func (w *watch) run() {
	for {
		since := w.token.HangingSince()
		w.mu.Lock()
		if since.IsZero() {
			w.on, w.limit = false, 0
			w.mu.Unlock()
			return
		}
		left := w.limit - time.Since(since)
		w.mu.Unlock()
		if left <= 0 {
			w.tell() // once: this worker will be killed
			return
		}
		time.Sleep(left)
	}
}
