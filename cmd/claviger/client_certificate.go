package main

import (
	"fmt"
	"net/url"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/claviger/claviger/admin/api"
)

func issueCommand() *cli.Command {
	return &cli.Command{
		Name: "issue", Usage: "issue one more certificate to a client and write it with its key", ArgsUsage: "NAME",
		Description: "The certificates that it has stay valid.",
		Flags:       append([]cli.Flag{domainFlag()}, folderFlags()...),
		Action: func(c *cli.Context) error {
			a, err := administer(c)
			if err != nil {
				return err
			}
			f, err := folderOf(c, a.conf.CA)
			if err != nil {
				return err
			}
			var made api.IssuedClient
			if err := a.post(c.Context, clientPath(c, "/certificates"), nil, nil, &made); err != nil {
				return err
			}
			return keepIssued(c, f, made, "client %s of domain %s: certificate and key until %s are in %s")
		},
	}
}

// keepIssued writes what the server issued and says so.
func keepIssued(c *cli.Context, f folder, made api.IssuedClient, text string) error {
	b := bundle{Certificate: []byte(made.Certificate), Key: []byte(made.Key), PKCS12: made.PKCS12, Authority: []byte(made.Authority)}
	if err := f.write(b); err != nil {
		return fmt.Errorf("client %s has a certificate that is lost: %w; issue another: claviger client issue %s --domain %s", made.Client.Name, err, made.Client.Name, made.Client.Domain)
	}
	if wantsJSON(c) {
		return printJSON(c, struct {
			api.Client
			Folder string `json:"folder"`
		}{made.Client, f.dir})
	}
	tellRole(c, "client", made.Client.Name, made.Client.Domain, made.Client.Role)
	return printLine(c, text, made.Client.Name, made.Client.Domain, stamp(made.NotAfter), f.dir)
}

func revokeCertificateCommand() *cli.Command {
	return &cli.Command{
		Name: "revoke-certificate", Usage: "end one certificate of a client; its others stay", ArgsUsage: "NAME FINGERPRINT",
		Description: "FINGERPRINT is the SHA-256, as client show has it.",
		Flags:       []cli.Flag{domainFlag()},
		Action: func(c *cli.Context) error {
			a, err := administer(c)
			if err != nil {
				return err
			}
			fingerprint := c.Args().Get(1)
			if err := a.post(c.Context, clientPath(c, "/certificates/"+url.PathEscape(fingerprint)+"/revoke"), nil, nil, nil); err != nil {
				return err
			}
			return done(c, "certificate %s of client %s of domain %s revoked", fingerprint, c.Args().First(), c.String("domain"))
		},
	}
}

// validFlag says for how long a token is good.
func validFlag() cli.Flag {
	return &cli.DurationFlag{Name: "valid", Usage: "for how `LONG` the token is good", Value: 24 * time.Hour}
}

func tokenCommand() *cli.Command {
	return &cli.Command{
		Name: "token", Usage: "make a token by which a client gets one more certificate, once", ArgsUsage: "NAME",
		Description: "Prints the token, which is secret and kept nowhere. Whoever has it is the client: claviger client enroll.",
		Flags:       []cli.Flag{domainFlag(), validFlag(), &cli.BoolFlag{Name: "cancel", Usage: "end those that nobody has used, instead"}},
		Action: func(c *cli.Context) error {
			a, err := administer(c)
			if err != nil {
				return err
			}
			if c.Bool("cancel") {
				var n api.Cancelled
				if err := a.post(c.Context, clientPath(c, "/token/cancel"), nil, nil, &n); err != nil {
					return err
				}
				return done(c, "%d tokens of client %s of domain %s ended", n.Tokens, c.Args().First(), c.String("domain"))
			}
			var t api.EnrollToken
			if err := a.post(c.Context, clientPath(c, "/token"), nil, api.NewToken{Valid: int64(c.Duration("valid") / time.Second)}, &t); err != nil {
				return err
			}
			return printToken(c, t)
		},
	}
}

// createToEnroll is client create --enroll.
func createToEnroll(c *cli.Context, a *administration) error {
	in := api.ClientToEnroll{Name: c.Args().First(), Role: c.String("role"), Valid: int64(c.Duration("valid") / time.Second)}
	var t api.EnrollToken
	if err := a.post(c.Context, "/clients/enroll", url.Values{"domain": {c.String("domain")}}, in, &t); err != nil {
		return err
	}
	tellRole(c, "client", t.Client.Name, t.Client.Domain, t.Client.Role)
	return printToken(c, t)
}

// printToken prints the token alone on standard output, so that it can go into a
// file.
func printToken(c *cli.Context, t api.EnrollToken) error {
	if wantsJSON(c) {
		return printJSON(c, t)
	}
	note(c, "token of client %s of domain %s, good once until %s:", t.Client.Name, t.Client.Domain, stamp(t.Expires))
	return printLine(c, "%s", t.Token)
}
