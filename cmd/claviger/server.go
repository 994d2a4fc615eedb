package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

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

func listen(ctx context.Context, kmipAddr, httpsAddr string) (listeners, error) {
	var lc net.ListenConfig
	k, err := lc.Listen(ctx, "tcp", kmipAddr)
	if err != nil {
		return listeners{}, fmt.Errorf("kmip.listen: %w; is another server running there?", err)
	}
	h, err := lc.Listen(ctx, "tcp", httpsAddr)
	if err != nil {
		_ = k.Close()
		return listeners{}, fmt.Errorf("https.listen: %w; is another server running there?", err)
	}
	return listeners{k, h}, nil
}

func (l listeners) close() {
	_ = l.kmip.Close()
	_ = l.https.Close()
}

// serveNode serves both doors until ctx ends, then drains. It prints the ready
// line when connections are accepted.
func serveNode(ctx context.Context, c *core, l listeners, dir string, stdout io.Writer) error {
	defer l.close()
	conf, err := c.tlsConfig(ctx)
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
		Custody:    c.custody, TLS: conf, Log: c.log, Limits: limits, MaxConnections: c.cfg.KMIP.MaxConnections, ProxyProtocol: c.cfg.KMIP.ProxyProtocol,
	})
	httpConf := conf.Clone()
	httpConf.ClientAuth = tls.VerifyClientCertIfGiven // /health asks for none
	httpConf.NextProtos = []string{"h2", "http/1.1"}
	httpServer := &http.Server{
		Handler: c.handler(kmipServer), TLSConfig: httpConf, ErrorLog: slog.NewLogLogger(c.log.Handler(), slog.LevelDebug),
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: 5 * time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10,
	}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return kmipServer.Serve(l.kmip) })
	g.Go(func() error { c.custody.Run(gctx); return nil })
	g.Go(func() error { operations.Work(gctx); return nil })
	g.Go(func() error {
		if err := httpServer.ServeTLS(l.https, "", ""); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error {
		<-gctx.Done()
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainDeadline)
		defer cancel()
		c.log.InfoContext(drain, "draining", "connections", kmipServer.Open())
		return errors.Join(kmipServer.Shutdown(drain), httpServer.Shutdown(drain))
	})
	if _, err := fmt.Fprintf(stdout, "ready kmip=%s https=%s dir=%s\n", l.kmip.Addr(), l.https.Addr(), dir); err != nil {
		return err
	}
	return g.Wait()
}

// name is how the node calls itself to clients.
func (c *core) name() string {
	if len(c.cfg.KMIP.Names) > 0 {
		return c.cfg.KMIP.Names[0]
	}
	return "claviger"
}

// tlsConfig issues a certificate for this node and trusts clients of the
// installation's authority.
func (c *core) tlsConfig(ctx context.Context) (*tls.Config, error) {
	authority, err := c.custody.Authority(ctx)
	if err != nil {
		return nil, fmt.Errorf("certification authority: %w; has `claviger init` been run on this store?", err)
	}
	issued, err := authority.IssueServer(c.cfg.KMIP.Names, time.Now())
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(authority.Certificate)
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		ClientAuth: tls.RequireAndVerifyClientCert,
		ClientCAs:  pool,
		Certificates: []tls.Certificate{{
			Certificate: [][]byte{issued.Certificate.Raw, authority.Certificate.Raw}, PrivateKey: issued.Key, Leaf: issued.Certificate,
		}},
	}, nil
}
