package main

import (
	"net/url"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/claviger/claviger/admin/api"
	"github.com/claviger/claviger/store/audit"
)

func auditCommand() *cli.Command {
	return &cli.Command{
		Name: "audit", Usage: "read the audit",
		Subcommands: []*cli.Command{{
			Name: "list", Usage: "list entries, newest first",
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "domain", Usage: "only of this `DOMAIN`"},
				&cli.StringFlag{Name: "uid", Usage: "only about the object with this `UID`"},
				&cli.StringFlag{Name: "actor", Usage: "only of this `ACTOR`, such as client:demo or admin:root"},
				&cli.StringFlag{Name: "operation", Usage: "only this `OPERATION`, such as Get or domain.create"},
				&cli.StringFlag{Name: "from", Usage: "not before this `TIME`, such as 2026-01-31 or 2026-01-31T12:00:00Z"},
				&cli.StringFlag{Name: "to", Usage: "not after this `TIME`"},
				&cli.IntFlag{Name: "limit", Usage: "at most `N`; 0 lists all", Value: 100},
			},
			Action: listAudit,
		}},
	}
}

func listAudit(c *cli.Context) error {
	query := url.Values{}
	for _, name := range []string{"domain", "uid", "actor", "operation"} {
		if v := c.String(name); v != "" {
			query.Set(name, v)
		}
	}
	for _, name := range []string{"from", "to"} {
		if v := c.String(name); v != "" {
			t, err := parseTime(v)
			if err != nil {
				return usagef("--%s is %q; a time is 2026-01-31 or 2026-01-31T12:00:00Z", name, v)
			}
			query.Set(name, t.Format(time.RFC3339Nano))
		}
	}
	limit := c.Int("limit")
	if limit < 0 {
		return usagef("--limit is not negative")
	}
	a, err := administer(c)
	if err != nil {
		return err
	}
	all := api.Audit{Entries: []audit.Entry{}}
	for {
		query.Set("limit", strconv.Itoa(page(limit, len(all.Entries))))
		var list api.Audit
		if err := a.get(c.Context, "/audit", query, &list); err != nil {
			return err
		}
		all.Entries, all.Next = append(all.Entries, list.Entries...), list.Next
		if list.Next == 0 || limit > 0 && len(all.Entries) >= limit {
			break
		}
		query.Set("before", strconv.FormatInt(list.Next, 10))
	}
	var rows [][]string
	for _, e := range all.Entries {
		outcome := e.Outcome
		if e.Reason != "" {
			outcome += ": " + e.Reason
		}
		rows = append(rows, []string{
			strconv.FormatInt(e.Sequence, 10), stamp(e.Time), e.Domain, e.Actor, e.Source, e.Door, e.Operation, e.UID, outcome, e.Detail,
		})
	}
	return printTable(c, all, []string{"number", "time", "domain", "actor", "source", "door", "operation", "object", "outcome", "detail"}, rows)
}

func parseTime(s string) (time.Time, error) {
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		return t, nil
	}
	return time.Parse(time.RFC3339, s)
}
