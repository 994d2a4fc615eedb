//go:build cgo

package pkcs11

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/claviger/claviger/hsm"
)

// closeTimeout bounds how long Close waits for operations that are under way.
const closeTimeout = 2 * time.Second

// Token is an opened PKCS#11 token. It implements hsm.Token.
type Token struct {
	cfg     Config
	calls   calls
	module  *module
	workers workers

	places     chan struct{} // holds one for each operation under way
	connecting chan struct{} // holds one while the token is connected anew
	hung       hanging       // operations written off that have not come back
	loggingIn  atomic.Bool   // a login is under way
	gcmNonce   atomic.Int32  // who makes the nonce of AES-GCM; see nonce.go

	mu     sync.Mutex // guards what follows; never held during a call
	conn   *connection
	idle   []*session
	keys   map[string]*rootKey
	pinErr error
	closed bool
}

var _ hsm.Token = (*Token)(nil)

// Open loads the module, finds the token and logs in. Do not call it in a loop
// after hsm.ErrPIN: each time is an attempt.
func Open(ctx context.Context, cfg Config) (*Token, error) {
	return open(ctx, cfg, func(c calls) calls { return c })
}

// open is Open with a hand on the module, for tests.
func open(ctx context.Context, cfg Config, wrap func(calls) calls) (*Token, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("open PKCS#11 token: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.GenerateTimeout)
	defer cancel()
	t := &Token{
		cfg: cfg, workers: newWorkers(), places: make(chan struct{}, cfg.Sessions), connecting: make(chan struct{}, 1),
		keys: map[string]*rootKey{},
	}
	done := make(chan error, 1)
	var settled atomic.Bool
	go func() {
		err := t.start(ctx, wrap)
		if settled.CompareAndSwap(false, true) {
			done <- err
		} else if err == nil {
			_ = t.Close() // nobody waits for it any more
		}
	}()
	select {
	case err = <-done:
	case <-ctx.Done():
		if settled.CompareAndSwap(false, true) {
			err = fmt.Errorf("open %s: %w", cfg.name(), hsm.ContextErr(ctx))
			if t.loggingIn.Load() {
				err = fmt.Errorf("%w; %w", err, hsm.ErrLogin)
			}
			return nil, err
		}
		err = <-done
	}
	if err != nil {
		return nil, t.contextFirst(ctx, "open", err)
	}
	return t, nil
}

func (t *Token) start(ctx context.Context, wrap func(calls) calls) error {
	m, err := load(t.cfg.Module)
	if err != nil {
		return err
	}
	t.module, t.calls = m, wrap(m.ctx)
	if _, err := t.connectInside(ctx); err != nil {
		m.release(true)
		return err
	}
	return nil
}

// usable returns why nothing can be asked of the token, if so.
func (t *Token) usable() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return hsm.ErrClosed
	}
	return t.pinErr
}

// Info implements hsm.Token.
func (t *Token) Info(context.Context) (hsm.Info, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return hsm.Info{}, hsm.ErrClosed
	}
	return t.conn.info, nil
}

// Capabilities implements hsm.Token.
func (t *Token) Capabilities(ctx context.Context) (hsm.Capabilities, error) {
	return run(ctx, t, "capabilities", func(_ context.Context, s *session) (hsm.Capabilities, error) {
		if _, err := t.calls.GetSessionInfo(s.handle); err != nil {
			return hsm.Capabilities{}, err
		}
		o, err := t.offers(s.conn.slot)
		c := hsm.Capabilities{Generate: o.generate, Random: true, Seal: o.seal, Objects: o.objects}
		if len(o.wrap) > 0 {
			c.Wrap = o.wrap[0].name
		}
		return c, err
	})
}

// Random implements hsm.Token.
func (t *Token) Random(ctx context.Context, n int) ([]byte, error) {
	if err := hsm.CheckRandom(n); err != nil {
		return nil, err
	}
	return run(ctx, t, "random", func(_ context.Context, s *session) ([]byte, error) {
		out, err := t.calls.GenerateRandom(s.handle, n)
		if err == nil && len(out) != n {
			return nil, fmt.Errorf("it gave %d random bytes and not %d: %w", len(out), n, hsm.ErrUnavailable)
		}
		return out, err
	})
}

// Check implements hsm.Token: it asks for the state of a session, and opens the
// witness of each key that was used.
func (t *Token) Check(ctx context.Context) error {
	_, err := run(ctx, t, "check", func(ctx context.Context, s *session) (struct{}, error) {
		if _, err := t.calls.GetSessionInfo(s.handle); err != nil {
			return struct{}{}, err
		}
		if _, err := t.calls.GenerateRandom(s.handle, 1); err != nil {
			return struct{}{}, err
		}
		for _, id := range t.witnessed() {
			k, err := t.resolve(ctx, s, id)
			if err == nil {
				err = t.prove(s, k)
			}
			if err != nil {
				return struct{}{}, err
			}
		}
		return struct{}{}, nil
	})
	return err
}

// Close implements hsm.Token. It waits a little for operations under way; the
// module stays initialised if one does not come back.
func (t *Token) Close() error {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil
	}
	t.closed = true
	idle, conn := t.idle, t.conn
	t.idle = nil
	t.mu.Unlock()

	done := make(chan struct{})
	timer := time.NewTimer(closeTimeout)
	defer timer.Stop()
	taken := 0
wait:
	for range cap(t.places) {
		select {
		case t.places <- struct{}{}:
			taken++
		case <-timer.C:
			break wait
		}
	}
	quiet := taken == cap(t.places)
	for range taken { // who waits for a place is told that it is closed
		t.end()
	}
	close(t.workers.quit)
	go func() {
		defer close(done)
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		if generation, err := t.module.enter(ctx); err == nil {
			t.hangUp(generation, conn, idle)
			t.module.leave()
		}
		t.module.release(quiet && t.hung.count() == 0)
	}()
	select {
	case <-done:
	case <-time.After(closeTimeout):
	}
	return nil
}
