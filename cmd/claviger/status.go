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
			root := s.Root.Kind
			if s.Root.Label != "" {
				root += fmt.Sprintf(" %q", s.Root.Label)
			}
			if s.Root.Kind != "software" && !s.Root.Hardware {
				root += " (does not declare itself hardware)"
			}
			return printTable(c, s, []string{"part", "state"}, [][]string{
				{"server", health(s.Healthy, "")},
				{"version", s.Version},
				{"node", s.Name + " " + s.Node},
				{"up", (time.Duration(s.Uptime) * time.Second).String()},
				{"store", s.Store.Kind + ", " + health(s.Store.Healthy, s.Store.Detail)},
				{"root of trust", root + ", " + health(s.Root.Healthy, s.Root.Detail)},
				{"KMIP connections", fmt.Sprint(s.Connections)},
			})
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
