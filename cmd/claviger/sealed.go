package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/claviger/claviger/admin/auth"
	"github.com/claviger/claviger/admin/ops"
	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip/custody/pki"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/store"
)

// door is what the HTTPS listener serves: while the node is sealed its health and
// the way to unseal it, after that everything.
type door struct {
	now    atomic.Pointer[doorState]
	states atomic.Pointer[func(net.Conn, http.ConnState)] // of who wants to know of connections
}

// follow tells somebody of connections from now on.
func (d *door) follow(f func(net.Conn, http.ConnState)) { d.states.Store(&f) }

func (d *door) state(c net.Conn, state http.ConnState) {
	if f := d.states.Load(); f != nil {
		(*f)(c, state)
	}
}

type doorState struct {
	handler http.Handler
	tls     *tls.Config
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.now.Load().handler.ServeHTTP(w, r)
}

// config is a tls.Config that follows the state.
func (d *door) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			c := d.now.Load().tls
			if c.GetConfigForClient != nil {
				return c.GetConfigForClient(hello)
			}
			return c, nil
		},
	}
}

func (d *door) open(handler http.Handler, conf *tls.Config) {
	conf.NextProtos = []string{"h2", "http/1.1"}
	d.now.Store(&doorState{handler, conf})
}

// Intervals of a start: for how long a root of trust that does not answer is
// waited for before the node says that it is sealed, and how often it is looked at
// after that.
const (
	sealedAfter    = 2 * time.Second
	sealedInterval = 250 * time.Millisecond
)

// usable is nil when the keys of the installation can be used.
func (c *core) usable(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, healthDeadline)
	defer cancel()
	_, err := c.custody.Authority(ctx)
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, hsm.ErrNotFound) {
		if cerr := c.ring.Check(); cerr != nil {
			return cerr // it cannot be told yet
		}
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("%w; has `claviger init` been run on this store?", errNotInitialised)
		}
	}
	return err
}

var errNotInitialised = errors.New("the installation has no certification authority")

// awaitRoot returns when the root of trust can be used: at once as a rule. If it
// cannot be, the node is sealed: it says so, and goes on by itself when it can.
func (c *core) awaitRoot(ctx context.Context, address net.Addr, dir string, stdout io.Writer) error {
	sealed := false
	begun := time.Now()
	for {
		err := c.usable(ctx)
		switch {
		case err == nil:
			if sealed {
				c.log.InfoContext(ctx, "unsealed")
				return c.custody.RecordUnsealed(ctx)
			}
			return nil
		case errors.Is(err, errNotInitialised), errors.Is(err, hsm.ErrIntegrity):
			return err
		case !sealed && time.Since(begun) > sealedAfter:
			sealed = true
			c.log.WarnContext(ctx, "sealed: the root of trust cannot be used; the node goes on by itself when it can", "error", err)
			if _, err := fmt.Fprintf(stdout, "sealed https=%s dir=%s\n", address, dir); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(sealedInterval):
		}
	}
}

// SealState implements ops.Gate.
func (c *core) SealState(ctx context.Context) ops.SealState {
	s := ops.SealState{Wants: c.prompts.wants()}
	if err := c.usable(ctx); err != nil {
		s.Sealed, s.Reason = true, err.Error()
	}
	return s
}

// Unseal implements ops.Gate.
func (c *core) Unseal(ctx context.Context, token string, value *secret.Bytes) (ops.SealState, error) {
	var names []string // of those that try again: all when nothing was given
	if value.Len() > 0 {
		name, err := c.prompts.give(token, value, checkGiven)
		if err != nil {
			value.Destroy()
			return ops.SealState{}, err
		}
		names = []string{name}
	}
	c.ring.Retry(ctx, names...)
	return c.SealState(ctx), nil
}

// administratorsOnly guards what a sealed node serves besides its health.
func (c *core) administratorsOnly(next http.Handler) http.Handler {
	return auth.RequireToUnseal(c.custody, func(w http.ResponseWriter, _ *http.Request, err error) {
		c.log.Warn("a request to a sealed node was refused", "error", err)
		http.Error(w, "present the certificate of an administrator", http.StatusUnauthorized)
	}, next)
}

// nodeFolder holds the certificate that the node presents while it is sealed: the
// key of the authority is sealed too then.
const nodeFolder = "node"

// sealedTLS is the configuration of a sealed node: the certificate of its last
// start, or one that nobody has signed.
func (c *core) sealedTLS(ctx context.Context) (*tls.Config, error) {
	folder := filepath.Join(c.cfg.PKI.Dir, nodeFolder)
	cert, key := filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	if c.cfg.PKI.Certificate != "" {
		cert, key = c.cfg.PKI.Certificate, c.cfg.PKI.Key
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		authority, aerr := pki.NewAuthority("Claviger node that has never been unsealed", time.Now())
		if aerr != nil {
			return nil, aerr
		}
		issued, aerr := authority.IssueServer(c.cfg.KMIP.Names, time.Now())
		if aerr != nil {
			return nil, aerr
		}
		if !errors.Is(err, os.ErrNotExist) {
			c.log.WarnContext(ctx, "the node's certificate cannot be read; one that nobody has signed is shown while sealed", "error", err)
		}
		pair = tls.Certificate{Certificate: [][]byte{issued.Certificate.Raw}, PrivateKey: issued.Key, Leaf: issued.Certificate}
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: x509.NewCertPool()}
	authority, err := c.custody.AuthorityCertificate(ctx)
	if err == nil {
		conf.ClientCAs.AddCert(authority)
	} else if !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	return conf, nil
}

// keepNodeCertificate writes the certificate down for the next time that the node
// is sealed.
func (c *core) keepNodeCertificate(issued *pki.Issued, authority *pki.Authority) error {
	key, err := issued.KeyPEM()
	if err != nil {
		return err
	}
	folder := filepath.Join(c.cfg.PKI.Dir, nodeFolder)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	chain := append(pki.CertificatePEM(issued.Certificate), pki.CertificatePEM(authority.Certificate)...)
	if err := writeFile(filepath.Join(folder, "key.pem"), key, 0o600); err != nil {
		return err
	}
	return writeFile(filepath.Join(folder, "cert.pem"), chain, 0o600)
}
