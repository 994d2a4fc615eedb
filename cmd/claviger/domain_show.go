package main

import (
	"fmt"
	"net/url"
	"strconv"

	"github.com/urfave/cli/v2"

	"github.com/claviger/claviger/admin/api"
)

func domainShowCommand() *cli.Command {
	return &cli.Command{Name: "show", Usage: "show a domain and the rules of its keys", ArgsUsage: "NAME", Action: showDomain}
}

// shownDomain is a domain with its rules.
type shownDomain struct {
	api.Domain
	Usage       api.Usage        `json:"usage"`
	Destruction api.Destructions `json:"destruction"`
	Suite       api.DomainSuite  `json:"suite"`
}

func showDomain(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	name := c.Args().First()
	var list api.Domains
	if err := a.get(c.Context, "/domains", nil, &list); err != nil {
		return err
	}
	var d shownDomain
	for _, one := range list.Domains {
		if one.Name == name {
			d.Domain = one
		}
	}
	if d.Name == "" {
		return fmt.Errorf("there is no domain %q", name)
	}
	if err := a.get(c.Context, "/domains/"+url.PathEscape(name)+"/destruction", nil, &d.Destruction); err != nil {
		return err
	}
	if err := a.get(c.Context, "/domains/"+url.PathEscape(name)+"/suite", nil, &d.Suite); err != nil {
		return err
	}
	if err := a.get(c.Context, "/domains/"+url.PathEscape(name)+"/usage", nil, &d.Usage); err != nil {
		return err
	}
	rows := [][]string{{"name", d.Name}, {"created", stamp(d.Created)}, {"quota", quotaText(d.Usage.Quota)}}
	for _, state := range sortedKeys(d.Usage.Objects) {
		rows = append(rows, []string{"objects " + state, strconv.FormatInt(d.Usage.Objects[state], 10)})
	}
	rows = append(rows, []string{"destruction", destructionText(d.Destruction.Domain)})
	for _, g := range d.Destruction.Groups {
		rows = append(rows, []string{"destruction in group " + g.Group, destructionText(g.Destruction)})
	}
	for _, r := range suiteRows(d.Suite) {
		rows = append(rows, []string{"suite: " + r[0], r[1]})
	}
	return printTable(c, d, []string{"property", "value"}, rows)
}
