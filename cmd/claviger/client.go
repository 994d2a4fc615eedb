package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/claviger/claviger/admin/api"
)

// domainFlag names the domain that a command is about.
func domainFlag() cli.Flag {
	return &cli.StringFlag{Name: "domain", Usage: "`DOMAIN` concerned", Value: "default"}
}

func clientCommand() *cli.Command {
	return &cli.Command{
		Name: "client", Usage: "make, list and revoke KMIP clients",
		Subcommands: []*cli.Command{
			{
				Name: "create", Usage: "make a client and write its certificate and key", ArgsUsage: "NAME",
				Description: "Writes cert.pem, key.pem (PKCS#8, not encrypted), bundle.pem (both), client.p12\n(PKCS#12 under an empty password) and ca.pem into the folder. The server keeps no copy of the key.",
				Flags: []cli.Flag{
					domainFlag(),
					&cli.StringFlag{Name: "role", Usage: "`ROLE` of the client; full, or none until a security officer grants one, when not given"},
					&cli.StringFlag{Name: "out", Usage: "`FOLDER` for the files; made when it is not there", Required: true},
				},
				Action: createClient,
			},
			{
				Name: "list", Usage: "list clients",
				Flags:  []cli.Flag{&cli.StringFlag{Name: "domain", Usage: "only of this `DOMAIN`"}},
				Action: listClients,
			},
			setClientCommand(), showClientCommand(), grantCommand("client"),
			{Name: "revoke", Usage: "end the access of a client", ArgsUsage: "NAME", Flags: []cli.Flag{domainFlag()}, Action: revokeClient},
		},
	}
}

func createClient(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	dir := c.String("out")
	if err := prepareFolder(dir, a.conf.CA); err != nil {
		return err
	}
	var made api.IssuedClient
	err = a.post(c.Context, "/clients", url.Values{"domain": {c.String("domain")}}, api.NewClient{Name: c.Args().First(), Role: c.String("role")}, &made)
	if err != nil {
		return err
	}
	b := bundle{Certificate: []byte(made.Certificate), Key: []byte(made.Key), PKCS12: made.PKCS12, Authority: []byte(made.Authority)}
	if err := writeBundle(dir, b); err != nil {
		return fmt.Errorf("client %s was made, but its certificate is lost: %w; revoke it and make another", made.Client.Name, err)
	}
	if wantsJSON(c) {
		return printJSON(c, struct {
			api.Client
			Folder string `json:"folder"`
		}{made.Client, dir})
	}
	tellRole(c, "client", made.Client.Name, made.Client.Domain, made.Client.Role)
	return printLine(c, "client %s of domain %s created; certificate and key until %s are in %s",
		made.Client.Name, made.Client.Domain, stamp(made.NotAfter), dir)
}

// prepareFolder makes sure, before anything is made, that the files can be
// written and that none is there, but for the ca.pem of the same authority.
func prepareFolder(dir, ca string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	for _, name := range []string{"cert.pem", "key.pem", "bundle.pem", "client.p12"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("--out: %s is there already; name another folder", filepath.Join(dir, name))
		}
	}
	there, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	if mine, err := os.ReadFile(ca); err != nil || !bytes.Equal(there, mine) {
		return fmt.Errorf("--out: the ca.pem in %s is of another authority; name another folder", dir)
	}
	return nil
}

func listClients(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	query := url.Values{}
	if d := c.String("domain"); d != "" {
		query.Set("domain", d)
	}
	var list api.Clients
	if err := a.get(c.Context, "/clients", query, &list); err != nil {
		return err
	}
	var rows [][]string
	for _, cl := range list.Clients {
		until := stampOf(cl.NotAfter)
		if cl.Expiring {
			until += " (soon)"
		}
		rows = append(rows, []string{cl.Domain, cl.Name, cl.Role, cl.State, stamp(cl.Created), until})
	}
	return printTable(c, list, []string{"domain", "client", "role", "state", "created", "certificate until"}, rows)
}

func revokeClient(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	domain, name := c.String("domain"), c.Args().First()
	path := "/domains/" + url.PathEscape(domain) + "/clients/" + url.PathEscape(name) + "/revoke"
	if err := a.post(c.Context, path, nil, nil, nil); err != nil {
		return err
	}
	return done(c, "client %s of domain %s revoked", name, domain)
}

// done confirms something that has no other answer.
func done(c *cli.Context, format string, args ...any) error {
	if wantsJSON(c) {
		return printJSON(c, map[string]string{"done": fmt.Sprintf(format, args...)})
	}
	return printLine(c, format, args...)
}
