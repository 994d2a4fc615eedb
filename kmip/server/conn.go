package server

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/claviger/claviger/kmip/server/proxy"
	"github.com/claviger/claviger/kmip/wire"
)

// conn is one connection. Its goroutine owns everything but what mu guards.
type conn struct {
	caller
	raw    net.Conn
	stream *tls.Conn
	in     []byte // request, cleared after use
	out    []byte // response, cleared after use
	reader messageReader
	// proxied: a load balancer says first who is behind it.
	proxied bool

	mu       sync.Mutex
	busy     bool // guarded by mu: a request is being processed
	draining bool // guarded by mu
}

func newConn(s *Server, raw net.Conn, d Door) *conn {
	c := &conn{raw: raw, stream: tls.Server(raw, d.TLS), proxied: d.ProxyProtocol}
	c.caller = caller{s: s, peer: raw.RemoteAddr().String(), tls: c.stream, mayTurn: true}
	c.reader = messageReader{conn: c.stream, t: s.c.Timeouts, stopped: c.stopped}
	return c
}

// drain ends the connection as soon as it is between two messages.
func (c *conn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draining = true
	if !c.busy {
		_ = c.raw.SetReadDeadline(time.Now())
	}
}

func (c *conn) stopped() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.draining
}

// begin marks the connection busy; it returns false when it is to end.
func (c *conn) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy = true
	return !c.draining
}

func (c *conn) end() (goOn bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy = false
	return !c.draining
}

func (c *conn) serve() {
	defer c.s.remove(c)
	defer func() {
		if p := recover(); p != nil {
			c.s.c.Log.Error("connection failed", "peer", c.peer, "panic", p, "stack", string(debug.Stack()))
		}
		clear(c.in[:cap(c.in)]) // also of a message that broke off
		clear(c.out)
		_ = c.raw.Close()
	}()
	if err := c.introduce(); err != nil {
		c.s.c.Log.Warn("connection refused", "peer", c.peer, "error", err)
		return
	}
	if err := c.handshake(); err != nil {
		c.s.c.Log.Info("TLS handshake failed", "peer", c.peer, "error", explain(err))
		return
	}
	g := &guest{presented: c.presented(), since: time.Now(), drain: c.drain, cut: func() { _ = c.raw.Close() }}
	defer c.s.farewell(g)
	if !c.arrive(g) {
		return
	}
	for {
		message, err := c.read()
		if err != nil {
			c.readFailed(err)
			return
		}
		if !c.begin() {
			return // arrived while draining: not processed, so not lost
		}
		c.out = c.respond(message, c.out)
		goOn := c.send()
		if !c.end() || !goOn {
			_ = c.stream.CloseWrite()
			return
		}
		if c.turned != nil {
			if err := c.tell(c.turned); err != nil {
				c.s.c.Log.Info("connection with exchanged roles ended", "peer", c.peer, "error", err)
			}
			_ = c.stream.CloseWrite()
			return
		}
	}
}

// introduce reads who is behind the load balancer, where there is one.
func (c *conn) introduce() error {
	if !c.proxied {
		return nil
	}
	if err := c.raw.SetReadDeadline(time.Now().Add(c.s.c.Timeouts.Handshake)); err != nil {
		return err
	}
	client, err := proxy.ReadHeader(c.raw)
	if err != nil {
		return err
	}
	if client != "" {
		c.peer = client
	}
	return c.raw.SetReadDeadline(time.Time{})
}

// handshake does the TLS handshake within its deadline; few at a time, because
// one costs as much as dozens of requests.
func (c *conn) handshake() error {
	ctx, cancel := context.WithTimeout(c.s.base, c.s.c.Timeouts.Handshake)
	defer cancel()
	select {
	case c.s.handshakes <- struct{}{}:
		defer func() { <-c.s.handshakes }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return c.stream.HandshakeContext(ctx)
}

// arrive takes note of whose connection it is; false when there are too many.
func (c *conn) arrive(g *guest) bool {
	ctx, cancel := context.WithTimeout(c.s.base, c.s.c.Timeouts.Handshake)
	defer cancel()
	return c.s.welcome(ctx, g)
}

func (c *conn) read() ([]byte, error) {
	c.reader.next()
	message, err := wire.ReadMessage(&c.reader, c.in, c.s.c.Limits)
	if cap(message) > cap(c.in) || c.in == nil {
		c.in = message[:0:cap(message)]
	}
	return message, err
}

// readFailed ends a connection whose framing is lost; a message that is too
// large still gets an answer.
func (c *conn) readFailed(err error) {
	var tooLarge *wire.TooLargeError
	var syntax *wire.SyntaxError
	switch {
	case errors.As(err, &tooLarge), errors.As(err, &syntax):
		c.s.c.Log.Warn("message refused", "peer", c.peer, "error", err)
		c.out = c.unread(err, c.out)
		c.send()
	case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed):
	default:
		c.s.c.Log.Debug("connection ended", "peer", c.peer, "error", err)
	}
}

// send writes the response at once and overwrites it. It returns false when the
// connection must end.
func (c *conn) send() bool {
	defer func() { clear(c.out) }()
	if err := c.stream.SetWriteDeadline(time.Now().Add(c.s.c.Timeouts.Write)); err != nil {
		return false
	}
	_, err := c.stream.Write(c.out)
	return err == nil
}

// messageReader gives each part of a message its deadline: idle until the
// first byte, then the header, then the body.
type messageReader struct {
	conn *tls.Conn
	t    Timeouts
	got  int // bytes of the current message
	// stopped tells that the connection is to end between two messages.
	stopped func() bool
}

const headerBytes = 8

func (r *messageReader) next() { r.got = 0 }

func (r *messageReader) Read(p []byte) (int, error) {
	before := r.got
	if before == 0 {
		if err := r.conn.SetReadDeadline(time.Now().Add(r.t.Idle)); err != nil {
			return 0, err
		}
		if r.stopped() { // else whoever stops it does so after the deadline was set, and ends the wait
			return 0, net.ErrClosed
		}
	}
	n, err := r.conn.Read(p)
	r.got += n
	var deadline time.Duration
	switch {
	case before == 0 && r.got > 0 && r.got < headerBytes:
		deadline = r.t.Header
	case before < headerBytes && r.got >= headerBytes:
		deadline = r.t.Body
	}
	if deadline > 0 && err == nil {
		err = r.conn.SetReadDeadline(time.Now().Add(deadline))
	}
	return n, err
}

// explain turns what TLS says into what an operator can act on.
func explain(err error) string {
	text := err.Error()
	for _, e := range []struct{ has, means string }{
		{"didn't provide a certificate", "the client sent no certificate; it needs one that this server's authority issued"},
		{"unknown certificate authority", "the client does not trust this server's certificate; give it ca.pem"},
		{"certificate signed by unknown authority", "the client's certificate is from another authority than this server's"},
		{"certificate has expired", "the client's certificate has expired or is not yet valid"},
		{"incompatible key usage", "the client's certificate is not for client authentication"},
		{"unsupported protocol version", "the client offers only versions of TLS before 1.2"},
		{"no cipher suite supported", "client and server have no cipher suite in common"},
		{"first record does not look like a TLS handshake", "the client does not speak TLS"},
	} {
		if strings.Contains(text, e.has) {
			return e.means + " (" + text + ")"
		}
	}
	return text
}
