package server

import (
	"context"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
)

// sweepInterval is how often a node looks whether the clients that are connected
// may still be.
const sweepInterval = time.Second

// sweepAtOnce is how many clients are looked up at a time when something has changed.
const sweepAtOnce = 8

// strangerTime is for how long a connection may stay open whose certificate
// belongs to no client, or to one that may not come: long enough to be told.
const strangerTime = 10 * time.Second

// guest is whose connection one is. Fields are guarded by Server.mu but for
// presented and since, which stay.
type guest struct {
	presented custody.Presented
	since     time.Time
	client    string // "" while it is nobody's; counted in Server.clients
	ending    bool   // it was told to end
	uncounted bool   // it is none of Server.clients
	// drain ends the connection between two messages, cut at once.
	drain, cut func()
}

// welcome takes note of whose connection one is. It returns false when the client
// has as many as it may have. A client that may not come stays a stranger: its
// requests are answered, so that it can be told why.
func (s *Server) welcome(ctx context.Context, g *guest) bool {
	v, _, err := s.c.Custody.Identify(ctx, g.presented)
	if err != nil {
		s.c.Log.Info("a client may not come", "client", v.Client, "peer", g.presented.Source, "certificate", g.presented.Certificates[0].Subject.String(), "reason", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.guests[g] = struct{}{}
	return err != nil || s.assign(g, v)
}

// assign counts a connection as one of a client; s.mu is held.
func (s *Server) assign(g *guest, v custody.Visitor) bool {
	if v.Connections > 0 && s.clients[v.Client] >= v.Connections {
		s.c.Log.Warn("connection refused: the client has as many as it may", "client", v.Client, "peer", g.presented.Source, "connections", v.Connections)
		return false
	}
	g.client = v.Client
	s.clients[v.Client]++
	return true
}

// farewell forgets a connection that has ended.
func (s *Server) farewell(g *guest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.guests[g]; !ok {
		return
	}
	delete(s.guests, g)
	if g.client == "" || g.uncounted {
		return
	}
	if s.clients[g.client]--; s.clients[g.client] <= 0 {
		delete(s.clients, g.client)
	}
}

// watchClients ends connections of clients that may no longer come, each within a
// second or two, until the server ends.
func (s *Server) watchClients() {
	t := time.NewTicker(sweepInterval)
	defer t.Stop()
	for {
		select {
		case <-s.base.Done():
			return
		case <-t.C:
		}
		ctx, cancel := context.WithTimeout(s.base, s.c.Timeouts.Request)
		s.sweep(ctx)
		cancel()
	}
}

// sweep looks once at every connection. While the store cannot be asked all stay:
// no request on them is served either.
func (s *Server) sweep(ctx context.Context) {
	if err := s.c.Custody.RefreshClients(ctx); err != nil {
		s.c.Log.Debug("clients could not be looked at", "error", err)
		return
	}
	s.mu.Lock()
	all := make([]*guest, 0, len(s.guests))
	for g := range s.guests {
		all = append(all, g)
	}
	s.mu.Unlock()
	var work errgroup.Group
	work.SetLimit(sweepAtOnce)
	for _, g := range all {
		work.Go(func() error {
			s.look(ctx, g)
			return nil
		})
	}
	_ = work.Wait()
}

// look ends a connection whose client may not come any more.
func (s *Server) look(ctx context.Context, g *guest) {
	v, _, err := s.c.Custody.Standing(ctx, g.presented)
	switch kind := kmip.KindOf(err); {
	case err == nil:
		s.mu.Lock()
		_, open := s.guests[g]
		over := open && g.client == "" && !s.assign(g, v)
		s.mu.Unlock()
		if over {
			g.drain()
		}
	case kind == kmip.KindNotAuthenticated, kind == kmip.KindPermissionDenied:
		s.dismiss(g, err)
	}
}

// dismiss ends the connection of a client that may not come.
func (s *Server) dismiss(g *guest, err error) {
	s.mu.Lock()
	stranger, ending := g.client == "", g.ending
	if stranger && time.Since(g.since) < strangerTime {
		s.mu.Unlock()
		return
	}
	g.ending = true
	s.mu.Unlock()
	if ending { // it did not end by itself within a second
		g.cut()
		return
	}
	s.c.Log.Info("connection ended: the client may not come any more", "client", g.client, "peer", g.presented.Source, "reason", err)
	g.drain()
}

type connKey struct{}

// ConnContext is that of the http.Server that serves HTTP: with HTTPState it lets
// connections of clients be ended that may not come any more.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// HTTPState is to be called when a connection of the http.Server changes its state.
func (s *Server) HTTPState(c net.Conn, state http.ConnState) {
	if state != http.StateClosed && state != http.StateHijacked {
		return
	}
	s.mu.Lock()
	g := s.https[c]
	delete(s.https, c)
	s.mu.Unlock()
	if g != nil {
		s.farewell(g)
	}
}

// noteHTTP takes note of whose connection a request came by. Connections of HTTPS
// do not count among those that a client may have.
func (s *Server) noteHTTP(r *http.Request, p custody.Presented, v custody.Visitor) {
	c, ok := r.Context().Value(connKey{}).(net.Conn)
	if !ok || v.Client == "" || r.Context().Err() != nil {
		return
	}
	end := func() { _ = c.Close() }
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.https[c] == nil {
		g := &guest{presented: p, since: time.Now(), client: v.Client, uncounted: true, drain: end, cut: end}
		s.https[c], s.guests[g] = g, struct{}{}
	}
}
