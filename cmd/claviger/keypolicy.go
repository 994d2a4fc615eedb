package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/urfave/cli/v2"

	"github.com/claviger/claviger/admin/api"
)

const periods = "a number with s, m, h, d, w or y, such as 90d, or never"

func keyPolicyCommand() *cli.Command {
	about := []cli.Flag{
		domainFlag(),
		&cli.StringFlag{Name: "group", Usage: "only for objects of this Object `GROUP`"},
		&cli.StringFlag{Name: "role", Usage: "only for objects that clients of this `ROLE` make"},
	}
	period := func(name, usage string) cli.Flag {
		return &cli.StringFlag{Name: name, Usage: usage + "; `PERIOD`: " + periods}
	}
	return &cli.Command{
		Name: "key-policy", Usage: "say how keys live: activation, cryptoperiods, rotation, usage limits",
		Subcommands: []*cli.Command{
			{
				Name: "set", Usage: "set the policy of a domain, or of a group or role in it; what was set for the same before is gone",
				Flags: append(append([]cli.Flag{}, about...),
					&cli.BoolFlag{Name: "enforce", Usage: "win over what clients ask for"},
					period("activate-after", "activate so long after creation; now: at once"),
					period("originator", "protect nothing new after it (Protect Stop Date)"),
					period("recipient", "deactivate after it (Deactivation Date)"),
					period("rotate", "replace keys automatically at this interval"),
					period("rotate-offset", "activate the replacement so long after it is made"),
					&cli.Int64Flag{Name: "usage-limit", Usage: "`TOTAL` of the Usage Limits; 0 for none"},
					&cli.StringFlag{Name: "usage-unit", Usage: "`UNIT` of it: byte or object", Value: "byte"},
					period("in-use", "what was used within it is not ended by accident"),
				),
				Action: setKeyPolicy,
			},
			{Name: "show", Usage: "show the policy of a domain, or of a group or role in it", Flags: about, Action: showKeyPolicy},
			{Name: "list", Usage: "list the policies of a domain", Flags: []cli.Flag{domainFlag()}, Action: listKeyPolicies},
			{Name: "remove", Usage: "remove the policy of a domain, or of a group or role in it", Flags: about, Action: removeKeyPolicy},
			{
				Name: "apply", Usage: "set the policies of a file", ArgsUsage: "FILE",
				Description: "The file is TOML: tables [[policy]] with domain, group or role, and the keys of `key-policy set` with underscores. The policies of one domain are set all or none; others stay as they are.",
				Action:      applyKeyPolicies,
			},
		},
	}
}

func policiesPath(domain string) string {
	return "/domains/" + url.PathEscape(domain) + "/key-policies"
}

func setKeyPolicy(c *cli.Context) error {
	p := api.KeyPolicy{
		Group: c.String("group"), Role: c.String("role"), Enforce: c.Bool("enforce"), Activate: c.String("activate-after"), Originator: c.String("originator"),
		Recipient: c.String("recipient"), Rotate: c.String("rotate"), RotateOffset: c.String("rotate-offset"), InUse: c.String("in-use"),
	}
	if c.IsSet("usage-limit") {
		n := c.Int64("usage-limit")
		p.UsageTotal, p.UsageUnit = &n, c.String("usage-unit")
	}
	if err := oneOf("--usage-unit", p.UsageUnit, "byte", "object"); err != nil {
		return err
	}
	a, err := administer(c)
	if err != nil {
		return err
	}
	if err := a.post(c.Context, policiesPath(c.String("domain")), nil, api.KeyPolicies{Policies: []api.KeyPolicy{p}}, nil); err != nil {
		return err
	}
	return done(c, "key policy of %s in domain %s set", policyAbout(p), c.String("domain"))
}

func policyAbout(p api.KeyPolicy) string {
	switch {
	case p.Group != "":
		return "group " + p.Group
	case p.Role != "":
		return "role " + p.Role
	}
	return "all"
}

func policyRow(p api.KeyPolicy) []string {
	usage := ""
	if p.UsageTotal != nil {
		usage = strings.TrimSpace(strconv.FormatInt(*p.UsageTotal, 10) + " " + p.UsageUnit)
	}
	enforced := "no"
	if p.Enforce {
		enforced = "yes"
	}
	return []string{policyAbout(p), p.Activate, p.Originator, p.Recipient, p.Rotate, p.RotateOffset, usage, p.InUse, enforced}
}

var policyColumns = []string{"of", "activate after", "originator", "recipient", "rotate", "rotate offset", "usage limit", "in use", "enforced"}

func readPolicies(c *cli.Context) (api.KeyPolicies, error) {
	var list api.KeyPolicies
	a, err := administer(c)
	if err != nil {
		return list, err
	}
	return list, a.get(c.Context, policiesPath(c.String("domain")), nil, &list)
}

func listKeyPolicies(c *cli.Context) error {
	list, err := readPolicies(c)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, p := range list.Policies {
		rows = append(rows, policyRow(p))
	}
	return printTable(c, list, policyColumns, rows)
}

func showKeyPolicy(c *cli.Context) error {
	list, err := readPolicies(c)
	if err != nil {
		return err
	}
	want := api.KeyPolicy{Group: c.String("group"), Role: c.String("role")}
	for _, p := range list.Policies {
		if p.Group == want.Group && p.Role == want.Role {
			return printTable(c, p, policyColumns, [][]string{policyRow(p)})
		}
	}
	return fmt.Errorf("there is no key policy of %s in domain %q", policyAbout(want), c.String("domain"))
}

func removeKeyPolicy(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	p := api.KeyPolicy{Group: c.String("group"), Role: c.String("role")}
	in := map[string]string{}
	if p.Group != "" {
		in["group"] = p.Group
	}
	if p.Role != "" {
		in["role"] = p.Role
	}
	if err := a.post(c.Context, policiesPath(c.String("domain"))+"/remove", nil, in, nil); err != nil {
		return err
	}
	return done(c, "key policy of %s in domain %s removed", policyAbout(p), c.String("domain"))
}

func applyKeyPolicies(c *cli.Context) error {
	name := c.Args().First()
	b, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("key policies: %w", err)
	}
	domains, byDomain, err := parsePolicies(name, b)
	if err != nil {
		return err
	}
	a, err := administer(c)
	if err != nil {
		return err
	}
	for _, domain := range domains {
		if err := a.post(c.Context, policiesPath(domain), nil, api.KeyPolicies{Policies: byDomain[domain]}, nil); err != nil {
			return fmt.Errorf("%s: domain %s: %w", name, domain, err)
		}
		if err := done(c, "%d key policies in domain %s set", len(byDomain[domain]), domain); err != nil {
			return err
		}
	}
	return nil
}

func listEnding(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	var list api.EndingList
	if err := a.get(c.Context, "/keys-in-use-ending", ofDomain(c), &list); err != nil {
		return err
	}
	var rows [][]string
	for _, e := range list.Ending {
		rows = append(rows, []string{e.Domain, e.UID, strings.Join(e.Names, ", "), stamp(e.Deactivation), stamp(e.LastUsed)})
	}
	return printTable(c, list, []string{"domain", "uid", "names", "deactivation", "last used"}, rows)
}

func keyEndingCommand() *cli.Command {
	return &cli.Command{
		Name: "ending", Usage: "list objects that are in use and about to be deactivated by their date",
		Flags:  []cli.Flag{&cli.StringFlag{Name: "domain", Usage: "only in this `DOMAIN`"}},
		Action: listEnding,
	}
}

// positioned gives an error of the parser its place in the file.
func positioned(name string, err error) error {
	var strict *toml.StrictMissingError
	if errors.As(err, &strict) && len(strict.Errors) > 0 {
		row, _ := strict.Errors[0].Position()
		return fmt.Errorf("%s:%d: unknown key %q", name, row, strings.Join(strict.Errors[0].Key(), "."))
	}
	var decode *toml.DecodeError
	if errors.As(err, &decode) {
		row, _ := decode.Position()
		return fmt.Errorf("%s:%d: %s", name, row, strings.TrimPrefix(decode.Error(), "toml: "))
	}
	return fmt.Errorf("%s: %w", name, err)
}
