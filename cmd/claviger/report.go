package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"

	"github.com/urfave/cli/v2"
)

func reportCommand() *cli.Command {
	return &cli.Command{
		Name: "report", Usage: "make reports for auditors",
		Subcommands: []*cli.Command{{
			Name: "inventory", Usage: "list every object with its state, and what protects it",
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "format", Usage: "`FORMAT`: csv or json", Value: "csv"},
				&cli.StringSliceFlag{Name: "domain", Usage: "only this `DOMAIN`; may be given several times"},
				&cli.StringFlag{Name: "out", Usage: "`FILE` to write instead of standard output"},
			},
			Action: reportInventory,
		}},
	}
}

func reportInventory(c *cli.Context) error {
	format := c.String("format")
	if format != "csv" && format != "json" {
		return usagef("--format is %q; it is csv or json", format)
	}
	a, err := administer(c)
	if err != nil {
		return err
	}
	query := url.Values{"format": {format}}
	for _, d := range c.StringSlice("domain") {
		query.Add("domain", d)
	}
	resp, err := a.open(c.Context, http.MethodGet, "/reports/inventory", query, nil)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if c.String("out") == "" {
		return copyReport(c.App.Writer, resp.Body)
	}
	f, err := os.OpenFile(c.String("out"), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	if err := copyReport(f, resp.Body); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

func copyReport(to io.Writer, from io.Reader) error {
	if _, err := io.Copy(to, from); err != nil {
		return fmt.Errorf("the report is not complete: %w", err)
	}
	return nil
}
