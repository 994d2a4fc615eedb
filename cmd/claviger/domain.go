package main

import (
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/claviger/claviger/admin/api"
)

func domainCommand() *cli.Command {
	return &cli.Command{
		Name: "domain", Usage: "make and list domains (tenants)",
		Subcommands: []*cli.Command{
			{Name: "create", Usage: "make a domain", ArgsUsage: "NAME", Flags: []cli.Flag{
				modeFlag("as configured"),
				&cli.StringFlag{Name: "protection", Usage: "`STORAGE` of its keys: hardware makes them live in a token, whatever clients ask for; software leaves that to clients", Value: "software"},
			}, Action: createDomain},
			{
				Name: "protect", Usage: "make new keys of a domain live in tokens (hardware), or leave that to clients (software)", ArgsUsage: "NAME STORAGE",
				Action: protectDomain,
			},
			{Name: "list", Usage: "list the domains", Action: listDomains},
			{
				Name: "rotate-key", Usage: "make a new generation of a domain's key and move everything under it", ArgsUsage: "NAME",
				Description: "Clients notice nothing. The domain \"system\" is the installation's own.",
				Flags:       []cli.Flag{modeFlag("as before"), &cli.BoolFlag{Name: "detach", Usage: "do not wait for the end of the job"}},
				Action:      rotateDomain,
			},
			domainShowCommand(), domainQuotaCommand(), destructionCommand(), domainSuiteCommand(),
			{Name: "generations", Usage: "list the generations of a domain's key", ArgsUsage: "NAME", Action: listGenerations},
		},
	}
}

func modeFlag(otherwise string) cli.Flag {
	return &cli.StringFlag{Name: "mode", Usage: "`MODE` of the domain's key: envelope or direct; " + otherwise + " when not given"}
}

// oneOf refuses what is none of the words that there are; nothing is given when
// it is empty.
func oneOf(what, given string, words ...string) error {
	if given == "" || slices.Contains(words, given) {
		return nil
	}
	return usagef("%s is %q; it is %s", what, given, strings.Join(words, " or "))
}

func checkModeFlag(c *cli.Context) error {
	return oneOf("--mode", c.String("mode"), "envelope", "direct")
}

func createDomain(c *cli.Context) error {
	if err := errors.Join(checkModeFlag(c), oneOf("--protection", c.String("protection"), "software", "hardware")); err != nil {
		return err
	}
	a, err := administer(c)
	if err != nil {
		return err
	}
	var d api.Domain
	if err := a.post(c.Context, "/domains", nil, api.NewDomain{Name: c.Args().First(), Mode: c.String("mode"), Protection: c.String("protection")}, &d); err != nil {
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

func protectDomain(c *cli.Context) error {
	name, storage := c.Args().Get(0), c.Args().Get(1)
	if err := oneOf("STORAGE", storage, "software", "hardware"); err != nil {
		return err
	}
	a, err := administer(c)
	if err != nil {
		return err
	}
	if err := a.post(c.Context, "/domains/"+url.PathEscape(name)+"/protect", nil, map[string]string{"protection": storage}, nil); err != nil {
		return err
	}
	return printLine(c, "new keys of domain %s: %s", name, storage)
}

func rotateDomain(c *cli.Context) error {
	if err := checkModeFlag(c); err != nil {
		return err
	}
	a, err := administer(c)
	if err != nil {
		return err
	}
	in := map[string]string{}
	if mode := c.String("mode"); mode != "" {
		in["mode"] = mode
	}
	var j api.Job
	if err := a.post(c.Context, "/domains/"+url.PathEscape(c.Args().First())+"/rotate-key", nil, in, &j); err != nil {
		return err
	}
	return followJob(c, a, j, c.Bool("detach"))
}

func listGenerations(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	var list api.Generations
	if err := a.get(c.Context, "/domains/"+url.PathEscape(c.Args().First())+"/generations", nil, &list); err != nil {
		return err
	}
	var rows [][]string
	for _, g := range list.Generations {
		rows = append(rows, []string{strconv.Itoa(int(g.Number)), g.Mode, g.State, strings.Join(g.Tokens, ", ")})
	}
	return printTable(c, list, []string{"generation", "mode", "state", "held by token"}, rows)
}
