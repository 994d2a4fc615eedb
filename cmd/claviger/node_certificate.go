package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/claviger/claviger/kmip/custody/pki"
)

// How often the certificate of the node is looked at.
const (
	renewalInterval = time.Minute     // one that the installation has issued
	reloadInterval  = 2 * time.Second // the operator's files
)

// rsaBits is the length of the key for peers that know only RSA.
const rsaBits = 3072

// nodeCertificate is the certificate that this node shows: one that the
// installation's authority issues and the node renews at two thirds of its life, or
// that of the operator's files, read again when they change. Connections that are
// open stay.
type nodeCertificate struct {
	log       *slog.Logger
	now       func() time.Time
	names     []string
	authority func(context.Context) (*pki.Authority, error)
	keep      func(*pki.Issued, *pki.Authority) error // writes it down for the next start; may be nil
	legacy    bool                                    // one for RSA too
	certFile  string                                  // of the operator; "" when there is none
	keyFile   string

	shown atomic.Pointer[shownCertificates]
	seen  [sha256.Size]byte // of the files when they were looked at last; owned by whoever runs tend
}

type shownCertificates struct {
	main *tls.Certificate
	rsa  *tls.Certificate // nil where nobody needs it
}

// open gets the first certificate.
func (n *nodeCertificate) open(ctx context.Context) error {
	if n.certFile != "" {
		return n.reload()
	}
	return n.renew(ctx)
}

// get implements tls.Config.GetCertificate.
func (n *nodeCertificate) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	c := n.shown.Load()
	if c.rsa != nil && hello.SupportsCertificate(c.main) != nil && hello.SupportsCertificate(c.rsa) == nil {
		return c.rsa, nil
	}
	return c.main, nil
}

// leaf is the certificate that is shown.
func (n *nodeCertificate) leaf() *x509.Certificate { return n.shown.Load().main.Leaf }

// watch keeps it good until ctx ends.
func (n *nodeCertificate) watch(ctx context.Context) {
	interval := renewalInterval
	if n.certFile != "" {
		interval = reloadInterval
	}
	t := time.NewTicker(interval)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			n.tend(ctx)
		}
	}
}

// tend looks once whether it is time for another one. When that cannot be had, the
// one that is shown stays, and it is tried again.
func (n *nodeCertificate) tend(ctx context.Context) {
	if n.certFile != "" {
		before := n.seen
		if err := n.reload(); err != nil && n.seen != before { // once for each change
			n.log.ErrorContext(ctx, "the certificate of the node was changed and cannot be used; the one before it stays", "certificate", n.certFile, "key", n.keyFile, "error", err)
		}
		return
	}
	leaf := n.leaf()
	if n.now().Before(leaf.NotBefore.Add(leaf.NotAfter.Sub(leaf.NotBefore) * 2 / 3)) {
		return
	}
	if err := n.renew(ctx); err != nil {
		n.log.WarnContext(ctx, "the certificate of the node could not be renewed; it will be tried again", "until", leaf.NotAfter, "error", err)
		return
	}
	n.log.InfoContext(ctx, "the certificate of the node was renewed", "until", n.leaf().NotAfter)
}

// renew issues a certificate.
func (n *nodeCertificate) renew(ctx context.Context) error {
	authority, err := n.authority(ctx)
	if err != nil {
		return fmt.Errorf("certification authority: %w; has `claviger init` been run on this store?", err)
	}
	now := n.now()
	issued, err := authority.IssueServer(n.names, now)
	if err != nil {
		return err
	}
	chain := func(c *x509.Certificate) [][]byte { return [][]byte{c.Raw, authority.Certificate.Raw} }
	next := &shownCertificates{main: &tls.Certificate{Certificate: chain(issued.Certificate), PrivateKey: issued.Key, Leaf: issued.Certificate}}
	if n.legacy {
		key, err := rsa.GenerateKey(rand.Reader, rsaBits)
		if err != nil {
			return err
		}
		leaf, err := authority.IssueServerFor(&key.PublicKey, n.names, now)
		if err != nil {
			return err
		}
		next.rsa = &tls.Certificate{Certificate: chain(leaf), PrivateKey: key, Leaf: leaf}
	}
	if n.keep != nil {
		if err := n.keep(issued, authority); err != nil {
			n.log.WarnContext(ctx, "the node's certificate could not be kept; while sealed the node will show one that nobody has signed", "error", err)
		}
	}
	n.shown.Store(next)
	return nil
}

// reload reads the operator's files, if they have changed.
func (n *nodeCertificate) reload() error {
	cert, err := os.ReadFile(n.certFile)
	if err != nil {
		n.seen = sha256.Sum256([]byte(err.Error()))
		return fmt.Errorf("pki.certificate: %w", err)
	}
	key, err := os.ReadFile(n.keyFile)
	if err != nil {
		n.seen = sha256.Sum256([]byte(err.Error()))
		return fmt.Errorf("pki.key: %w", err)
	}
	defer clear(key)
	sum := sha256.Sum256(bytes.Join([][]byte{cert, key}, []byte{0}))
	if n.seen == sum {
		return nil
	}
	n.seen = sum
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return fmt.Errorf("pki.certificate and pki.key: %w", err)
	}
	now := n.now()
	switch {
	case now.After(pair.Leaf.NotAfter):
		err = errors.New("pki.certificate has expired")
	case now.Before(pair.Leaf.NotBefore):
		err = errors.New("pki.certificate is not yet valid")
	}
	if err != nil {
		return err
	}
	if n.shown.Swap(&shownCertificates{main: &pair}) != nil {
		n.log.Info("the certificate of the node was replaced", "until", pair.Leaf.NotAfter)
	}
	return nil
}
