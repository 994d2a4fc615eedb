package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/claviger/claviger/cmd/claviger/internal/config"
)

// tlsDoor is the TLS of a listener: it follows the authorities that are trusted and
// the certificate of the node. Session tickets are under keys of the configuration
// that config returns, which Go rotates; who a peer is is looked up again on
// resumed sessions too.
type tlsDoor struct {
	authorities func(context.Context) (*x509.CertPool, error)
	base        *tls.Config
	last        atomic.Pointer[tls.Config] // for the authorities of last time
}

// config is what a listener gets.
func (d *tlsDoor) config() *tls.Config {
	c := d.base.Clone()
	c.GetConfigForClient = d.follow
	return c
}

// follow returns a configuration with the authorities that are trusted now.
func (d *tlsDoor) follow(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	last := d.last.Load()
	pool, err := d.authorities(hello.Context())
	switch {
	case err == nil:
	case d.base.ClientAuth != tls.VerifyClientCertIfGiven:
		return nil, fmt.Errorf("the authorities of clients cannot be read: %w", err)
	case last != nil:
		return last, nil // who asks for the health of the node without a certificate gets an answer
	default:
		pool = x509.NewCertPool()
	}
	if last != nil && last.ClientCAs == pool {
		return last, nil
	}
	c := d.base.Clone()
	c.ClientCAs = pool
	d.last.Store(c)
	return c, nil
}

// Cipher suites of TLS 1.2; those of 1.3 are Go's.
var (
	suitesCompatible = []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	}
	// suitesLegacy are for arrays that know nothing better: CBC with SHA-1 or
	// SHA-256, and key transport by RSA, without forward secrecy.
	suitesLegacy = append(append([]uint16{}, suitesCompatible...),
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256,
		tls.TLS_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_RSA_WITH_AES_256_CBC_SHA, tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_128_CBC_SHA256,
	)
)

// applyProfile sets versions and cipher suites.
func applyProfile(c *tls.Config, profile string) {
	switch profile {
	case config.TLSModern:
		c.MinVersion = tls.VersionTLS13
	case config.TLSLegacy:
		c.MinVersion, c.CipherSuites = tls.VersionTLS12, suitesLegacy
	default:
		c.MinVersion, c.CipherSuites = tls.VersionTLS12, suitesCompatible
	}
}

// doorTLS is the TLS of a listener.
func (c *core) doorTLS(node *nodeCertificate, profile string, auth tls.ClientAuthType) *tls.Config {
	base := &tls.Config{ClientAuth: auth, GetCertificate: node.get}
	applyProfile(base, profile)
	d := &tlsDoor{authorities: c.custody.ClientAuthorities, base: base}
	return d.config()
}

// nodeCertificate is the certificate of this node as it is configured.
func (c *core) nodeCertificate() *nodeCertificate {
	n := &nodeCertificate{
		log: c.log, now: time.Now, names: c.cfg.KMIP.Names, authority: c.custody.Authority, keep: c.keepNodeCertificate,
		certFile: c.cfg.PKI.Certificate, keyFile: c.cfg.PKI.Key, legacy: c.cfg.KMIP.TLS == config.TLSLegacy,
	}
	for _, a := range c.cfg.KMIP.Also {
		n.legacy = n.legacy || a.TLS == config.TLSLegacy
	}
	if n.legacy {
		c.log.Warn("LEGACY TLS IS ON: a listener takes cipher suites that are weak (CBC) or without forward secrecy (RSA); keep it to networks of arrays that know nothing better")
	}
	return n
}

// listenAlso binds the further listeners.
func listenAlso(ctx context.Context, cfg config.Config) ([]net.Listener, error) {
	var list []net.Listener
	for i, a := range cfg.KMIP.Also {
		l, err := listen(ctx, fmt.Sprintf("kmip.also, number %d", i+1), a.Listen)
		if err != nil {
			for _, l := range list {
				_ = l.Close()
			}
			return nil, err
		}
		list = append(list, l)
	}
	return list, nil
}
