package main

import (
	"github.com/urfave/cli/v2"

	"github.com/claviger/claviger/admin/api"
)

func domainCommand() *cli.Command {
	return &cli.Command{
		Name: "domain", Usage: "make and list domains (tenants)",
		Subcommands: []*cli.Command{
			{Name: "create", Usage: "make a domain", ArgsUsage: "NAME", Action: createDomain},
			{Name: "list", Usage: "list the domains", Action: listDomains},
		},
	}
}

func createDomain(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	var d api.Domain
	if err := a.post(c.Context, "/domains", nil, api.NewDomain{Name: c.Args().First()}, &d); err != nil {
		return err
	}
	if wantsJSON(c) {
		return printJSON(c, d)
	}
	return printLine(c, "domain %s created", d.Name)
}

func listDomains(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	var list api.Domains
	if err := a.get(c.Context, "/domains", nil, &list); err != nil {
		return err
	}
	var rows [][]string
	for _, d := range list.Domains {
		rows = append(rows, []string{d.Name, stamp(d.Created)})
	}
	return printTable(c, list, []string{"domain", "created"}, rows)
}
