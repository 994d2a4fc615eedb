package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/claviger/claviger/cmd/claviger/internal/config"
	"github.com/claviger/claviger/kmip/custody/pki"
)

func testAuthority(t *testing.T, now time.Time) (*pki.Authority, *x509.CertPool) {
	t.Helper()
	a, err := pki.NewAuthority("test", now)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.Certificate)
	return a, pool
}

// echo serves one byte for each byte on every connection.
func echo(t *testing.T, conf *tls.Config) string {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String()
}

// talk sends a byte over a new connection and returns its state.
func talk(addr string, conf *tls.Config) (tls.ConnectionState, error) {
	c, err := tls.Dial("tcp", addr, conf)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer func() { _ = c.Close() }()
	return c.ConnectionState(), pass(c)
}

func pass(c net.Conn) error {
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Write([]byte{1}); err != nil {
		return err
	}
	_, err := c.Read(make([]byte, 1))
	return err
}

func TestTLSProfiles(t *testing.T) {
	authority, pool := testAuthority(t, time.Now())
	client, err := authority.IssueClient("array", nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair := tls.Certificate{Certificate: [][]byte{client.Certificate.Raw}, PrivateKey: client.Key}
	addr := map[string]string{}
	for _, profile := range []string{config.TLSModern, config.TLSCompatible, config.TLSLegacy} {
		node := &nodeCertificate{
			log: slog.New(slog.DiscardHandler), now: time.Now, legacy: profile == config.TLSLegacy,
			authority: func(context.Context) (*pki.Authority, error) { return authority, nil },
		}
		if err := node.open(t.Context()); err != nil {
			t.Fatal(err)
		}
		base := &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, GetCertificate: node.get}
		applyProfile(base, profile)
		d := &tlsDoor{base: base, authorities: func(context.Context) (*x509.CertPool, error) { return pool, nil }}
		addr[profile] = echo(t, d.config())
	}
	old := func(suite uint16) *tls.Config {
		return &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite}}
	}
	for _, c := range []struct {
		name  string
		conf  *tls.Config
		takes string // profiles that take it
	}{
		{"TLS 1.3", &tls.Config{MinVersion: tls.VersionTLS13}, "modern compatible legacy"},
		{"TLS 1.2, ECDHE-ECDSA, GCM", old(tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256), "compatible legacy"},
		{"TLS 1.2, ECDHE-ECDSA, ChaCha20", old(tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256), ""},
		{"TLS 1.2, ECDHE-ECDSA, CBC", old(tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA), "legacy"},
		{"TLS 1.2, ECDHE-RSA, GCM", old(tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384), "legacy"}, // others have no RSA certificate
		{"TLS 1.2, RSA, CBC", old(tls.TLS_RSA_WITH_AES_128_CBC_SHA), "legacy"},
		{"TLS 1.1", &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, ""},
	} {
		for profile, a := range addr {
			conf := c.conf.Clone()
			conf.RootCAs, conf.Certificates = pool, []tls.Certificate{pair}
			_, err := talk(a, conf)
			if want := strings.Contains(c.takes, profile); (err == nil) != want {
				t.Errorf("%s by %s: %v, want it taken: %t", c.name, profile, err, want)
			}
		}
	}
	for profile, a := range addr {
		state, err := talk(a, &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: pool, Certificates: []tls.Certificate{pair}})
		if err != nil || state.CurveID != tls.X25519MLKEM768 {
			t.Errorf("%s: key exchange %v, %v; want X25519MLKEM768", profile, state.CurveID, err)
		}
	}
}

// TestTrustIsFollowed has a listener take certificates of an authority as soon as
// it is trusted, and no longer when it is not, on resumed sessions too.
func TestTrustIsFollowed(t *testing.T) {
	authority, own := testAuthority(t, time.Now())
	other, _ := testAuthority(t, time.Now())
	both := own.Clone()
	both.AddCert(other.Certificate)
	node := &nodeCertificate{log: slog.New(slog.DiscardHandler), now: time.Now, authority: func(context.Context) (*pki.Authority, error) { return authority, nil }}
	if err := node.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	trusted := make(chan *x509.CertPool, 1)
	trusted <- own
	base := &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, GetCertificate: node.get}
	applyProfile(base, config.TLSCompatible)
	d := &tlsDoor{base: base, authorities: func(context.Context) (*x509.CertPool, error) {
		p := <-trusted
		trusted <- p
		if p == nil {
			return nil, errors.New("the store is away")
		}
		return p, nil
	}}
	addr := echo(t, d.config())
	client, err := other.IssueClient("array", nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	conf := &tls.Config{
		MinVersion: tls.VersionTLS12, RootCAs: own, ClientSessionCache: tls.NewLRUClientSessionCache(4),
		Certificates: []tls.Certificate{{Certificate: [][]byte{client.Certificate.Raw}, PrivateKey: client.Key}},
	}
	set := func(p *x509.CertPool) { <-trusted; trusted <- p }
	if _, err := talk(addr, conf); err == nil {
		t.Error("an authority is taken that is not trusted")
	}
	set(both)
	if _, err := talk(addr, conf); err != nil {
		t.Errorf("an authority that is trusted now: %v", err)
	}
	if state, err := talk(addr, conf); err != nil || !state.DidResume {
		t.Errorf("resumed: %t, %v", state.DidResume, err)
	}
	set(own)
	if state, err := talk(addr, conf); err == nil {
		t.Errorf("an authority is taken that is no longer trusted; resumed: %t", state.DidResume)
	}
	set(nil)
	if _, err := talk(addr, conf); err == nil {
		t.Error("somebody is taken while nobody knows who is trusted")
	}
	open := base.Clone()
	open.ClientAuth = tls.VerifyClientCertIfGiven
	addr = echo(t, (&tlsDoor{base: open, authorities: d.authorities}).config())
	if _, err := talk(addr, conf); err == nil {
		t.Error("somebody is taken at the open door while nobody knows who is trusted")
	}
	nobody := conf.Clone()
	nobody.Certificates, nobody.ClientSessionCache = nil, nil
	if _, err := talk(addr, nobody); err != nil {
		t.Errorf("without a certificate at the open door: %v", err)
	}
}

// TestNodeRenewsItsCertificate at two thirds of its life, and open connections stay.
func TestNodeRenewsItsCertificate(t *testing.T) {
	now := time.Now()
	authority, pool := testAuthority(t, now)
	kept := 0
	var failing error
	n := &nodeCertificate{
		log: slog.New(slog.DiscardHandler), now: func() time.Time { return now }, names: []string{"kms.example.net"},
		authority: func(context.Context) (*pki.Authority, error) { return authority, failing },
		keep:      func(*pki.Issued, *pki.Authority) error { kept++; return nil },
	}
	if err := n.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	addr := echo(t, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: n.get})
	conf := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool, ServerName: "kms.example.net"}
	open, err := tls.Dial("tcp", addr, conf)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	first := n.leaf()
	now = now.Add(pki.LeafLifetime/3*2 - time.Hour)
	if n.tend(t.Context()); n.leaf() != first {
		t.Error("it is renewed before its time")
	}
	now = now.Add(2 * time.Hour)
	failing = errors.New("sealed")
	if n.tend(t.Context()); n.leaf() != first {
		t.Error("it is replaced by nothing")
	}
	failing = nil
	if n.tend(t.Context()); n.leaf() == first || kept != 2 {
		t.Errorf("it is not renewed, or not kept (%d)", kept)
	}
	if err := pass(open); err != nil {
		t.Errorf("an open connection: %v", err)
	}
	conf.Time = func() time.Time { return now }
	state, err := talk(addr, conf)
	if err != nil || !state.PeerCertificates[0].Equal(n.leaf()) {
		t.Errorf("a new connection: %v", err)
	}
}

// TestNodeReadsTheOperatorsCertificateAgain when its files change; bad ones leave
// what is there.
func TestNodeReadsTheOperatorsCertificateAgain(t *testing.T) {
	authority, pool := testAuthority(t, time.Now())
	dir := t.TempDir()
	var log strings.Builder
	n := &nodeCertificate{
		log: slog.New(slog.NewTextHandler(&log, nil)), now: time.Now,
		certFile: filepath.Join(dir, "cert.pem"), keyFile: filepath.Join(dir, "key.pem"),
	}
	write := func(cert, key []byte) {
		t.Helper()
		for name, b := range map[string][]byte{n.certFile: cert, n.keyFile: key} {
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	issue := func(at time.Time) (cert, key []byte) {
		t.Helper()
		i, err := authority.IssueServer(nil, at)
		if err != nil {
			t.Fatal(err)
		}
		key, err = i.KeyPEM()
		if err != nil {
			t.Fatal(err)
		}
		return pki.CertificatePEM(i.Certificate), key
	}
	if err := n.open(t.Context()); err == nil {
		t.Error("a start without the files")
	}
	cert, key := issue(time.Now())
	write(cert, key)
	if err := n.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	addr := echo(t, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: n.get})
	first := n.leaf()
	_, otherKey := issue(time.Now())
	oldCert, oldKey := issue(time.Now().Add(-2 * pki.LeafLifetime))
	for name, files := range map[string][2][]byte{"another key": {cert, otherKey}, "no certificate": {[]byte("x"), key}, "one that has expired": {oldCert, oldKey}} {
		write(files[0], files[1])
		before := strings.Count(log.String(), "cannot be used")
		n.tend(t.Context())
		n.tend(t.Context())
		if n.leaf() != first {
			t.Errorf("%s is shown", name)
		}
		if told := strings.Count(log.String(), "cannot be used") - before; told != 1 {
			t.Errorf("%s: logged %d times, want once", name, told)
		}
	}
	if err := os.Remove(n.keyFile); err != nil {
		t.Fatal(err)
	}
	if n.tend(t.Context()); n.leaf() != first {
		t.Error("nothing is shown")
	}
	cert, key = issue(time.Now())
	write(cert, key)
	n.tend(t.Context())
	if state, err := talk(addr, &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool, ServerName: "localhost"}); err != nil || state.PeerCertificates[0].Equal(first) || !state.PeerCertificates[0].Equal(n.leaf()) {
		t.Errorf("after good ones: %v", err)
	}
	if strings.Contains(log.String(), "PRIVATE") {
		t.Error("a key is in the log")
	}
}
