package main

import (
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/claviger/claviger/admin/api"
)

func statusCommand() *cli.Command {
	return &cli.Command{
		Name: "status", Usage: "show how a server is",
		Action: func(c *cli.Context) error {
			a, err := administer(c)
			if err != nil {
				return err
			}
			var s api.Status
			if err := a.get(c.Context, "/status", nil, &s); err != nil {
				return err
			}
			rows := [][]string{
				{"server", health(s.Healthy, "")},
				{"version", s.Version},
				{"node", s.Name + " " + s.Node},
				{"up", (time.Duration(s.Uptime) * time.Second).String()},
				{"store", s.Store.Kind + ", " + health(s.Store.Healthy, s.Store.Detail)},
			}
			if g := s.BreakGlass; g != nil {
				rows = append(rows, []string{"BREAK-GLASS", "OPEN: " + g.Administrator + " may do everything until " + stamp(g.Until)})
			}
			for _, t := range s.Root.Tokens {
				rows = append(rows, []string{"root of trust", fmt.Sprintf("%s %q, %s", t.Kind, tokenName(t), tokenState(t))})
			}
			if !s.Root.Healthy && s.Root.Serves {
				rows = append(rows, []string{"keys", "what is in use is served all the same"})
			}
			rows = append(rows, []string{"random numbers", s.Root.Random}, []string{"fips", fipsText(s.FIPS)}, []string{"KMIP connections", fmt.Sprint(s.Connections)})
			if row := expiryRow(s.Expiring, time.Now()); row != nil {
				rows = append(rows, row)
			}
			if s.Ending > 0 {
				rows = append(rows, []string{"keys", fmt.Sprintf("%d in use are about to be deactivated; see key ending", s.Ending)})
			}
			return printTable(c, s, []string{"part", "state"}, rows)
		},
	}
}

func health(ok bool, detail string) string {
	switch {
	case ok:
		return "healthy"
	case detail != "":
		return "not healthy: " + detail
	}
	return "not healthy"
}
