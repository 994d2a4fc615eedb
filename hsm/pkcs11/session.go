//go:build cgo

package pkcs11

import (
	"context"
	"fmt"
	"sync"

	"github.com/miekg/pkcs11"

	"github.com/claviger/claviger/hsm"
)

// session is an open session of one connection.
type session struct {
	handle pkcs11.SessionHandle
	conn   *connection
}

// connection is what holds from one connect to the next: slot, login and the
// validity of object handles.
type connection struct {
	generation uint64 // of the module
	slot       uint
	anchor     pkcs11.SessionHandle // stays open so that the login and session objects last
	info       hsm.Info
	offer      offer
	wrapped    *wrappedKeys
	objects    sync.Map // from identifier to *object
}

const sessionFlags = pkcs11.CKF_SERIAL_SESSION | pkcs11.CKF_RW_SESSION

// take returns a session of the current connection, which it returns too, or
// errVoid if that is not of this generation of the module. The caller has entered
// the module.
func (t *Token) take(ctx context.Context, generation uint64) (s *session, conn *connection, err error) {
	t.mu.Lock()
	conn, pinErr := t.conn, t.pinErr
	void := conn.generation != generation || conn.wrapped.stuck.Load()
	var idle *session
	if n := len(t.idle); n > 0 && !void {
		idle, t.idle = t.idle[n-1], t.idle[:n-1]
	}
	t.mu.Unlock()
	switch {
	case pinErr != nil:
		return nil, conn, pinErr
	case void:
		return nil, conn, errVoid
	case idle != nil:
		return idle, conn, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, conn, err
	}
	s, err = t.newSession(conn)
	return s, conn, err
}

func (t *Token) newSession(conn *connection) (*session, error) {
	handle, err := t.calls.OpenSession(conn.slot, sessionFlags)
	if err != nil {
		return nil, fmt.Errorf("open session: %w", err)
	}
	return &session{handle: handle, conn: conn}, nil
}

// giveBack keeps a session for the next operation, or closes it. The caller has
// not left the module since it took the session.
func (t *Token) giveBack(s *session, well bool) {
	t.mu.Lock()
	if well && !t.closed && s.conn == t.conn && len(t.idle) < t.cfg.Sessions {
		t.idle = append(t.idle, s)
		t.mu.Unlock()
		return
	}
	t.mu.Unlock()
	_ = t.calls.CloseSession(s.handle) // it may be gone already
}

// reconnect makes a new connection unless another operation has done so since
// before was the connection. If that does not help, or did not (again), the
// module is initialised anew first. The caller is not inside the module.
func (t *Token) reconnect(ctx context.Context, before *connection, again bool) error {
	select {
	case t.connecting <- struct{}{}:
		defer func() { <-t.connecting }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := t.usable(); err != nil {
		return err
	}
	t.mu.Lock()
	renewed := t.conn != before
	t.mu.Unlock()
	if renewed && !again {
		return nil
	}
	if !again {
		seen, err := t.connectInside(ctx)
		if err == nil || !isStale(err) || ctx.Err() != nil {
			return err
		}
		if renewal := t.module.renew(ctx, seen); renewal != nil {
			return fmt.Errorf("%w (%w)", err, renewal)
		}
	} else if err := t.module.renew(ctx, before.generation); err != nil {
		return err
	}
	_, err := t.connectInside(ctx)
	return err
}

// connectInside is connect inside the module, of which it returns the generation.
func (t *Token) connectInside(ctx context.Context) (uint64, error) {
	generation, err := t.module.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer t.module.leave()
	return generation, t.connect(ctx, generation)
}

// connect finds the token, opens a session and logs in, at most once. The
// sessions of the connection before are closed after that, because closing the
// last one would end a login that still holds. The caller holds connecting.
func (t *Token) connect(ctx context.Context, generation uint64) error {
	if err := t.usable(); err != nil {
		return err
	}
	slot, token, err := t.findSlot()
	if err != nil {
		return err
	}
	conn := &connection{generation: generation, slot: slot, info: t.describe(slot, token), wrapped: newWrappedKeys()}
	if err := t.same(conn.info); err != nil {
		return err
	}
	if conn.offer, err = t.offers(slot); err != nil {
		return err
	}
	conn.anchor, err = t.calls.OpenSession(slot, sessionFlags)
	if err != nil {
		return fmt.Errorf("open session: %w", err)
	}
	if err := t.login(ctx, conn.anchor, token.Flags); err != nil {
		_ = t.calls.CloseSession(conn.anchor)
		return err
	}
	t.mu.Lock()
	old, idle, closed := t.conn, t.idle, t.closed
	if !closed {
		t.conn, t.idle = conn, nil
	}
	t.mu.Unlock()
	if closed {
		_ = t.calls.CloseSession(conn.anchor)
		return hsm.ErrClosed
	}
	t.hangUp(generation, old, idle)
	return nil
}

// same returns nil unless another token than the one that was opened is there.
func (t *Token) same(now hsm.Info) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.conn == nil || t.conn.info.Serial == now.Serial {
		return nil
	}
	return fmt.Errorf("the token there has serial number %s and the one that was opened has %s: it was initialised anew or replaced; put the right one back, or enrol this one as a new token: %w",
		now.Serial, t.conn.info.Serial, hsm.ErrUnavailable)
}

// hangUp closes the sessions of a connection, if the module still is of its
// generation. The caller has entered the module.
func (t *Token) hangUp(generation uint64, conn *connection, idle []*session) {
	for _, s := range idle {
		if s.conn.generation == generation {
			_ = t.calls.CloseSession(s.handle) // it may be gone already
		}
	}
	if conn != nil && conn.generation == generation {
		_ = t.calls.CloseSession(conn.anchor)
	}
}
