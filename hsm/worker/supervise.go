package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/claviger/claviger/hsm"
)

const (
	// firstDelay doubles to maxDelay while workers end soon after their start.
	firstDelay = 50 * time.Millisecond
	maxDelay   = 2 * time.Second
	// stable is how long a worker lives before its end is no longer one of a
	// series.
	stable = 10 * time.Second
	// grace is what calls under way get when another call hangs.
	grace = 250 * time.Millisecond
)

// supervise keeps a worker running until the token is closed. p is the first.
func (t *Token) supervise(p *process) {
	defer close(t.done)
	born := time.Now()
	for {
		select {
		case <-p.leave:
		case <-t.closing:
		}
		if t.isClosed() {
			p.shutDown()
			return
		}
		t.update(func() { t.current, t.delayed, t.failed = nil, nil, nil })
		p.retire()
		t.cfg.Log.Error("token worker ended", "token", t.cfg.Name, "reason", p.reason(), "state", p.state, "lived", time.Since(born).Round(time.Millisecond))
		if time.Since(born) >= stable {
			t.series = 0
		}
		if p = t.restart(p); p == nil {
			return
		}
		born = time.Now()
	}
}

// restart starts workers until one is usable. Returns nil when the token was
// closed.
func (t *Token) restart(old *process) *process {
	for ended := old; ; t.series++ {
		if !t.await(ended) {
			return nil
		}
		ctx, cancel := context.WithTimeout(t.ctx, t.cfg.StartTimeout)
		p, err := t.start(ctx)
		cancel()
		if err == nil {
			t.series++
			t.update(func() { t.current, t.delayed, t.failed, t.info = p, nil, nil, p.info })
			t.attempted(nil)
			return p
		}
		t.cfg.Log.Error("token worker not usable", "token", t.cfg.Name, "error", err)
		t.update(func() { t.failed = err })
		t.attempted(err)
		ended = nil
	}
}

// await waits until the next worker may be started: as long as the back-off
// says, and for ever while starts are stopped, but not longer than until Retry.
// It reports whether the token is still open.
func (t *Token) await(ended *process) bool {
	delay := time.Duration(0)
	if t.series > 0 {
		delay = min(firstDelay<<min(t.series-1, 10), maxDelay)
	}
	if delay > 0 && ended != nil {
		err := fmt.Errorf("the token worker ended (%s) and is started again in %s: %w", ended.state, delay, hsm.ErrUnavailable)
		t.update(func() { t.delayed = err })
	}
	defer t.update(func() { t.delayed = nil })
	timer := time.NewTimer(delay)
	defer timer.Stop()
	due := false
	for {
		t.mu.Lock()
		changed, stopped, closed := t.changed, t.stopped != nil, t.closed
		retry := len(t.retries) > 0
		if retry {
			t.stopped, t.failed = nil, nil
			t.served, t.retries = append(t.served, t.retries...), nil
		}
		t.mu.Unlock()
		switch {
		case closed:
			return false
		case retry:
			t.series, t.logins = 0, min(t.logins, hsm.MaxLogins-1) // once more
			return true
		case due && !stopped:
			return true
		}
		select {
		case <-timer.C:
			due = true
		case <-changed:
		case <-t.closing:
		}
	}
}

// start starts a worker and opens its token. It stops further starts if the
// error asks for it.
func (t *Token) start(ctx context.Context) (*process, error) {
	p, err := spawn(&t.cfg)
	if err != nil {
		return nil, err
	}
	p.refused = t.stop
	err = p.open(ctx)
	if err == nil {
		err = t.same(p.info)
	}
	if err == nil {
		t.logins = 0
		return p, nil
	}
	p.kill()
	<-p.ended
	<-p.gone
	unanswered := errors.Is(err, errLost) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
	if errors.Is(err, errLost) {
		err = fmt.Errorf("open %s: the token worker ended (%s) before the token was open: %w", t.cfg.Name, p.state, hsm.ErrUnavailable)
	}
	switch {
	case errors.Is(err, hsm.ErrPIN):
		t.stop(err)
	case unanswered && p.pinGiven.Load():
		err = fmt.Errorf("%w; %w", err, hsm.ErrLogin)
		if t.logins++; t.logins >= hsm.MaxLogins {
			err = fmt.Errorf("%w, like %d in a row: no other is started until an operator asks for it (claviger root retry)", err, t.logins)
			t.stop(err)
		}
	}
	return nil, err
}

// same returns an error unless a worker found the token that was there before.
// Then no other worker is started: it would log in to a stranger.
func (t *Token) same(info hsm.Info) error {
	t.mu.Lock()
	was := t.info
	t.mu.Unlock()
	if was.Serial == "" || was.Serial == info.Serial {
		return nil
	}
	err := fmt.Errorf("%s: the worker found token %q with serial number %s, and before it was %q with %s; bring that one back: %w",
		t.cfg.Name, info.Label, info.Serial, was.Label, was.Serial, hsm.ErrUnavailable)
	t.stop(err)
	return err
}

// retire gives calls under way a little time, ends the worker and waits for its
// end. Those that are left get errLost.
func (p *process) retire() {
	for end := time.Now().Add(grace); p.alive() && !p.idle() && time.Now().Before(end); {
		select {
		case <-p.gone:
		case <-time.After(5 * time.Millisecond):
		}
	}
	p.kill()
	<-p.ended
	<-p.gone
}

func (p *process) alive() bool {
	select {
	case <-p.gone:
		return false
	default:
		return true
	}
}

// shutDown has the worker close its token and end. It does not wait long, and
// hardly at all for calls that are under way.
func (p *process) shutDown() {
	wait := closing + time.Second
	if !p.idle() {
		wait = grace
	}
	p.condemn(hsm.ErrClosed)
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	_ = p.post(ctx, message{kind: kindClose}) // it ends in any case
	select {
	case <-p.gone:
	case <-ctx.Done():
	}
	p.kill()
	<-p.ended
	<-p.gone
}
