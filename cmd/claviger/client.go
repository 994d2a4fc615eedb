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

// ofDomain narrows a list to a domain, if one is given.
func ofDomain(c *cli.Context) url.Values {
	query := url.Values{}
	if d := c.String("domain"); d != "" {
		query.Set("domain", d)
	}
	return query
}

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
				Flags: append([]cli.Flag{
					domainFlag(),
					&cli.StringFlag{Name: "role", Usage: "`ROLE` of the client; full, or none until a security officer grants one, when not given"},
					&cli.BoolFlag{Name: "enroll", Usage: "issue no certificate: print a token by which the client gets one, by client enroll"},
					validFlag(),
				}, optional(folderFlags())...),
				Action: createClient,
			},
			{
				Name: "list", Usage: "list clients",
				Flags:  []cli.Flag{&cli.StringFlag{Name: "domain", Usage: "only of this `DOMAIN`"}},
				Action: listClients,
			},
			setClientCommand(), showClientCommand(), grantCommand("client"),
			identityCommand(), pinCommand(), issueCommand(), revokeCertificateCommand(), tokenCommand(), enrollCommand(), renewCommand(),
			{Name: "revoke", Usage: "end the access of a client", ArgsUsage: "NAME", Flags: []cli.Flag{domainFlag()}, Action: revokeClient},
		},
	}
}

func createClient(c *cli.Context) error {
	enroll := c.Bool("enroll")
	switch {
	case enroll && (c.String("out") != "" || c.String("format") != ""):
		return usagef("--enroll writes no files; give --out to claviger client enroll")
	case !enroll && c.String("out") == "":
		return usagef("client create needs --out FOLDER, or --enroll")
	}
	a, err := administer(c)
	if err != nil {
		return err
	}
	if enroll {
		return createToEnroll(c, a)
	}
	f, err := folderOf(c, a.conf.CA)
	if err != nil {
		return err
	}
	var made api.IssuedClient
	err = a.post(c.Context, "/clients", url.Values{"domain": {c.String("domain")}}, api.NewClient{Name: c.Args().First(), Role: c.String("role")}, &made)
	if err != nil {
		return err
	}
	return keepIssued(c, f, made, "client %s of domain %s created; certificate and key until %s are in %s")
}

// optional makes flags that are required elsewhere ones that may be left out.
func optional(flags []cli.Flag) []cli.Flag {
	for _, f := range flags {
		if s, ok := f.(*cli.StringFlag); ok {
			s.Required = false
		}
	}
	return flags
}

// prepareFolder makes sure, before anything is made, that the files can be
// written and that none is there, but for the ca.pem of the same authority.
func prepareFolder(dir, ca string, more ...string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	for _, name := range append([]string{"cert.pem", "key.pem", "bundle.pem", "client.p12"}, more...) {
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
	var list api.Clients
	if err := a.get(c.Context, "/clients", ofDomain(c), &list); err != nil {
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
