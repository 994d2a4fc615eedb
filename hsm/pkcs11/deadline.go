//go:build cgo

package pkcs11

import (
	"context"
	"sync"
	"time"
)

// deadline is the context of one operation. It does what context.WithTimeout does,
// and costs less where nobody waits for it: the caller of the operation looks after
// the time and the parent, and ends it.
type deadline struct {
	context.Context // the parent
	at              time.Time
	*signal

	mu   sync.Mutex    // guards what follows
	err  error         // nil until it has ended
	done chan struct{} // nil until somebody asks for it
}

// signal is what the caller of an operation waits for: true from the operation when
// it is over, at most once, or false from the timer.
type signal struct {
	c     chan bool // has room for both
	timer *time.Timer
}

var signals sync.Pool // of *signal that are empty, with the timer stopped

// newDeadline is to be released.
func newDeadline(parent context.Context, timeout time.Duration) *deadline {
	d := &deadline{Context: parent, at: time.Now().Add(timeout), err: parent.Err()}
	if earlier, ok := parent.Deadline(); ok && earlier.Before(d.at) {
		d.at = earlier // when the parent ends: nobody is told before that
	}
	if s, ok := signals.Get().(*signal); ok {
		d.signal = s
		s.timer.Reset(timeout)
		return d
	}
	s := &signal{c: make(chan bool, 2)}
	s.timer = time.AfterFunc(timeout, func() { s.c <- false })
	d.signal = s
	return d
}

// release ends the context for ever. over tells that the operation has given its
// signal, and that it was taken.
func (d *deadline) release(over bool) {
	if d.timer.Stop() && over {
		signals.Put(d.signal)
	}
	d.end(context.Canceled)
}

// end ends the context, unless it has ended.
func (d *deadline) end(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return
	}
	d.err = err
	if d.done != nil {
		close(d.done)
	}
}

// wait returns true when the operation is over, and false when the context ends.
// Only the caller of the operation may wait.
func (d *deadline) wait() bool {
	select {
	case over := <-d.c:
		if over {
			return true
		}
		d.end(context.DeadlineExceeded)
	case <-d.Context.Done():
		d.end(d.Context.Err())
	}
	return false
}

// Deadline implements context.Context.
func (d *deadline) Deadline() (time.Time, bool) { return d.at, true }

// Err implements context.Context.
func (d *deadline) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

// Done implements context.Context.
func (d *deadline) Done() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.done == nil {
		d.done = make(chan struct{})
		if d.err != nil {
			close(d.done)
		}
	}
	return d.done
}
