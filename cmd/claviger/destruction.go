package main

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/claviger/claviger/admin/api"
)

func destructionCommand() *cli.Command {
	return &cli.Command{
		Name: "destruction", Usage: "say what Destroy does to material in a domain: remove it at once, or keep it for some days", ArgsUsage: "NAME",
		Description: "Without a flag it shows the rules. With purge protection the period can only be lengthened, by nobody be shortened or switched off.",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "days", Usage: "keep material, out of reach, for `N` days (1 to 365)"},
			&cli.BoolFlag{Name: "immediate", Usage: "remove material at once"},
			&cli.BoolFlag{Name: "purge-protection", Usage: "from now on the period can only be lengthened; this cannot be taken back"},
			&cli.BoolFlag{Name: "allow-now", Usage: "let administrators destroy without waiting (key destroy --now)"},
			&cli.StringFlag{Name: "group", Usage: "only for objects of this Object `GROUP`"},
			&cli.BoolFlag{Name: "remove", Usage: "take the rule of the group away"},
		},
		Action: setDestruction,
	}
}

func setDestruction(c *cli.Context) error {
	path := "/domains/" + url.PathEscape(c.Args().First()) + "/destruction"
	days, immediate, group := c.Int("days"), c.Bool("immediate"), c.String("group")
	switch {
	case c.IsSet("days") && immediate, c.Bool("remove") && (c.IsSet("days") || immediate):
		return usagef("give one of --days, --immediate and --remove")
	case c.Bool("remove") && group == "":
		return usagef("--remove is about a group; give --group")
	case c.IsSet("days") && days < 1:
		return usagef("--days is 1 to 365; to remove material at once, give --immediate")
	case !c.IsSet("days") && (c.Bool("purge-protection") || c.Bool("allow-now")):
		return usagef("give --days")
	}
	a, err := administer(c)
	if err != nil {
		return err
	}
	switch {
	case c.Bool("remove"):
		if err := a.post(c.Context, path+"/remove", nil, map[string]string{"group": group}, nil); err != nil {
			return err
		}
	case c.IsSet("days") || immediate:
		in := map[string]any{"days": days, "purge_protection": c.Bool("purge-protection"), "allow_now": c.Bool("allow-now")}
		if group != "" {
			in["group"] = group
		}
		if err := a.post(c.Context, path, nil, in, nil); err != nil {
			return err
		}
	}
	var rules api.Destructions
	if err := a.get(c.Context, path, nil, &rules); err != nil {
		return err
	}
	rows := [][]string{{"(all)", destructionText(rules.Domain)}}
	for _, g := range rules.Groups {
		rows = append(rows, []string{g.Group, destructionText(g.Destruction)})
	}
	return printTable(c, rules, []string{"group", "destruction"}, rows)
}

func destructionText(d api.Destruction) string {
	text := "immediate"
	if d.Days > 0 {
		text = fmt.Sprintf("after %d days", d.Days)
	}
	if d.Protection {
		text += ", purge protection"
	}
	if d.AllowNow && d.Days > 0 {
		text += ", administrators need not wait"
	}
	return text
}

func keyRestoreCommand() *cli.Command {
	return &cli.Command{
		Name: "restore", Usage: "bring back an object whose destruction is pending", ArgsUsage: "UID",
		Flags:  []cli.Flag{domainFlag(), &cli.BoolFlag{Name: "without-names", Usage: "leave its Names to whoever has them now"}},
		Action: restoreKey,
	}
}

func restoreKey(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	if err := a.post(c.Context, keyPath(c)+"/restore", nil, map[string]bool{"without_names": c.Bool("without-names")}, nil); err != nil {
		return err
	}
	return done(c, "object %s restored", c.Args().First())
}

func keyPendingCommand() *cli.Command {
	return &cli.Command{
		Name: "pending", Usage: "list the destructions whose waiting period is not over",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "domain", Usage: "only in this `DOMAIN`"},
			&cli.IntFlag{Name: "limit", Usage: "at most `N`; 0 lists all", Value: 100},
		},
		Action: listPending,
	}
}

func listPending(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	all := api.PendingList{Pending: []api.Pending{}}
	all.Next, err = pages(c, a, "/pending-destructions", ofDomain(c), func(list api.PendingList) (int, string) {
		all.Pending = append(all.Pending, list.Pending...)
		return len(all.Pending), list.Next
	})
	if err != nil {
		return err
	}
	var rows [][]string
	for _, p := range all.Pending {
		protected := "no"
		if p.Protection {
			protected = "yes"
		}
		rows = append(rows, []string{p.Domain, p.UID, strings.Join(p.Names, ", "), p.Type, p.State, stamp(p.Asked), p.By, stamp(p.Due), protected})
	}
	return printTable(c, all, []string{"domain", "uid", "names", "type", "was", "asked", "by", "due", "purge protection"}, rows)
}
