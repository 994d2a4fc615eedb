package worker

import (
	"context"
	"errors"
	"time"

	"github.com/claviger/claviger/hsm"
)

// do makes a call and returns by the deadline of ctx. full tells that this is
// the timeout of the call. Returns errLost if the worker ended before it
// answered, and errRefused if it was not given the call.
func (p *process) do(ctx context.Context, m message, full bool) (message, error) {
	select {
	case p.places <- struct{}{}:
	case <-p.leave:
		return message{}, errRefused
	case <-ctx.Done():
		return message{}, hsm.ContextErr(ctx)
	}
	c := p.add(m.op, full)
	if c == nil {
		return message{}, errRefused
	}
	m.kind, m.id, m.left = kindCall, c.id, left(ctx)
	if err := p.post(ctx, m); err != nil {
		p.drop(c)
		return message{}, err
	}
	select {
	case answer, ok := <-c.answer:
		return result(answer, ok)
	case <-ctx.Done():
	}
	if answer, ok, late := p.abandon(c); late {
		return result(answer, ok)
	}
	if ctx.Err() == context.Canceled {
		p.hurry(message{kind: kindCancel, id: c.id})
	}
	return message{}, hsm.ContextErr(ctx)
}

func result(answer message, ok bool) (message, error) {
	if !ok {
		return message{}, errLost
	}
	return answer, answer.err()
}

// hurry sends a message if the writer is free: it is only a hint.
func (p *process) hurry(m message) {
	frame, err := m.encode()
	if err != nil {
		return
	}
	select {
	case p.out <- frame:
	default:
	}
}

// add enters a call that has a place, nil if the worker takes none.
func (p *process) add(o op, full bool) *pending {
	timeout := p.cfg.timeout(o)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.why != nil {
		<-p.places
		return nil
	}
	p.last++
	c := &pending{id: p.last, op: o, answer: make(chan message, 1), full: full}
	c.hang = time.AfterFunc(timeout+slack(timeout), func() { p.condemn(errHanging) })
	p.calls[c.id] = c
	return c
}

// drop takes back a call that was not sent.
func (p *process) drop(c *pending) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.calls[c.id] == c {
		p.forget(c.id, c)
	}
}

// forget removes a call. The caller holds mu.
func (p *process) forget(id uint64, c *pending) {
	c.hang.Stop()
	delete(p.calls, id)
	<-p.places
}

// abandon leaves a call to its fate, unless its answer has come just now.
func (p *process) abandon(c *pending) (answer message, ok, late bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.calls[c.id] == c {
		c.abandoned = true
		return message{}, false, false
	}
	answer, ok = <-c.answer // it is in there, or closed
	return answer, ok, true
}

// answered brings an answer to its caller and looks whether it tells that the
// token hangs.
func (p *process) answered(m message) {
	err := m.err()
	if errors.Is(err, hsm.ErrPIN) { // before its caller knows, and before this worker is gone
		p.refused(err)
		p.condemn(err)
	}
	p.mu.Lock()
	c := p.calls[m.id]
	if c == nil || c.abandoned {
		m.wipe()
	}
	if c == nil {
		p.mu.Unlock()
		return
	}
	p.forget(m.id, c)
	if !c.abandoned {
		c.answer <- m // has room
	}
	p.mu.Unlock()
	switch {
	case !errors.Is(err, context.DeadlineExceeded) || p.tells:
	case c.full:
		p.condemn(errHanging)
	default:
		p.probe()
	}
}

// probe finds out whether the token hangs or a caller just had no time: a check
// gets the full timeout. One at a time, and not more often than that.
func (p *process) probe() {
	p.mu.Lock()
	if time.Since(p.probed) < 2*p.cfg.Timeout {
		p.mu.Unlock()
		return
	}
	p.probed = time.Now()
	p.mu.Unlock()
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), p.cfg.Timeout)
		defer cancel()
		_, _ = p.do(ctx, message{op: opCheck}, true) // what it tells is told by answered
	}()
}
