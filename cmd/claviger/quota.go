package main

import (
	"net/url"
	"strconv"

	"github.com/urfave/cli/v2"

	"github.com/claviger/claviger/admin/api"
)

func domainQuotaCommand() *cli.Command {
	return &cli.Command{
		Name: "quota", Usage: "bound how many objects a domain may have", ArgsUsage: "NAME",
		Description: "Counts objects that are not destroyed. What is there already stays. Each node counts for\nitself and looks at the store every ten seconds, so that several nodes can exceed the bound\nby what they make in that time.",
		Flags:       []cli.Flag{&cli.StringFlag{Name: "objects", Usage: "`NUMBER` of objects, or none", Required: true}},
		Action:      setQuota,
	}
}

func setQuota(c *cli.Context) error {
	var q api.Quota
	if text := c.String("objects"); text != "none" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n <= 0 {
			return usagef("--objects is %q; it is a number of objects, or none", text)
		}
		q.Objects = n
	}
	a, err := administer(c)
	if err != nil {
		return err
	}
	name := c.Args().First()
	if err := a.post(c.Context, "/domains/"+url.PathEscape(name)+"/quota", nil, q, nil); err != nil {
		return err
	}
	return done(c, "domain %s: %s", name, quotaText(q))
}

func quotaText(q api.Quota) string {
	if q.Objects == 0 {
		return "any number of objects"
	}
	return "at most " + strconv.FormatInt(q.Objects, 10) + " objects"
}
