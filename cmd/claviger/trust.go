package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/claviger/claviger/admin/api"
)

func trustCommand() *cli.Command {
	return &cli.Command{
		Name: "trust", Usage: "accept certificates of other authorities for the clients of a domain",
		Subcommands: []*cli.Command{
			{
				Name: "add", Usage: "trust an authority", ArgsUsage: "NAME",
				Description: "A certificate of the authority is a client of the domain if the client has it, or its key,\npinned (client pin), or one of its names registered (client identity), or, of a client with\nneither, if its common name is the client's name.",
				Flags: []cli.Flag{
					domainFlag(),
					&cli.StringFlag{Name: "ca", Usage: "`FILE` with the certificates of the authority, PEM", Required: true},
					&cli.StringFlag{Name: "map", Usage: "`FIELDS` that say who a client is, comma-separated: san-uri, san-dns, san-email, cn; all when not given"},
					&cli.StringFlag{Name: "crl", Usage: "`FILE` with its revocation list, or the address to fetch it from (http, https)"},
					&cli.StringFlag{Name: "crl-stale", Usage: "what to do by an old revocation `LIST`: refuse or accept", Value: "refuse"},
					&cli.StringFlag{Name: "ocsp", Usage: "`HOW` to ask its responder: none, check (no answer is no objection) or require", Value: "none"},
					&cli.StringFlag{Name: "ocsp-url", Usage: "`ADDRESS` of the responder; the one in certificates is never asked"},
					&cli.StringFlag{Name: "eku", Usage: "the extended key `USAGE` of TLS clients in certificates: required or optional", Value: "optional"},
				},
				Action: addTrust,
			},
			{
				Name: "list", Usage: "list what is trusted", Flags: []cli.Flag{&cli.StringFlag{Name: "domain", Usage: "only by this `DOMAIN`"}},
				Action: listTrusts,
			},
			{
				Name: "remove", Usage: "end a trust; its clients are no longer admitted", ArgsUsage: "NAME", Flags: []cli.Flag{domainFlag()},
				Action: func(c *cli.Context) error {
					a, err := administer(c)
					if err != nil {
						return err
					}
					if err := a.post(c.Context, memberPath(c, "trusts", "/remove"), nil, nil, nil); err != nil {
						return err
					}
					return done(c, "trust %s of domain %s removed", c.Args().First(), c.String("domain"))
				},
			},
			{
				Name: "crl", Usage: "give a trust a new revocation list", ArgsUsage: "NAME FILE", Flags: []cli.Flag{domainFlag()},
				Action: func(c *cli.Context) error {
					b, err := os.ReadFile(c.Args().Get(1))
					if err != nil {
						return err
					}
					a, err := administer(c)
					if err != nil {
						return err
					}
					if err := a.post(c.Context, memberPath(c, "trusts", "/crl"), nil, map[string][]byte{"revocation_lists": b}, nil); err != nil {
						return err
					}
					return done(c, "trust %s of domain %s has the revocation list", c.Args().First(), c.String("domain"))
				},
			},
		},
	}
}

func addTrust(c *cli.Context) error {
	for flag, words := range map[string][]string{"crl-stale": {"refuse", "accept"}, "ocsp": {"none", "check", "require"}, "eku": {"required", "optional"}} {
		if err := oneOf("--"+flag, c.String(flag), words...); err != nil {
			return err
		}
	}
	ca, err := os.ReadFile(c.String("ca"))
	if err != nil {
		return fmt.Errorf("--ca: %w", err)
	}
	in := api.NewTrust{Name: c.Args().First(), Authorities: string(ca), TrustSettings: api.TrustSettings{
		StaleCRL: c.String("crl-stale") == "accept", OCSP: c.String("ocsp"), OCSPURL: c.String("ocsp-url"), NeedEKU: c.String("eku") == "required",
	}}
	for _, m := range strings.Split(c.String("map"), ",") {
		if m = strings.TrimSpace(m); m != "" {
			in.Map = append(in.Map, m)
		}
	}
	switch crl := c.String("crl"); {
	case crl == "":
	case strings.HasPrefix(crl, "http://"), strings.HasPrefix(crl, "https://"):
		in.CRLURL = crl
	default:
		if in.Lists, err = os.ReadFile(crl); err != nil {
			return fmt.Errorf("--crl: %w", err)
		}
	}
	a, err := administer(c)
	if err != nil {
		return err
	}
	if err := a.post(c.Context, "/trusts", url.Values{"domain": {c.String("domain")}}, in, nil); err != nil {
		return err
	}
	return done(c, "domain %s trusts %s", c.String("domain"), in.Name)
}

func listTrusts(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	var list api.Trusts
	if err := a.get(c.Context, "/trusts", ofDomain(c), &list); err != nil {
		return err
	}
	var rows [][]string
	for _, t := range list.Trusts {
		for _, ca := range t.Authorities {
			fields := "all"
			if len(t.Map) > 0 {
				fields = strings.Join(t.Map, ",")
			}
			rows = append(rows, []string{t.Domain, t.Name, ca.Subject, stamp(ca.NotAfter), fields, listState(t), t.OCSP})
		}
	}
	return printTable(c, list, []string{"domain", "trust", "authority", "until", "by", "revocation list", "ocsp"}, rows)
}

// listState says how the revocation lists of a trust are.
func listState(t api.Trust) string {
	if !t.CRL {
		return "none"
	}
	if len(t.Lists) == 0 {
		return "missing"
	}
	state := "until " + stamp(t.Lists[0].Next)
	for _, l := range t.Lists {
		if !l.Current {
			state = "OLD, since " + stamp(l.Next)
		}
	}
	return state
}

func identityCommand() *cli.Command {
	return &cli.Command{
		Name: "identity", Usage: "say which names in certificates of other authorities mean a client", ArgsUsage: "NAME",
		Description: "Adds what is given, or takes it away with --remove. A client with any identity or pin is known\nby these only; one without is known by its name as common name.",
		Flags: []cli.Flag{
			domainFlag(),
			&cli.StringSliceFlag{Name: "uri", Usage: "`URI` (subject alternative name)"},
			&cli.StringSliceFlag{Name: "dns", Usage: "DNS `NAME`"},
			&cli.StringSliceFlag{Name: "email", Usage: "e-mail `ADDRESS`"},
			&cli.StringSliceFlag{Name: "cn", Usage: "common `NAME`"},
			&cli.BoolFlag{Name: "remove", Usage: "take them away"},
		},
		Action: func(c *cli.Context) error {
			var list []api.ClientIdentity
			for _, kind := range []string{"uri", "dns", "email", "cn"} {
				for _, v := range c.StringSlice(kind) {
					list = append(list, api.ClientIdentity{Kind: kind, Value: v})
				}
			}
			return changeIdentities(c, list)
		},
	}
}

func pinCommand() *cli.Command {
	return &cli.Command{
		Name: "pin", Usage: "bind a client to certificates or keys of another authority", ArgsUsage: "NAME",
		Description: "Adds what is given, or takes it away with --remove. A client with any pin or identity is known\nby these only.",
		Flags: []cli.Flag{
			domainFlag(),
			&cli.StringSliceFlag{Name: "fingerprint", Usage: "`SHA-256` of the certificate, hexadecimal"},
			&cli.StringSliceFlag{Name: "key-pin", Usage: "`SHA-256` of the public key (SubjectPublicKeyInfo), hexadecimal"},
			&cli.StringFlag{Name: "cert", Usage: "`FILE` with the certificate, PEM, of which the fingerprint is taken"},
			&cli.BoolFlag{Name: "remove", Usage: "take them away"},
		},
		Action: func(c *cli.Context) error {
			var list []api.ClientIdentity
			for _, v := range c.StringSlice("fingerprint") {
				list = append(list, api.ClientIdentity{Kind: "fingerprint", Value: v})
			}
			for _, v := range c.StringSlice("key-pin") {
				list = append(list, api.ClientIdentity{Kind: "key", Value: v})
			}
			if path := c.String("cert"); path != "" {
				text, err := os.ReadFile(path)
				if err != nil {
					return fmt.Errorf("--cert: %w", err)
				}
				cert, err := parseCertificate(text)
				if err != nil {
					return fmt.Errorf("--cert: %w", err)
				}
				sum := sha256.Sum256(cert.Raw)
				list = append(list, api.ClientIdentity{Kind: "fingerprint", Value: hex.EncodeToString(sum[:])})
			}
			return changeIdentities(c, list)
		},
	}
}

func changeIdentities(c *cli.Context, list []api.ClientIdentity) error {
	if len(list) == 0 {
		return usagef("nothing is given; see claviger client %s --help", c.Command.Name)
	}
	change := api.IdentityChange{Add: list}
	if c.Bool("remove") {
		change = api.IdentityChange{Remove: list}
	}
	a, err := administer(c)
	if err != nil {
		return err
	}
	var after api.ClientIdentities
	if err := a.post(c.Context, clientPath(c, "/identities"), nil, change, &after); err != nil {
		return err
	}
	return printTable(c, after, []string{"kind", "identity"}, identityRows(after.Identities))
}

func identityRows(list []api.ClientIdentity) [][]string {
	var rows [][]string
	for _, i := range list {
		rows = append(rows, []string{i.Kind, i.Value})
	}
	return rows
}
