package main

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/claviger/claviger/admin/api"
)

func jobCommand() *cli.Command {
	return &cli.Command{
		Name: "job", Usage: "see and control work on the key hierarchy",
		Subcommands: []*cli.Command{
			{Name: "list", Usage: "list the jobs", Action: listJobs},
			{Name: "show", Usage: "show a job", ArgsUsage: "ID", Action: onJob("")},
			{Name: "pause", Usage: "pause a job", ArgsUsage: "ID", Action: onJob("pause")},
			{Name: "resume", Usage: "let a job go on that was paused or has failed", ArgsUsage: "ID", Action: onJob("resume")},
			{Name: "wait", Usage: "wait for the end of a job, with its progress", ArgsUsage: "ID", Action: waitJob},
		},
	}
}

func listJobs(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	var list api.Jobs
	if err := a.get(c.Context, "/jobs", nil, &list); err != nil {
		return err
	}
	return printJobs(c, list, list.Jobs)
}

func printJobs(c *cli.Context, v any, list []api.Job) error {
	var rows [][]string
	for _, j := range list {
		rows = append(rows, []string{j.ID, j.Kind, j.Domain + j.Token, j.State, fmt.Sprintf("%d of %d", j.Done, j.Total), stamp(j.Started), stampOf(j.Ended), j.Detail})
	}
	return printTable(c, v, []string{"job", "kind", "of", "state", "done", "started", "ended", "detail"}, rows)
}

func onJob(verb string) cli.ActionFunc {
	return func(c *cli.Context) error {
		a, err := administer(c)
		if err != nil {
			return err
		}
		var j api.Job
		path := "/jobs/" + url.PathEscape(c.Args().First())
		if verb == "" {
			err = a.get(c.Context, path, nil, &j)
		} else {
			err = a.post(c.Context, path+"/"+verb, nil, nil, &j)
		}
		if err != nil {
			return err
		}
		return printJobs(c, j, []api.Job{j})
	}
}

func waitJob(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	var j api.Job
	if err := a.get(c.Context, "/jobs/"+url.PathEscape(c.Args().First()), nil, &j); err != nil {
		return err
	}
	return followJob(c, a, j, false)
}

// followInterval is how often a job that is waited for is looked at.
const followInterval = 500 * time.Millisecond

// followJob waits for the end of a job and shows its progress to people.
func followJob(c *cli.Context, a *administration, j api.Job, detach bool) error {
	if detach {
		if wantsJSON(c) {
			return printJSON(c, j)
		}
		return printLine(c, "job %s has begun; claviger job wait %s", j.ID, j.ID)
	}
	shown, ctx := "", c.Context
	for j.State == "running" {
		if now := fmt.Sprintf("%s: %d of %d", j.Kind, j.Done, j.Total); now != shown && j.Total > 0 {
			note(c, "%s", now)
			shown = now
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w; the job goes on: claviger job wait %s", context.Cause(ctx), j.ID)
		case <-time.After(followInterval):
		}
		if err := a.get(ctx, "/jobs/"+j.ID, nil, &j); err != nil {
			return fmt.Errorf("job %s: %w; it goes on: claviger job wait %s", j.ID, err, j.ID)
		}
	}
	switch {
	case j.State == "failed":
		return fmt.Errorf("job %s has failed: %s; put it right, then: claviger job resume %s", j.ID, j.Detail, j.ID)
	case j.State == "paused":
		return fmt.Errorf("job %s is paused; claviger job resume %s", j.ID, j.ID)
	case j.Left > 0:
		return fmt.Errorf("job %s is done, not whole. %s", j.ID, j.Detail)
	case wantsJSON(c):
		return printJSON(c, j)
	}
	return printLine(c, "job %s is done: %d moved", j.ID, j.Done)
}
