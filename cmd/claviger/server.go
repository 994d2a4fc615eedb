package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/claviger/claviger/admin/ops"
	"github.com/claviger/claviger/cmd/claviger/internal/config"
	"github.com/claviger/claviger/kmip/operation"
	"github.com/claviger/claviger/kmip/server"
	"github.com/claviger/claviger/kmip/wire"
)

// drainDeadline bounds how long requests in flight may take after SIGTERM.
const drainDeadline = 20 * time.Second

// listeners are the two doors of a node, bound but not yet served.
type listeners struct {
	kmip, https net.Listener
}

func listen(ctx context.Context, key, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; is another server running there?", key, err)
	}
	return l, nil
}

// listenBoth binds both doors.
func listenBoth(ctx context.Context, k config.Config) (listeners, error) {
	door, err := listen(ctx, "kmip.listen", k.KMIP.Listen)
	if err != nil {
		return listeners{}, err
	}
	h, err := listen(ctx, "https.listen", k.HTTPS.Listen)
	if err != nil {
		_ = door.Close()
		return listeners{}, err
	}
	return listeners{door, h}, nil
}

func (l listeners) close() {
	if l.kmip != nil {
		_ = l.kmip.Close()
	}
	_ = l.https.Close()
}

// serveNode serves both doors until ctx ends, then drains. While the root of trust
// cannot be used there is only the sealed HTTPS door; the KMIP door is bound after
// that unless it is already, so that clients are refused at once and try another
// node. It prints the ready line when connections are accepted.
func serveNode(ctx context.Context, c *core, l listeners, dir string, stdout io.Writer) error {
	defer func() { l.close() }()
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { c.ring.Watch(gctx); return nil })
	https := &door{}
	sealed, err := c.sealedTLS(ctx)
	if err != nil {
		return err
	}
	https.open(ops.Sealed(c, c.administratorsOnly), sealed)
	httpServer := &http.Server{
		Handler: https, TLSConfig: https.config(), ErrorLog: slog.NewLogLogger(c.log.Handler(), slog.LevelDebug),
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: 5 * time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ConnContext: server.ConnContext, ConnState: https.state,
	}
	g.Go(func() error {
		if err := httpServer.ServeTLS(l.https, "", ""); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error {
		err := c.serveUnsealed(gctx, g, https, &l, dir, stdout)
		if err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
		<-gctx.Done()
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainDeadline)
		defer cancel()
		return httpServer.Shutdown(drain)
	})
	return g.Wait()
}

// serveUnsealed waits for the root of trust, then opens the doors.
func (c *core) serveUnsealed(ctx context.Context, g *errgroup.Group, https *door, l *listeners, dir string, stdout io.Writer) error {
	if err := c.awaitRoot(ctx, l.https.Addr(), dir, stdout); err != nil {
		return err
	}
	if err := c.custody.RecordUnfitRoots(ctx); err != nil {
		return err
	}
	if l.kmip == nil {
		k, err := listen(ctx, "kmip.listen", c.cfg.KMIP.Listen)
		if err != nil {
			return err
		}
		l.kmip = k
	}
	node := c.nodeCertificate()
	if err := node.open(ctx); err != nil {
		return err
	}
	c.custody.WatchNodeCertificate(func() time.Time { return node.leaf().NotAfter })
	also, err := listenAlso(ctx, c.cfg)
	if err != nil {
		return err
	}
	limits := wire.DefaultLimits()
	if c.cfg.KMIP.MaxMessage > 0 {
		limits.MaxBytes = c.cfg.KMIP.MaxMessage
	}
	operations := operation.New(operation.Server{
		Custody: c.custody, Name: c.name(), Version: version(), Interop: c.cfg.KMIP.Interop,
		Messages: server.Messages{Limits: limits}, Form: formOf,
	})
	kmipServer := server.New(server.Config{
		Operations: operations,
		Custody:    c.custody, TLS: c.doorTLS(node, c.cfg.KMIP.TLS, tls.RequireAndVerifyClientCert), Log: c.log, Limits: limits, MaxConnections: c.cfg.KMIP.MaxConnections, ProxyProtocol: c.cfg.KMIP.ProxyProtocol,
	})
	https.follow(kmipServer.HTTPState)
	handler, err := c.handler(kmipServer)
	if err != nil {
		return err
	}
	https.open(handler, c.doorTLS(node, c.cfg.HTTPS.TLS, tls.VerifyClientCertIfGiven)) // /health asks for none
	g.Go(func() error { return kmipServer.Serve(l.kmip) })
	for i, extra := range c.cfg.KMIP.Also {
		c.log.InfoContext(ctx, "also listening", "kmip", also[i].Addr().String(), "tls", extra.TLS)
		g.Go(func() error {
			return kmipServer.ServeDoor(also[i], server.Door{TLS: c.doorTLS(node, extra.TLS, tls.RequireAndVerifyClientCert), ProxyProtocol: extra.ProxyProtocol})
		})
	}
	g.Go(func() error { node.watch(ctx); return nil })
	g.Go(func() error { c.custody.Run(ctx); return nil })
	g.Go(func() error { operations.Work(ctx); return nil })
	g.Go(func() error {
		<-ctx.Done()
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainDeadline)
		defer cancel()
		c.log.InfoContext(drain, "draining", "connections", kmipServer.Open())
		return kmipServer.Shutdown(drain)
	})
	_, err = fmt.Fprintf(stdout, "ready kmip=%s https=%s dir=%s\n", l.kmip.Addr(), l.https.Addr(), dir)
	return err
}

// name is how the node calls itself to clients.
func (c *core) name() string {
	if len(c.cfg.KMIP.Names) > 0 {
		return c.cfg.KMIP.Names[0]
	}
	return "claviger"
}
