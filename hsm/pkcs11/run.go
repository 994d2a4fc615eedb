//go:build cgo

package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

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
	var zero T
	what = t.cfg.name() + ": " + what
	ctx, cancel := context.WithTimeout(ctx, t.cfg.Timeout)
	defer cancel()
	if err := t.begin(ctx); err != nil {
		for _, d := range destroy {
			d()
		}
		return zero, fmt.Errorf("%s: %w", what, err)
	}
	type outcome struct {
		value T
		err   error
	}
	var settled atomic.Bool // by the operation or by the caller giving up
	done := make(chan outcome, 1)
	go func() {
		value, err := attempt(ctx, t, op, &settled)
		for _, d := range destroy {
			d()
		}
		if settled.CompareAndSwap(false, true) {
			done <- outcome{value, err}
			return
		}
		t.hung.Add(-1)
		if s, ok := any(value).(interface{ Destroy() }); ok && err == nil {
			s.Destroy()
		}
	}()
	select {
	case out := <-done:
		t.end()
		return out.value, contextFirst(ctx, what, out.err)
	case <-ctx.Done():
	}
	t.hung.Add(1)
	if !settled.CompareAndSwap(false, true) { // it came back just now
		t.hung.Add(-1)
		out := <-done
		t.end()
		return out.value, contextFirst(ctx, what, out.err)
	}
	t.end()
	return zero, fmt.Errorf("%s: %w", what, hsm.ContextErr(ctx))
}

// contextFirst explains an error, by the context if that has ended.
func contextFirst(ctx context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	if ended := hsm.ContextErr(ctx); ended != nil && errors.Is(err, ctx.Err()) {
		return fmt.Errorf("%s: %w", what, ended)
	}
	return explain(what, err)
}

// attempt does the operation, and once more after connecting anew if its error
// is one that this may cure.
func attempt[T any](ctx context.Context, t *Token, op func(context.Context, *session) (T, error), abandoned *atomic.Bool) (T, error) {
	for again := false; ; again = true {
		var value T
		s, err := t.take(ctx)
		if err == nil {
			value, err = op(ctx, s)
			t.giveBack(s, err == nil && !abandoned.Load())
		}
		if err == nil || again || !isStale(err) || ctx.Err() != nil {
			return value, err
		}
		if err := t.reconnect(ctx, s); err != nil {
			return value, err
		}
	}
}

// begin takes a place in the pool.
func (t *Token) begin(ctx context.Context) error {
	if err := t.usable(); err != nil {
		return err
	}
	if err := hsm.ContextErr(ctx); err != nil {
		return err
	}
	if n := t.hung.Load(); int(n) >= hungPerSession*t.cfg.Sessions+2 {
		return fmt.Errorf("%d calls hang in the PKCS#11 module; restart this program if that does not end: %w", n, hsm.ErrUnavailable)
	}
	select {
	case t.places <- struct{}{}:
	case <-ctx.Done():
		return hsm.ContextErr(ctx)
	}
	if err := t.usable(); err != nil {
		t.end()
		return err
	}
	return nil
}

func (t *Token) end() { <-t.places }
