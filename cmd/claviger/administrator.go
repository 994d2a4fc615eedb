package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/claviger/claviger/admin/api"
	"github.com/claviger/claviger/kmip/custody/pki"
)

func administratorCommand() *cli.Command {
	out := &cli.StringFlag{Name: "out", Usage: "`FOLDER` for certificate, key and context; made when it is not there", Required: true}
	return &cli.Command{
		Name: "administrator", Usage: "make, list, renew and revoke administrators",
		Subcommands: []*cli.Command{
			{
				Name: "create", Usage: "make an administrator and write its context", ArgsUsage: "NAME",
				Description: "Writes cert.pem, key.pem (PKCS#8, not encrypted), ca.pem and admin.toml, the context for --context,\n" +
					"into the folder. The server keeps no copy of the key. When system, security-officer and auditor each\n" +
					"have a holder, the first administrator, who has all roles, ends.",
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "role", Usage: "`ROLE` for ever: system, security-officer or auditor", Required: true},
					&cli.StringFlag{Name: "request", Usage: "`FILE` with the request of the new administrator, who keeps the key"},
					out,
				},
				Action: createAdministrator,
			},
			{
				Name: "request", Usage: "make your own key, and a request for others to make you an administrator", ArgsUsage: "NAME",
				Description: "Writes key.pem and request.pem into the folder; asks no server. Hand over request.pem, for\n" +
					"administrator create --request, and put what that writes beside your key.",
				Flags: []cli.Flag{out}, Action: requestAdministrator,
			},
			{Name: "list", Usage: "list the administrators", Action: listAdministrators},
			{Name: "renew", Usage: "get a new certificate for yourself; the old one ends", Flags: []cli.Flag{out}, Action: renewCertificate},
			{Name: "revoke", Usage: "end the access of an administrator", ArgsUsage: "NAME", Action: revokeAdministrator},
			{Name: "sessions", Usage: "list the sessions of those who logged in by an identity provider", Action: listSessions},
			{Name: "end-session", Usage: "end a session", ArgsUsage: "ID", Action: endSession},
		},
	}
}

// prepareContext is prepareFolder for a folder with a context.
func prepareContext(dir string) error {
	for _, name := range []string{"ca.pem", "admin.toml"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return fmt.Errorf("--out: %s is there already; name another folder", filepath.Join(dir, name))
		} else if !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("--out: %w", err)
		}
	}
	return prepareFolder(dir, "")
}

// writeAdministrator writes what an administrator needs into a folder: without a key
// when its owner has it.
func (a *administration) writeAdministrator(dir string, made api.IssuedAdministrator) error {
	b := bundle{Certificate: []byte(made.Certificate), Key: []byte(made.Key), Authority: []byte(made.Authority)}
	if made.Key == "" {
		if err := writeFile(filepath.Join(dir, "cert.pem"), b.Certificate, 0o644); err != nil {
			return err
		}
	} else if err := writeBundle(dir, b); err != nil {
		return err
	}
	if err := writeFile(filepath.Join(dir, "ca.pem"), b.Authority, 0o644); err != nil {
		return err
	}
	return writeContext(filepath.Join(dir, "admin.toml"), strings.TrimPrefix(a.conf.Address, "https://"), "ca.pem", ".")
}

func createAdministrator(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	dir := c.String("out")
	if err := prepareContext(dir); err != nil {
		return err
	}
	in := api.NewAdministrator{Name: c.Args().First(), Role: c.String("role")}
	if file := c.String("request"); file != "" {
		b, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("--request: %w", err)
		}
		in.Request = string(b)
	}
	var made api.IssuedAdministrator
	if err := a.post(c.Context, "/administrators", nil, in, &made); err != nil {
		return err
	}
	if err := a.writeAdministrator(dir, made); err != nil {
		return fmt.Errorf("administrator %s was made, but its certificate is lost: %w; revoke it and make another", made.Administrator.Name, err)
	}
	if wantsJSON(c) {
		return printJSON(c, struct {
			api.Administrator
			Folder string   `json:"folder"`
			Ended  []string `json:"ended,omitempty"`
		}{made.Administrator, dir, made.Ended})
	}
	what := "certificate and key"
	if in.Request != "" {
		what = "certificate"
	}
	if err := printLine(c, "administrator %s with the role %s created; %s until %s in %s",
		made.Administrator.Name, made.Administrator.Role, what, stamp(made.Administrator.NotAfter), dir); err != nil || len(made.Ended) == 0 {
		return err
	}
	note(c, "set up break-glass (claviger break-glass setup), or nobody gets in when administrators are lost")
	return printLine(c, "each role has a holder now: %s, who had all of them, has ended and cannot come back", strings.Join(made.Ended, ", "))
}

func renewCertificate(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	dir := c.String("out")
	if err := prepareContext(dir); err != nil {
		return err
	}
	key, request, err := newRequest("")
	if err != nil {
		return err
	}
	var made api.IssuedAdministrator
	if err := a.post(c.Context, "/administrators/renew", nil, api.CertificateRequest{Request: string(request)}, &made); err != nil {
		return err
	}
	made.Key = string(key) // which has never left this machine
	if err := a.writeAdministrator(dir, made); err != nil {
		return fmt.Errorf("the certificate was renewed, but it is lost: %w; have another administrator made", err)
	}
	return done(c, "the certificate of %s was renewed until %s; it is in %s, and the old one has ended",
		made.Administrator.Name, stamp(made.Administrator.NotAfter), dir)
}

func listAdministrators(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	var list api.Administrators
	if err := a.get(c.Context, "/administrators", nil, &list); err != nil {
		return err
	}
	var rows [][]string
	for _, m := range list.Administrators {
		rows = append(rows, []string{m.Name, m.Role, stamp(m.Created), stamp(m.NotAfter), stampOf(m.Revoked)})
	}
	return printTable(c, list, []string{"administrator", "role", "created", "certificate until", "revoked"}, rows)
}

func revokeAdministrator(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	name := c.Args().First()
	if err := a.post(c.Context, "/administrators/"+url.PathEscape(name)+"/revoke", nil, nil, nil); err != nil {
		return err
	}
	return done(c, "administrator %s revoked", name)
}

// newRequest makes a key and a request for a certificate, both in PEM form. The key
// is secret.
func newRequest(name string) (key, request []byte, err error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	if key, err = (&pki.Issued{Key: k}).KeyPEM(); err != nil {
		return nil, nil, err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: name}}, k)
	return key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), err
}

func requestAdministrator(c *cli.Context) error {
	dir, name := c.String("out"), c.Args().First()
	if err := prepareContext(dir); err != nil {
		return err
	}
	key, request, err := newRequest(name)
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(dir, "key.pem"), key, 0o600); err != nil {
		return err
	}
	if err := writeFile(filepath.Join(dir, "request.pem"), request, 0o644); err != nil {
		return err
	}
	return done(c, "your key is in %s, which is yours alone; hand over %s", dir, filepath.Join(dir, "request.pem"))
}
