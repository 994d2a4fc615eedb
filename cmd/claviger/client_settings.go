package main

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/claviger/claviger/admin/api"
)

const noRole = "none"

// tellRole says what is to be done with somebody who has no role.
func tellRole(c *cli.Context, what, name, domain, role string) {
	if role == noRole {
		note(c, "%s %s may do nothing yet: a security officer grants it a role, by claviger %s grant %s --domain %s --role ROLE", what, name, what, name, domain)
	}
}

func clientPath(c *cli.Context, then string) string { return memberPath(c, "clients", then) }

func memberPath(c *cli.Context, kind, then string) string {
	return "/domains/" + url.PathEscape(c.String("domain")) + "/" + kind + "/" + url.PathEscape(c.Args().First()) + then
}

func setClientCommand() *cli.Command {
	return &cli.Command{
		Name: "set", Usage: "say when, from where, how often and how a client may come", ArgsUsage: "NAME",
		Description: "What is not given stays. It takes effect within a second on all nodes, also on open\nconnections. Rates and connections are counted by each node for itself.",
		Flags: []cli.Flag{
			domainFlag(),
			&cli.BoolFlag{Name: "disable", Usage: "refuse the client until it is enabled again"},
			&cli.BoolFlag{Name: "enable", Usage: "admit it again"},
			&cli.StringFlag{Name: "expires", Usage: "`DATE` (2027-01-31, or with a time) from which on it is refused, or never"},
			&cli.StringSliceFlag{Name: "source", Usage: "`NETWORK` (192.0.2.0/24) that it may come from, or any; repeat it"},
			&cli.StringFlag{Name: "rate", Usage: "`N` items of requests a second, or none"},
			&cli.IntFlag{Name: "burst", Usage: "`N` items at once; twice the rate when not given"},
			&cli.StringFlag{Name: "connections", Usage: "`N` open at a time, or none"},
			&cli.BoolFlag{Name: "require-credential", Usage: "its certificate alone is not enough: a user must log in beside it (=false takes it back)"},
		},
		Action: setClient,
	}
}

func setClient(c *cli.Context) error {
	change, err := clientChange(c)
	if err != nil {
		return err
	}
	a, err := administer(c)
	if err != nil {
		return err
	}
	var s api.ClientSettings
	if err := a.post(c.Context, clientPath(c, "/set"), nil, change, &s); err != nil {
		return err
	}
	if wantsJSON(c) {
		return printJSON(c, s)
	}
	return printTable(c, s, []string{"setting", "value"}, settingRows(s))
}

// clientChange reads the flags of client set.
func clientChange(c *cli.Context) (api.ClientChange, error) {
	var change api.ClientChange
	if c.Bool("disable") && c.Bool("enable") {
		return change, usagef("give --disable or --enable, not both")
	}
	if disable := c.Bool("disable"); disable || c.Bool("enable") {
		change.Disabled = &disable
	}
	if c.IsSet("expires") {
		at, err := readDate(c.String("expires"))
		if err != nil {
			return change, err
		}
		change.Expires = &at
	}
	if c.IsSet("source") {
		list := []string{}
		for _, s := range c.StringSlice("source") {
			if s != "any" {
				list = append(list, s)
			} else if len(c.StringSlice("source")) > 1 {
				return change, usagef("--source any stands alone")
			}
		}
		change.Sources = &list
	}
	if c.IsSet("rate") {
		n := 0.0
		if text := c.String("rate"); text != noRole {
			var err error
			if n, err = strconv.ParseFloat(text, 64); err != nil {
				return change, usagef("--rate is %q; it is a number of items a second, or none", text)
			}
		}
		change.Rate = &n
	}
	if c.IsSet("burst") {
		n := c.Int("burst")
		change.Burst = &n
	}
	if c.IsSet("connections") {
		n := 0
		if text := c.String("connections"); text != noRole {
			var err error
			if n, err = strconv.Atoi(text); err != nil {
				return change, usagef("--connections is %q; it is a number, or none", text)
			}
		}
		change.Connections = &n
	}
	if c.IsSet("require-credential") {
		needs := c.Bool("require-credential")
		change.Credential = &needs
	}
	if change == (api.ClientChange{}) {
		return change, usagef("nothing to change is given; see claviger client set --help")
	}
	return change, nil
}

// readDate reads a day or a time, and returns it as the server takes it.
func readDate(text string) (string, error) {
	if text == "never" {
		return text, nil
	}
	for _, form := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04", time.DateOnly} {
		if at, err := time.Parse(form, text); err == nil {
			return at.UTC().Format(time.RFC3339), nil
		}
	}
	return "", usagef("--expires is %q; it is a date such as 2027-01-31 or 2027-01-31T12:00:00Z, or never", text)
}

func settingRows(s api.ClientSettings) [][]string {
	access := "enabled"
	if s.Disabled {
		access = "disabled"
	}
	expires, sources, rate, connections, credential := "never", "any", "any", "any", "certificate"
	if s.Expires != nil {
		expires = stamp(*s.Expires)
	}
	if len(s.Sources) > 0 {
		var list []string
		for _, p := range s.Sources {
			list = append(list, p.String())
		}
		sources = strings.Join(list, ", ")
	}
	if s.Rate > 0 {
		rate = fmt.Sprintf("%g a second, %d at once", s.Rate, s.Burst)
	}
	if s.Connections > 0 {
		connections = strconv.Itoa(s.Connections)
	}
	if s.Credential {
		credential = "certificate and credential"
	}
	return [][]string{{"access", access}, {"expires", expires}, {"sources", sources}, {"rate", rate}, {"connections", connections}, {"authentication", credential}}
}

func showClientCommand() *cli.Command {
	return &cli.Command{
		Name: "show", Usage: "show a client with its settings and certificates", ArgsUsage: "NAME", Flags: []cli.Flag{domainFlag()},
		Action: func(c *cli.Context) error {
			a, err := administer(c)
			if err != nil {
				return err
			}
			var d api.ClientDetails
			if err := a.get(c.Context, clientPath(c, ""), nil, &d); err != nil {
				return err
			}
			if wantsJSON(c) {
				return printJSON(c, d)
			}
			return printClient(c, d)
		},
	}
}

func printClient(c *cli.Context, d api.ClientDetails) error {
	rows := [][]string{{"client", d.Name}, {"domain", d.Domain}, {"role", d.Role}, {"state", d.State}, {"created", stamp(d.Created)}}
	if d.Revoked != nil {
		rows = append(rows, []string{"revoked", stamp(*d.Revoked)})
	}
	rows = append(rows, settingRows(d.Settings)[1:]...)
	for _, i := range d.Identities {
		rows = append(rows, []string{"identity: " + i.Kind, i.Value})
	}
	if err := printTable(c, d, []string{"client", "value"}, rows); err != nil {
		return err
	}
	if err := printLine(c, ""); err != nil {
		return err
	}
	var certificates [][]string
	for _, t := range d.Certificates {
		certificates = append(certificates, []string{t.Fingerprint, t.Serial, stamp(t.Created), stamp(t.NotAfter), stampOf(t.Revoked)})
	}
	return printTable(c, d, []string{"certificate (SHA-256)", "serial", "issued", "until", "revoked"}, certificates)
}

// grantCommand gives a client or user another role.
func grantCommand(what string) *cli.Command {
	return &cli.Command{
		Name: "grant", Usage: "give a " + what + " another role", ArgsUsage: "NAME",
		Flags: []cli.Flag{domainFlag(), &cli.StringFlag{Name: "role", Usage: "`ROLE` that it gets", Required: true}},
		Action: func(c *cli.Context) error {
			a, err := administer(c)
			if err != nil {
				return err
			}
			role := c.String("role")
			if err := a.post(c.Context, memberPath(c, what+"s", "/grant"), nil, map[string]string{"role": role}, nil); err != nil {
				return err
			}
			return done(c, "%s %s of domain %s has the role %s", what, c.Args().First(), c.String("domain"), role)
		},
	}
}
