package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/claviger/claviger/hsm"
)

// Token is a token in a worker. It implements hsm.Token.
type Token struct {
	cfg     Config
	ctx     context.Context // of the starts of workers; ends with Close
	cancel  context.CancelFunc
	closing chan struct{} // closed by Close
	done    chan struct{} // closed when the last worker has ended

	// Of the supervisor alone.
	series int // workers that ended soon, in a row
	logins int // starts that ended while they logged in, in a row

	mu      sync.Mutex    // guards what follows; never held during a call
	changed chan struct{} // closed and replaced when what follows changes
	current *process      // nil while there is none
	info    hsm.Info
	delayed error // the next start is delayed
	failed  error // the last start failed
	stopped error // no worker is started until Retry
	closed  bool
	// retries are of Retry, for the next start to begin; served wait for the outcome of
	// the one that has begun because of them.
	retries, served []chan error
}

var _ hsm.Token = (*Token)(nil)

// Open starts a worker and opens its token, or returns the worker's error. Do
// not call it in a loop after hsm.ErrPIN: each time is an attempt.
func Open(ctx context.Context, cfg Config) (*Token, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("open token: %w", err)
	}
	if err := hsm.ContextErr(ctx); err != nil {
		return nil, fmt.Errorf("open %s: %w", cfg.Name, err)
	}
	t := &Token{
		cfg: cfg, closing: make(chan struct{}), done: make(chan struct{}), changed: make(chan struct{}),
	}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	ctx, cancel := context.WithTimeout(ctx, cfg.StartTimeout)
	defer cancel()
	p, err := t.start(ctx)
	if err != nil {
		t.cancel()
		return nil, err
	}
	t.current, t.info = p, p.info
	go t.supervise(p)
	return t, nil
}

// Retry is an operator's act: after hsm.ErrPIN, or other trouble because of which
// no worker is started any more, it has one started and waits until that is
// usable or not. It does nothing while a worker is well.
func (t *Token) Retry(ctx context.Context) error {
	outcome := make(chan error, 1)
	var err error
	t.update(func() {
		switch {
		case t.closed:
			err = hsm.ErrClosed
		case t.current == nil || t.stopped != nil:
			t.retries = append(t.retries, outcome)
			return
		}
		outcome <- err
	})
	select {
	case err := <-outcome:
		return err
	case <-t.closing:
		return hsm.ErrClosed
	case <-ctx.Done():
		t.mu.Lock()
		defer t.mu.Unlock()
		gone := func(c chan error) bool { return c == outcome }
		t.retries, t.served = slices.DeleteFunc(t.retries, gone), slices.DeleteFunc(t.served, gone)
		return hsm.ContextErr(ctx)
	}
}

// attempted tells those who wait in Retry how the start that they asked for went. Who
// asked while it was under way wants another one, unless it went well.
func (t *Token) attempted(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		t.served, t.retries = append(t.served, t.retries...), nil
	}
	for _, r := range t.served {
		r <- err // has room
	}
	t.served = nil
}

// stop makes an error final until Retry.
func (t *Token) stop(err error) {
	t.update(func() {
		if t.stopped != nil {
			return
		}
		t.stopped = err
		if errors.Is(err, hsm.ErrPIN) {
			t.cfg.Refused()
		}
	})
	t.cfg.Log.Error("no token worker is started until an operator asks for it", "token", t.cfg.Name, "error", err)
}

// update changes what mu guards and wakes those who wait for it.
func (t *Token) update(change func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change()
	close(t.changed)
	t.changed = make(chan struct{})
}

func (t *Token) isClosed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.closed
}

// worker returns the worker that takes calls, and is not the one that just
// ended. It waits for one that is being started, but not after a start has
// failed, and while a start is delayed only if the caller is patient.
func (t *Token) worker(ctx context.Context, ended *process, patient bool) (*process, error) {
	for {
		t.mu.Lock()
		changed := t.changed
		var err error
		switch {
		case t.closed:
			err = hsm.ErrClosed
		case t.stopped != nil:
			err = t.stopped
		case t.current != nil && t.current != ended:
			p := t.current
			t.mu.Unlock()
			return p, nil
		case t.current != nil: // will be taken out of service
		case t.failed != nil:
			err = t.failed
		case !patient:
			err = t.delayed
		}
		t.mu.Unlock()
		if err != nil {
			return nil, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, hsm.ContextErr(ctx)
		}
	}
}

// call makes a call, and once more on the next worker if the first one ended
// and the call can be repeated.
func (t *Token) call(ctx context.Context, m message) (message, error) {
	timeout := t.cfg.timeout(m.op)
	deadline, has := ctx.Deadline()
	full := !has || time.Until(deadline) >= timeout
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := t.usable(ctx); err != nil {
		return message{}, t.explain(m.op, err)
	}
	var ended *process
	for repeated := false; ; {
		p, err := t.worker(ctx, ended, repeated)
		if err != nil {
			return message{}, t.explain(m.op, err)
		}
		answer, err := p.do(ctx, m, full && !repeated)
		ended = p
		switch {
		case answer.failed != 0 && ctx.Err() == nil && errors.Is(err, context.Canceled) && t.isClosed():
			return message{}, t.explain(m.op, hsm.ErrClosed) // it was cancelled by Close
		case answer.failed != 0: // the worker's own words
			return answer, err
		case errors.Is(err, errRefused):
		case !errors.Is(err, errLost):
			return answer, t.explain(m.op, err)
		case t.isClosed():
			return message{}, t.explain(m.op, hsm.ErrClosed)
		case !m.op.repeatable():
			return message{}, t.explain(m.op, fmt.Errorf("%w, and nobody knows whether it was done: %w", errLost, hsm.ErrUnavailable))
		case repeated:
			return message{}, t.explain(m.op, fmt.Errorf("%w, and so did the next one: %w", errLost, hsm.ErrUnavailable))
		default:
			repeated = true
		}
	}
}

// usable returns why nothing can be asked of the token, if so.
func (t *Token) usable(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closed:
		return hsm.ErrClosed
	case t.stopped != nil:
		return t.stopped
	}
	return hsm.ContextErr(ctx)
}

// explain says what failed.
func (t *Token) explain(o op, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %s: %w", t.cfg.Name, o, err)
}

// Info implements hsm.Token: the token as the last worker found it.
func (t *Token) Info(context.Context) (hsm.Info, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return hsm.Info{}, hsm.ErrClosed
	}
	return t.info, nil
}

// Close implements hsm.Token. Calls that are under way get hsm.ErrClosed, unless
// they are answered within a short grace.
func (t *Token) Close() error {
	t.mu.Lock()
	first := !t.closed
	t.closed = true
	t.mu.Unlock()
	if first {
		t.cancel()
		close(t.closing)
	}
	<-t.done
	return nil
}
