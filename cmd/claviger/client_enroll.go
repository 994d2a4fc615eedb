package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/claviger/claviger/admin/api"
	"github.com/claviger/claviger/cmd/claviger/internal/config"
	"github.com/claviger/claviger/kmip/custody/pki"
)

// keyTypes are those of keys that are made for clients.
var keyTypes = map[string]func() (crypto.Signer, error){
	"p256":    func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) },
	"p384":    func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P384(), rand.Reader) },
	"ed25519": func() (crypto.Signer, error) { _, key, err := ed25519.GenerateKey(rand.Reader); return key, err },
	"rsa2048": func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) },
	"rsa3072": func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 3072) },
	"rsa4096": func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 4096) },
}

func requestFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "server", Usage: "`ADDR` of the server's HTTPS door, HOST:PORT", Required: true},
		&cli.StringFlag{Name: "ca", Usage: "`FILE` with the certificate of the server's authority", Required: true},
		&cli.StringFlag{Name: "key-type", Usage: "`TYPE` of the key that is made: p256, p384, ed25519, rsa2048, rsa3072 or rsa4096", Value: "p256"},
	}, folderFlags()...)
}

func enrollCommand() *cli.Command {
	return &cli.Command{
		Name: "enroll", Usage: "get a certificate by a token, for a key that is made here",
		Description: "For the machine of a client: needs no administrator. The private key never leaves it.\nThe token comes from client create --enroll or client token, and is good once.",
		Flags: append(requestFlags(),
			&cli.StringFlag{Name: "token-file", Usage: "`FILE` with the token"},
			&cli.StringFlag{Name: "token-env", Usage: "`NAME` of the environment variable with the token"},
			&cli.StringFlag{Name: "key", Usage: "`FILE` with a private key that is there, instead of a new one"},
		),
		Action: func(c *cli.Context) error {
			from := config.Secret{File: c.String("token-file"), Env: c.String("token-env")}
			if (from.File == "") == (from.Env == "") {
				return usagef("give the token by --token-file FILE or --token-env NAME")
			}
			token, err := from.Read()
			if err != nil {
				return fmt.Errorf("token: %w", err)
			}
			defer token.Destroy()
			r := certificateRequest{path: api.PathEnroll, authorization: "Bearer " + strings.TrimSpace(string(token.Reveal()))}
			return r.run(c, c.String("key"), "", "")
		},
	}
}

func renewCommand() *cli.Command {
	return &cli.Command{
		Name: "renew", Usage: "get another certificate by the one that a client has",
		Description: "For the machine of a client: needs no administrator. A new key is made unless --keep-key is\ngiven. The old certificate stays valid until its end.",
		Flags: append(requestFlags(),
			&cli.StringFlag{Name: "cert", Usage: "`FILE` with the certificate that the client has", Required: true},
			&cli.StringFlag{Name: "key", Usage: "`FILE` with its private key", Required: true},
			&cli.BoolFlag{Name: "keep-key", Usage: "ask for a certificate for the same key"},
		),
		Action: func(c *cli.Context) error {
			r := certificateRequest{path: api.PathRenew}
			key := ""
			if c.Bool("keep-key") {
				key = c.String("key")
			}
			return r.run(c, key, c.String("cert"), c.String("key"))
		},
	}
}

// certificateRequest is a way to ask for a certificate.
type certificateRequest struct {
	path          string
	authorization string // secret
}

// run makes a key, unless one is there, gets a certificate for it and writes both.
func (r certificateRequest) run(c *cli.Context, keyFile, cert, certKey string) error {
	if _, ok := keyTypes[c.String("key-type")]; !ok {
		return usagef("--key-type is %q; it is p256, p384, ed25519, rsa2048, rsa3072 or rsa4096", c.String("key-type"))
	}
	ca := c.String("ca")
	a := &administration{conf: serverContext{Address: httpsAddress(c.String("server")), CA: ca, Cert: cert, Key: certKey}}
	conf, err := requestTLS(ca, cert, certKey)
	if err != nil {
		return err
	}
	a.http = &http.Client{Transport: &http.Transport{TLSClientConfig: conf, TLSHandshakeTimeout: 10 * time.Second}}
	f, err := folderOf(c, ca)
	if err != nil {
		return err
	}
	key, err := keyFor(keyFile, c.String("key-type"))
	if err != nil {
		return err
	}
	made, err := r.ask(c.Context, a, key)
	if err != nil {
		return err
	}
	b, err := bundleFor(key, made)
	if err == nil {
		err = f.write(b)
	}
	if err != nil {
		return fmt.Errorf("the certificate was issued and is lost: %w; an administrator can give another token: claviger client token %s --domain %s", err, made.Name, made.Domain)
	}
	if wantsJSON(c) {
		return printJSON(c, map[string]any{"domain": made.Domain, "name": made.Name, "not_after": made.NotAfter, "folder": f.dir})
	}
	tellRole(c, "client", made.Name, made.Domain, made.Role)
	return printLine(c, "client %s of domain %s: certificate and key until %s are in %s", made.Name, made.Domain, stamp(made.NotAfter), f.dir)
}

// requestTLS is clientTLS for who may have no certificate yet.
func requestTLS(ca, cert, key string) (*tls.Config, error) {
	if cert != "" {
		return clientTLS(ca, cert, key)
	}
	text, err := os.ReadFile(ca)
	if err != nil {
		return nil, fmt.Errorf("--ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("--ca: %s holds no certificate in PEM form", ca)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}, nil
}

// httpsAddress takes an address with or without its scheme.
func httpsAddress(server string) string {
	if u, err := url.Parse(server); err == nil && u.Scheme == "https" && u.Host != "" {
		return strings.TrimSuffix(server, "/")
	}
	return "https://" + server
}

func keyFor(file, keyType string) (crypto.Signer, error) {
	if file == "" {
		return keyTypes[keyType]()
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("--key: %w", err)
	}
	defer clear(text)
	key, err := parseKey(text)
	if err != nil {
		return nil, fmt.Errorf("--key: %s: %w", filepath.Base(file), err)
	}
	if err := pki.CheckKey(key.Public()); err != nil {
		return nil, fmt.Errorf("--key: %s: %w", filepath.Base(file), err)
	}
	return key, nil
}

// ask sends a certificate request.
func (r certificateRequest) ask(ctx context.Context, a *administration, key crypto.Signer) (api.ClientEnrolled, error) {
	var made api.ClientEnrolled
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "client"}}, key)
	if err != nil {
		return made, err
	}
	text, err := json.Marshal(api.EnrolmentRequest{CSR: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))})
	if err != nil {
		return made, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.conf.Address+r.path, bytes.NewReader(text))
	if err != nil {
		return made, fmt.Errorf("--server: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	if r.authorization != "" {
		req.Header.Set("Authorization", r.authorization)
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return made, a.unreachable(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusCreated {
		return made, a.problem(resp)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&made); err != nil {
		return made, fmt.Errorf("read the answer of %s: %w", a.conf.Address, err)
	}
	return made, nil
}

// bundleFor brings a certificate and the key that was made for it into the forms
// of a bundle.
func bundleFor(key crypto.Signer, made api.ClientEnrolled) (bundle, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return bundle{}, err
	}
	defer clear(der)
	b := bundle{
		Certificate: []byte(made.Certificate), Authority: []byte(made.Authority),
		Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
	}
	certificate, authority, err := b.parsed()
	if err != nil {
		return b, err
	}
	if public, ok := certificate.PublicKey.(interface{ Equal(crypto.PublicKey) bool }); !ok || !public.Equal(key.Public()) {
		return b, fmt.Errorf("the server answered with a certificate for another key")
	}
	b.PKCS12, err = pki.PKCS12(key, certificate, authority, "")
	return b, err
}
