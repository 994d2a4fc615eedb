package main

import (
	"net/url"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/claviger/claviger/admin/api"
)

func suiteCommand() *cli.Command {
	return &cli.Command{
		Name: "suite", Usage: "show the profiles of algorithms that a domain may have",
		Subcommands: []*cli.Command{
			{Name: "list", Usage: "list the profiles", Action: listSuites},
			{Name: "show", Usage: "show what a profile allows; all else it refuses", ArgsUsage: "PROFILE", Action: showSuite},
		},
	}
}

func listSuites(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	var list api.SuiteProfiles
	if err := a.get(c.Context, "/suites", nil, &list); err != nil {
		return err
	}
	var rows [][]string
	for _, p := range list.Profiles {
		rows = append(rows, []string{p.Name, p.Title, strings.Join(p.Documents, "; ")})
	}
	return printTable(c, list, []string{"profile", "what it is", "documents"}, rows)
}

func showSuite(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	var p api.SuiteDetail
	if err := a.get(c.Context, "/suites/"+url.PathEscape(c.Args().First()), nil, &p); err != nil {
		return err
	}
	if p.Everything {
		note(c, "the profile allows everything that the server can do")
	}
	var rows [][]string
	for _, r := range p.Rules {
		rows = append(rows, []string{r.Kind, r.Name, r.Length, r.Level, r.Source})
	}
	return printTable(c, p, []string{"kind", "name", "length", "level", "source"}, rows)
}

func domainSuiteCommand() *cli.Command {
	return &cli.Command{
		Name: "suite", Usage: "say which algorithms are fit in a domain: by one profile for new keys, by another for the use of keys", ArgsUsage: "NAME",
		Description: "Without a flag it shows what holds. What a flag does not name stays; an empty --allow or --deny empties the list.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "create", Usage: "`PROFILE` for new keys (see suite list)"},
			&cli.StringFlag{Name: "process", Usage: "`PROFILE` for encryption, signatures, MACs and wrapping"},
			&cli.StringFlag{Name: "allow", Usage: "`LIST` that is allowed besides, with commas: algorithm[:bits], curve, mode, hash, padding, derivation"},
			&cli.StringFlag{Name: "deny", Usage: "`LIST` that is denied whatever the profile says"},
		},
		Action: setSuite,
	}
}

func setSuite(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	path := "/domains/" + url.PathEscape(c.Args().First()) + "/suite"
	var s api.DomainSuite
	if err := a.get(c.Context, path, nil, &s); err != nil {
		return err
	}
	changed := false
	for flag, set := range map[string]func(string){
		"create": func(v string) { s.Create = v }, "process": func(v string) { s.Process = v },
		"allow": func(v string) { s.Allow = listed(v) }, "deny": func(v string) { s.Deny = listed(v) },
	} {
		if c.IsSet(flag) {
			set(c.String(flag))
			changed = true
		}
	}
	if changed {
		if err := a.post(c.Context, path, nil, s, nil); err != nil {
			return err
		}
		if err := a.get(c.Context, path, nil, &s); err != nil {
			return err
		}
	}
	return printTable(c, s, []string{"rule", "value"}, suiteRows(s))
}

func suiteRows(s api.DomainSuite) [][]string {
	return [][]string{{"create", s.Create}, {"process", s.Process}, {"allow", strings.Join(s.Allow, ", ")}, {"deny", strings.Join(s.Deny, ", ")}}
}

// listed splits a list at its commas.
func listed(v string) []string {
	list := []string{}
	for _, one := range strings.Split(v, ",") {
		if one = strings.TrimSpace(one); one != "" {
			list = append(list, one)
		}
	}
	return list
}
