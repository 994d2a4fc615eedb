package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/urfave/cli/v2"
	"golang.org/x/oauth2"

	"github.com/claviger/claviger/admin/api"
	"github.com/claviger/claviger/cmd/claviger/internal/config"
)

func loginCommand() *cli.Command {
	return &cli.Command{
		Name: "login", Usage: "log in by an identity provider (OpenID Connect), where one is configured",
		Description: "Shows an address and a code to confirm in a browser, or takes an ID token from a file, and keeps a session\n" +
			"in the folder, whose admin.toml is the context for --context. With such a context it logs in again.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "server", Usage: "`ADDR` of the server"},
			&cli.StringFlag{Name: "ca", Usage: "`FILE` with the certificate of its authority"},
			&cli.StringFlag{Name: "out", Usage: "`FOLDER` for context and session; made when it is not there"},
			&cli.StringFlag{Name: "token-file", Usage: "`FILE` with an ID token"},
			&cli.StringFlag{Name: "idp-ca", Usage: "`FILE` with the certificate of the identity provider's authority; else those of the system"},
		},
		Action: login,
	}
}

func logoutCommand() *cli.Command {
	return &cli.Command{Name: "logout", Usage: "end the session of the context", Action: logout}
}

// loginTarget is which server to log in at, and where to keep the session.
func loginTarget(c *cli.Context) (*administration, string, error) {
	dir := c.String("out")
	if (c.String("server") != "") != (dir != "") {
		return nil, "", usagef("--server, --ca and --out belong together")
	}
	a, err := withoutCertificate(c)
	if err != nil {
		return nil, "", err
	}
	if dir == "" {
		if a.conf.Session == "" {
			return nil, "", usagef("the context %s has a certificate; to log in, give --server ADDR --ca FILE --out FOLDER", c.String("context"))
		}
		return a, a.conf.Session, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, "", fmt.Errorf("--out: %w", err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "cert.pem")); err == nil {
		return nil, "", fmt.Errorf("--out: %s is the folder of an administrator with a certificate; name another", dir)
	}
	ca, err := os.ReadFile(a.conf.CA)
	if err != nil {
		return nil, "", err
	}
	if err := writeFile(filepath.Join(dir, "ca.pem"), ca, 0o644); err != nil {
		return nil, "", err
	}
	text := fmt.Sprintf("address = %q\nca = \"ca.pem\"\nsession = \"session\"\n", a.conf.Address)
	return a, filepath.Join(dir, "session"), writeFile(filepath.Join(dir, "admin.toml"), []byte(text), 0o600)
}

func login(c *cli.Context) error {
	a, path, err := loginTarget(c)
	if err != nil {
		return err
	}
	var token string
	if file := c.String("token-file"); file != "" {
		value, err := (config.Secret{File: file}).Read()
		if err != nil {
			return err
		}
		token = strings.TrimSpace(string(value.Reveal()))
		value.Destroy()
	} else {
		var p api.Provider
		if err := a.get(c.Context, "/login", nil, &p); err != nil {
			return err
		}
		if token, err = deviceLogin(c, p); err != nil {
			return fmt.Errorf("log in at %s: %w", p.Issuer, err)
		}
	}
	var made api.LoggedIn
	if err := a.post(c.Context, "/login", nil, api.Login{IDToken: token}, &made); err != nil {
		return err
	}
	if err := writeFile(path, []byte(made.Token+"\n"), 0o600); err != nil {
		return fmt.Errorf("the session is lost: %w", err)
	}
	return done(c, "logged in as %s with the role %s; the session ends after 15 minutes without use and after 8 hours; it is in %s",
		made.Session.Name, made.Session.Role, path)
}

// deviceLogin gets an ID token by the device authorization flow (RFC 8628).
func deviceLogin(c *cli.Context, p api.Provider) (string, error) {
	if u, err := url.Parse(p.Issuer); err != nil || u.Scheme != "https" {
		return "", errors.New("the issuer has no https address")
	}
	var pool *x509.CertPool
	if file := c.String("idp-ca"); file != "" {
		var err error
		if pool, err = authorities(file); err != nil {
			return "", fmt.Errorf("--idp-ca: %w", err)
		}
	}
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: 10 * time.Second, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool},
	}}
	ctx := context.WithValue(oidc.ClientContext(c.Context, client), oauth2.HTTPClient, client)
	provider, err := oidc.NewProvider(ctx, p.Issuer)
	if err != nil {
		return "", err
	}
	conf := oauth2.Config{ClientID: p.ClientID, Endpoint: provider.Endpoint(), Scopes: []string{oidc.ScopeOpenID, "profile", "groups"}}
	if conf.Endpoint.DeviceAuthURL == "" {
		return "", errors.New("the identity provider has no device authorization flow; give an ID token by --token-file")
	}
	device, err := conf.DeviceAuth(ctx)
	if err != nil {
		return "", err
	}
	note(c, "open %s and enter the code %s", printable(device.VerificationURI), printable(device.UserCode))
	token, err := conf.DeviceAccessToken(ctx, device)
	if err != nil {
		return "", err
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return "", errors.New("the identity provider gave no ID token")
	}
	return raw, nil
}

func logout(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	if a.session == "" {
		return usagef("the context %s has a certificate and no session", c.String("context"))
	}
	if err := a.post(c.Context, "/logout", nil, nil, nil); err != nil {
		return err
	}
	if err := os.Remove(a.conf.Session); err != nil {
		return fmt.Errorf("the session has ended, but its file stays: %w", err)
	}
	return done(c, "logged out")
}

func listSessions(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	var list api.Sessions
	if err := a.get(c.Context, "/sessions", nil, &list); err != nil {
		return err
	}
	var rows [][]string
	for _, s := range list.Sessions {
		rows = append(rows, []string{s.ID, s.Name, s.Role, s.Source, stamp(s.Created), stamp(s.Used), stamp(s.Expires)})
	}
	return printTable(c, list, []string{"session", "administrator", "role", "from", "created", "used", "expires"}, rows)
}

func endSession(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	id := c.Args().First()
	if err := a.post(c.Context, "/sessions/"+url.PathEscape(id)+"/end", nil, nil, nil); err != nil {
		return err
	}
	return done(c, "session %s ended", id)
}
