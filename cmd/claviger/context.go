package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/pelletier/go-toml/v2"
	"github.com/urfave/cli/v2"

	"github.com/claviger/claviger/admin/api"
	"github.com/claviger/claviger/admin/auth"
	"github.com/claviger/claviger/cmd/claviger/internal/config"
)

// serverContext says which server to administer and as whom. Paths are
// relative to the file that it came from.
type serverContext struct {
	Address string `toml:"address"` // https://host:port
	CA      string `toml:"ca"`
	Cert    string `toml:"cert"`
	Key     string `toml:"key"`
	// Session is a file with the token of a session, in the place of Cert and Key.
	Session string `toml:"session,omitempty"`
}

// maxAnswer bounds what is read of an answer, but for reports.
const maxAnswer = 64 << 20

// administration calls the administrative interface of a server.
type administration struct {
	conf    serverContext
	http    *http.Client
	because string // for approvers
	session string // token; empty with a certificate
}

// administer opens the context that the command line names.
func administer(c *cli.Context) (*administration, error) {
	path := c.String("context")
	if path == "" {
		return nil, usagef("which server? Give --context FILE or set CLAVIGER_CONTEXT; `claviger init` and `claviger dev` write the file admin.toml")
	}
	conf, err := readContext(path)
	if err != nil {
		return nil, err
	}
	if conf.Session != "" {
		return conf.bySession(c)
	}
	t, err := clientTLS(conf.CA, conf.Cert, conf.Key)
	if err != nil {
		return nil, fmt.Errorf("context %s: %w", path, err)
	}
	return &administration{conf: conf, because: c.String("because"), http: over(t)}, nil
}

// over makes an HTTP client.
func over(t *tls.Config) *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: t, TLSHandshakeTimeout: 10 * time.Second, ForceAttemptHTTP2: true}}
}

// bySession calls with the token of a session.
func (conf serverContext) bySession(c *cli.Context) (*administration, error) {
	pool, err := authorities(conf.CA)
	if err != nil {
		return nil, err
	}
	token, err := (config.Secret{File: conf.Session}).Read()
	if errors.Is(err, os.ErrNotExist) {
		return nil, errors.New("you are not logged in: claviger login --context FILE")
	}
	if err != nil {
		return nil, err
	}
	defer token.Destroy()
	return &administration{
		conf: conf, because: c.String("because"), session: string(token.Reveal()), http: over(&tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}),
	}, nil
}

func readContext(path string) (serverContext, error) {
	var conf serverContext
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return conf, fmt.Errorf("no context file %s; `claviger init` and `claviger dev` write one named admin.toml", path)
	} else if err != nil {
		return conf, fmt.Errorf("context: %w", err)
	}
	err = toml.NewDecoder(bytes.NewReader(b)).DisallowUnknownFields().Decode(&conf)
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) && len(unknown.Errors) > 0 {
		row, _ := unknown.Errors[0].Position()
		return conf, fmt.Errorf("context %s:%d: unknown key %q; there are address, ca, cert and key, or session", path, row, strings.Join(unknown.Errors[0].Key(), "."))
	} else if err != nil {
		return conf, fmt.Errorf("context %s: %w", path, err)
	}
	for _, f := range []struct {
		key  string
		path *string
	}{{"ca", &conf.CA}, {"cert", &conf.Cert}, {"key", &conf.Key}, {"session", &conf.Session}} {
		if *f.path == "" {
			if f.key == "session" || conf.Session != "" && f.key != "ca" {
				continue
			}
			return conf, fmt.Errorf("context %s: %s is missing", path, f.key)
		}
		if !filepath.IsAbs(*f.path) {
			*f.path = filepath.Join(filepath.Dir(path), *f.path)
		}
	}
	if u, err := url.Parse(conf.Address); err != nil || u.Scheme != "https" || u.Host == "" {
		return conf, fmt.Errorf("context %s: address is %q; it is https://HOST:PORT", path, conf.Address)
	}
	return conf, nil
}

// authorities reads whom to trust.
func authorities(ca string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, fmt.Errorf("certificate of the authority: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", ca)
	}
	return pool, nil
}

// clientTLS makes the configuration of a client from its files.
func clientTLS(ca, cert, key string) (*tls.Config, error) {
	pool, err := authorities(ca)
	if err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("certificate and key: %w", err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool, Certificates: []tls.Certificate{pair}}, nil
}

// get asks for a path under /api/v1 and decodes the answer.
func (a *administration) get(ctx context.Context, path string, query url.Values, into any) error {
	return a.call(ctx, http.MethodGet, path, query, nil, into)
}

// post sends a body, nil for none, and decodes the answer, nil for none.
func (a *administration) post(ctx context.Context, path string, query url.Values, send, into any) error {
	return a.call(ctx, http.MethodPost, path, query, send, into)
}

func (a *administration) call(ctx context.Context, method, path string, query url.Values, send, into any) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	resp, err := a.open(ctx, method, path, query, send)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(into); err != nil {
		return fmt.Errorf("read the answer of %s: %w", a.conf.Address, err)
	}
	return nil
}

// open makes a request and returns the answer when it is a good one.
func (a *administration) open(ctx context.Context, method, path string, query url.Values, send any) (*http.Response, error) {
	target := strings.TrimSuffix(a.conf.Address, "/") + "/api/v1" + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	var body io.Reader
	if send != nil {
		b, err := json.Marshal(send)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, err
	}
	if send != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if a.because != "" {
		r.Header.Set(auth.ReasonHeader, a.because)
	}
	if a.session != "" {
		r.Header.Set("Authorization", "Bearer "+a.session)
	}
	resp, err := a.http.Do(r)
	if err != nil {
		return nil, a.unreachable(err)
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer func() { _ = resp.Body.Close() }()
	return nil, a.refusal(resp)
}

// unreachable says what an operator can do about a connection that failed.
func (a *administration) unreachable(err error) error {
	var wrongAuthority x509.UnknownAuthorityError
	var wrongHost x509.HostnameError
	var alert tls.AlertError
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &wrongAuthority):
		return fmt.Errorf("the server at %s has a certificate of another authority than %s; is this the context of that installation?", a.conf.Address, a.conf.CA)
	case errors.As(err, &wrongHost):
		return fmt.Errorf("the certificate of the server at %s is for another name (%w); add the name to kmip.names in its configuration", a.conf.Address, err)
	case errors.As(err, &alert), strings.Contains(err.Error(), "remote error: tls"):
		return fmt.Errorf("the server at %s refused the certificate %s: %w; is it of this installation, and not expired?", a.conf.Address, a.conf.Cert, err)
	}
	return fmt.Errorf("cannot reach the server at %s: %w; is it running? Check with: curl --cacert %s %s/health", a.conf.Address, innermost(err), a.conf.CA, a.conf.Address)
}

// innermost drops the method and URL that net/http puts before an error.
func innermost(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// refusal reads the problem that the server answered.
func (a *administration) refusal(resp *http.Response) error {
	err := a.problem(resp)
	if resp.StatusCode == http.StatusUnauthorized && a.session == "" && a.conf.Cert != "" {
		return fmt.Errorf("the server does not accept %s: %w; use the context file of an administrator of this installation", a.conf.Cert, err)
	}
	return err
}

// problem reads a problem (RFC 9457).
func (a *administration) problem(resp *http.Response) error {
	var p huma.ErrorModel
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&p); err != nil || p.Detail == "" {
		return fmt.Errorf("the server at %s answered %s", a.conf.Address, resp.Status)
	}
	text := p.Detail
	for _, e := range p.Errors {
		text += "; " + strings.TrimPrefix(e.Location+": "+e.Message, ": ")
	}
	if p.Type == api.NeedsApproval {
		return fmt.Errorf("%s\n  approvers: claviger approval approve %s", text, path.Base(p.Instance))
	}
	return errors.New(text)
}
