//go:build cgo

package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/claviger/claviger/hsm"
)

// hungPerSession bounds the written-off operations that may still hang in the
// module: beyond it calls fail at once, so that threads do not pile up.
const hungPerSession = 2

// run does an operation on a session in a goroutine of its own and returns by
// the deadline of ctx. If the operation is not back by then it is written off:
// its place in the pool goes to the next one, its session is closed and its
// result destroyed should it ever come back. What op uses must therefore not
// be the caller's memory; destroy is called when op will not use it any more.
func run[T any](ctx context.Context, t *Token, what string, op func(context.Context, *session) (T, error), destroy ...func()) (T, error) {
	return runFor(ctx, t, t.cfg.Timeout, what, op, destroy...)
}

// runLong is run for what may take the token long.
func runLong[T any](ctx context.Context, t *Token, what string, op func(context.Context, *session) (T, error), destroy ...func()) (T, error) {
	return runFor(ctx, t, t.cfg.GenerateTimeout, what, op, destroy...)
}

// operation is the outcome of one, owned by who settles it: the operation by
// ending, or the caller by giving up.
type operation[T any] struct {
	settled atomic.Bool
	value   T
	err     error
}

func runFor[T any](ctx context.Context, t *Token, timeout time.Duration, what string, op func(context.Context, *session) (T, error), destroy ...func()) (T, error) {
	var zero T
	d, over := newDeadline(ctx, timeout), false
	defer func() { d.release(over) }()
	if err := t.begin(d); err != nil {
		for _, f := range destroy {
			f()
		}
		return zero, fmt.Errorf("%s: %s: %w", t.cfg.name(), what, err)
	}
	o, begun := &operation[T]{}, time.Now()
	t.workers.do(func() {
		value, err := attempt(d, t, op, &o.settled)
		for _, f := range destroy {
			f()
		}
		o.value, o.err = value, err
		if o.settled.CompareAndSwap(false, true) {
			d.c <- true
			return
		}
		t.hung.remove(o)
		if s, ok := any(value).(interface{ Destroy() }); ok && err == nil {
			s.Destroy()
		}
	})
	if over = d.wait(); !over {
		t.hung.add(o, begun)
		if o.settled.CompareAndSwap(false, true) {
			t.end()
			return zero, fmt.Errorf("%s: %s: %w", t.cfg.name(), what, hsm.ContextErr(d))
		}
		t.hung.remove(o) // it came back just now
		for !over {
			over = <-d.c
		}
	}
	t.end()
	return o.value, t.contextFirst(d, what, o.err)
}

// contextFirst explains an error, by the context if that has ended.
func (t *Token) contextFirst(ctx context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	what = t.cfg.name() + ": " + what
	if ended := hsm.ContextErr(ctx); ended != nil && errors.Is(err, ctx.Err()) {
		return fmt.Errorf("%s: %w", what, ended)
	}
	return explain(what, err)
}

// attempts is how often an operation is tried: as things are, after connecting
// anew, and after initialising the module anew.
const attempts = 3

// attempt does the operation, and again after an error that connecting anew may
// cure.
func attempt[T any](ctx context.Context, t *Token, op func(context.Context, *session) (T, error), abandoned *atomic.Bool) (T, error) {
	for n := 1; ; n++ {
		value, conn, err := once(ctx, t, op, abandoned)
		if err == nil || n == attempts || !isStale(err) || ctx.Err() != nil {
			return value, err
		}
		if n > 1 && errors.Is(err, errOtherKey) {
			return value, err // that is how the token is
		}
		if cure := t.reconnect(ctx, conn, n > 1); cure != nil {
			if n > 1 && !errors.Is(cure, hsm.ErrPIN) {
				cure = err // it says what is wrong, and not only that nothing helps
			}
			return value, cure
		}
	}
}

// once does the operation inside the module, and returns the connection that it
// was done on.
func once[T any](ctx context.Context, t *Token, op func(context.Context, *session) (T, error), abandoned *atomic.Bool) (value T, _ *connection, err error) {
	generation, err := t.module.enter(ctx)
	if err != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		return value, t.conn, err
	}
	defer t.module.leave()
	s, conn, err := t.take(ctx, generation)
	if err != nil {
		return value, conn, err
	}
	value, err = op(ctx, s)
	t.giveBack(s, err == nil && !abandoned.Load())
	return value, conn, err
}

// begin takes a place in the pool.
func (t *Token) begin(d *deadline) error {
	if err := hsm.ContextErr(d); err != nil {
		return err
	}
	if n := t.hung.count(); n >= hungPerSession*t.cfg.Sessions+2 {
		return fmt.Errorf("%d calls hang in the PKCS#11 module; restart this program if that does not end: %w", n, hsm.ErrUnavailable)
	}
	select {
	case t.places <- struct{}{}:
	default:
		if err := t.queue(d); err != nil {
			return err
		}
	}
	if err := t.usable(); err != nil {
		t.end()
		return err
	}
	return nil
}

// queue waits for a place.
func (t *Token) queue(d *deadline) error {
	if err := t.usable(); err != nil {
		return err
	}
	select {
	case t.places <- struct{}{}:
		return nil
	case <-d.c: // of the timer
		d.end(context.DeadlineExceeded)
	case <-d.Context.Done():
		d.end(d.Context.Err())
	}
	return hsm.ContextErr(d)
}

func (t *Token) end() { <-t.places }

// workers are goroutines that wait for the next operation, because their stacks
// have grown to what the module needs and starting one is not free. One that
// hangs is missed by nobody: when none waits, another is started.
type workers struct {
	next chan func()
	quit chan struct{} // closed when the token is
}

func newWorkers() workers { return workers{make(chan func()), make(chan struct{})} }

func (w workers) do(f func()) {
	select {
	case w.next <- f:
	default:
		go w.work(f)
	}
}

func (w workers) work(f func()) {
	for {
		f()
		select {
		case f = <-w.next:
		case <-w.quit:
			return
		}
	}
}
