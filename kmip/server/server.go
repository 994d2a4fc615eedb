// Package server listens for KMIP over TLS, and takes it over HTTPS from a
// listener of others: connections and their deadlines, from bytes to a response
// and back. It decides nothing about objects. One goroutine serves one
// connection; a peer that is slow or silent holds up nobody else.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/operation"
	"github.com/claviger/claviger/kmip/wire"
)

// Timeouts of a connection. Zero values take the defaults.
type Timeouts struct {
	Handshake time.Duration // TLS, 10 s
	Idle      time.Duration // between messages, 1 h: arrays keep connections
	Header    time.Duration // from the first byte of a message to its eighth, 10 s
	Body      time.Duration // the rest of the message, 30 s
	Request   time.Duration // processing, 30 s
	Write     time.Duration // the response, 30 s
}

func (t Timeouts) withDefaults() Timeouts {
	for _, d := range []struct {
		v   *time.Duration
		def time.Duration
	}{
		{&t.Handshake, 10 * time.Second},
		{&t.Idle, time.Hour},
		{&t.Header, 10 * time.Second},
		{&t.Body, 30 * time.Second},
		{&t.Request, 30 * time.Second},
		{&t.Write, 30 * time.Second},
	} {
		if *d.v == 0 {
			*d.v = d.def
		}
	}
	return t
}

// Config is what a Server is made of; all but the bounds is required.
type Config struct {
	Operations *operation.Server
	Custody    *custody.Service
	TLS        *tls.Config
	Log        *slog.Logger
	Timeouts   Timeouts
	Limits     wire.Limits // wire.DefaultLimits when zero
	// MaxConnections bounds open connections, together with the requests over
	// HTTPS that are being processed; MaxHandshakes those that are in their TLS
	// handshake: 10,000 and 64 when 0.
	MaxConnections int
	MaxHandshakes  int
	// ProxyProtocol expects a PROXY protocol v2 header from a load balancer at
	// the beginning of each connection, and takes the client's address from it.
	ProxyProtocol bool
}

// Server serves KMIP. Serve and ServeDoor may be called for several listeners.
type Server struct {
	c          Config
	handshakes chan struct{}
	base       context.Context //nolint:containedctx // of all connections, from Serve to the end of Shutdown
	cancel     context.CancelFunc

	mu        sync.Mutex
	listeners []net.Listener      // guarded by mu
	conns     map[*conn]struct{}  // guarded by mu
	guests    map[*guest]struct{} // whose connections they are; guarded by mu
	https     map[net.Conn]*guest // those of HTTPS; guarded by mu
	clients   map[string]int      // connections of each client; guarded by mu
	watched   sync.Once           // begins watchClients
	requests  int                 // over HTTPS, being processed; guarded by mu
	draining  bool                // guarded by mu
	wg        sync.WaitGroup      // connections and requests over HTTPS
}

// New makes a Server.
func New(c Config) *Server {
	c.Timeouts = c.Timeouts.withDefaults()
	if c.Limits == (wire.Limits{}) {
		c.Limits = wire.DefaultLimits()
	}
	if c.MaxConnections == 0 {
		c.MaxConnections = 10_000
	}
	if c.MaxHandshakes == 0 {
		c.MaxHandshakes = 64
	}
	s := &Server{c: c, handshakes: make(chan struct{}, c.MaxHandshakes), conns: map[*conn]struct{}{}, guests: map[*guest]struct{}{}, https: map[net.Conn]*guest{}, clients: map[string]int{}}
	s.base, s.cancel = context.WithCancel(context.Background())
	return s
}

// Door is how connections of a listener begin.
type Door struct {
	TLS           *tls.Config
	ProxyProtocol bool
}

// Serve accepts connections until Shutdown; it then returns nil.
func (s *Server) Serve(l net.Listener) error {
	return s.ServeDoor(l, Door{s.c.TLS, s.c.ProxyProtocol})
}

// ServeDoor is Serve for a listener with a TLS of its own. All listeners share the
// bounds of the server.
func (s *Server) ServeDoor(l net.Listener, d Door) error {
	s.mu.Lock()
	if s.draining {
		s.mu.Unlock()
		return l.Close()
	}
	s.listeners = append(s.listeners, l)
	s.mu.Unlock()
	s.watched.Do(func() { go s.watchClients() })
	for {
		raw, err := l.Accept()
		if err != nil {
			if s.isDraining() {
				return nil
			}
			var ne net.Error
			if errors.As(err, &ne) && ne.Timeout() {
				continue
			}
			if isTemporary(err) { // too many open files: let some close
				s.c.Log.Warn("accept failed", "error", err)
				time.Sleep(50 * time.Millisecond)
				continue
			}
			return err
		}
		c := s.add(raw, d)
		if c == nil {
			_ = raw.Close() // over the bound
			continue
		}
		go c.serve()
	}
}

func (s *Server) isDraining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining
}

func (s *Server) add(raw net.Conn, d Door) *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining || len(s.conns)+s.requests >= s.c.MaxConnections {
		if !s.draining {
			s.c.Log.Warn("connection refused: too many are open", "peer", raw.RemoteAddr().String(), "open", len(s.conns))
		}
		return nil
	}
	c := newConn(s, raw, d)
	s.conns[c] = struct{}{}
	s.wg.Add(1)
	return c
}

func (s *Server) remove(c *conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	s.wg.Done()
}

// enter begins a request over HTTPS; it returns false when there is no room for
// it, or the server ends.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining || len(s.conns)+s.requests >= s.c.MaxConnections {
		return false
	}
	s.requests++
	s.wg.Add(1)
	return true
}

// leave ends what enter began.
func (s *Server) leave() {
	s.mu.Lock()
	s.requests--
	s.mu.Unlock()
	s.wg.Done()
}

// Open counts the open connections.
func (s *Server) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Shutdown stops accepting, lets every request that is being processed be
// answered, and closes the connections. When ctx ends first it closes them all.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.draining = true
	for _, l := range s.listeners {
		_ = l.Close()
	}
	for c := range s.conns {
		c.drain()
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(done)
	}()
	defer s.cancel()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		s.mu.Lock()
		for c := range s.conns {
			_ = c.raw.Close()
		}
		s.mu.Unlock()
		return ctx.Err()
	}
}
