package main

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/claviger/claviger/admin/api"
	"github.com/claviger/claviger/cmd/claviger/internal/config"
)

func breakGlassCommand() *cli.Command {
	return &cli.Command{
		Name: "break-glass", Usage: "get in when no administrator can: codes that several custodians hold",
		Subcommands: []*cli.Command{
			{
				Name: "setup", Usage: "make codes for custodians; older ones are void",
				Description: "Prints the codes, this once: give each to its custodian. The server keeps a hash.",
				Flags: []cli.Flag{
					&cli.IntFlag{Name: "shares", Usage: "`NUMBER` of custodians", Required: true},
					&cli.IntFlag{Name: "threshold", Usage: "`NUMBER` of them who open it together, at least 2", Required: true},
				},
				Action: setUpBreakGlass,
			},
			{
				Name: "open", Usage: "become an administrator with all roles for a while, by the codes of custodians",
				Description: "Needs no certificate. Asks for the codes at a terminal, else reads them from standard input, one a line.\n" +
					"Everybody will know: log, metrics, status and audit tell of it. The codes are used up.",
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "out", Usage: "`FOLDER` for certificate, key and context; made when it is not there", Required: true},
					&cli.IntFlag{Name: "hours", Usage: "`NUMBER` of hours until it ends by itself, 24 at most", Value: 4},
					&cli.StringSliceFlag{Name: "code-file", Usage: "`FILE` with a code; repeat it"},
					&cli.StringFlag{Name: "server", Usage: "`ADDR` of the server, when there is no context"},
					&cli.StringFlag{Name: "ca", Usage: "`FILE` with the certificate of its authority"},
				},
				Action: openBreakGlass,
			},
			{Name: "close", Usage: "end it before its time", Action: closeBreakGlass},
			{Name: "status", Usage: "show whether it is open, and whether there are codes", Action: breakGlassStatus},
		},
	}
}

func setUpBreakGlass(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	var made api.Codes
	if err := a.post(c.Context, "/break-glass/setup", nil, api.NewBreakGlass{Shares: c.Int("shares"), Threshold: c.Int("threshold")}, &made); err != nil {
		return err
	}
	if wantsJSON(c) {
		return printJSON(c, made)
	}
	for _, code := range made.Codes {
		if err := printLine(c, "%s", code); err != nil {
			return err
		}
	}
	note(c, "give each code to its custodian, and keep none: %d of %d open break-glass, once", made.Threshold, len(made.Codes))
	return nil
}

// withoutCertificate reaches a server for those who have none.
func withoutCertificate(c *cli.Context) (*administration, error) {
	conf := serverContext{Address: "https://" + strings.TrimPrefix(c.String("server"), "https://"), CA: c.String("ca")}
	switch {
	case c.String("server") != "" && conf.CA != "":
	case c.String("server") != "" || conf.CA != "":
		return nil, usagef("--server and --ca belong together")
	case c.String("context") == "":
		return nil, usagef("which server? Give --server ADDR --ca FILE, or --context FILE")
	default:
		var err error
		if conf, err = readContext(c.String("context")); err != nil {
			return nil, err
		}
	}
	pool, err := authorities(conf.CA)
	if err != nil {
		return nil, err
	}
	return &administration{conf: conf, http: over(&tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool})}, nil
}

func openBreakGlass(c *cli.Context) error {
	if h := c.Int("hours"); h < 1 || h > 24 {
		return usagef("--hours is %d; it is 1 to 24", h)
	}
	a, err := withoutCertificate(c)
	if err != nil {
		return err
	}
	dir := c.String("out")
	if err := prepareContext(dir); err != nil {
		return err
	}
	codes, err := readCodes(c)
	if err != nil {
		return err
	}
	var made api.IssuedAdministrator
	if err := a.post(c.Context, "/break-glass/open", nil, api.GivenCodes{Codes: codes, Hours: c.Int("hours")}, &made); err != nil {
		return err
	}
	if err := a.writeAdministrator(dir, made); err != nil {
		return fmt.Errorf("break-glass is open, but its certificate is lost: %w; other codes are needed", err)
	}
	return done(c, "break-glass is open: %s may do everything until %s; the context is in %s. The codes are used up: set up new ones, and close it when you are done",
		made.Administrator.Name, stamp(made.Administrator.NotAfter), dir)
}

// readCodes takes codes from files, from a terminal without showing them, or from
// standard input.
func readCodes(c *cli.Context) ([]string, error) {
	var codes []string
	for _, file := range c.StringSlice("code-file") {
		value, err := (config.Secret{File: file}).Read()
		if err != nil {
			return nil, err
		}
		codes = append(codes, string(value.Reveal()))
		value.Destroy()
	}
	if len(codes) > 0 {
		return codes, nil
	}
	if fd, ok := terminal(c.App.Reader); ok {
		for {
			fmt.Fprintf(c.App.ErrWriter, "code %d (empty when there are no more): ", len(codes)+1)
			b, err := term.ReadPassword(fd)
			fmt.Fprintln(c.App.ErrWriter)
			if err != nil {
				return nil, err
			}
			if len(b) == 0 {
				return codes, noCodes(codes)
			}
			codes = append(codes, string(b))
			clear(b)
		}
	}
	lines := bufio.NewScanner(c.App.Reader)
	for lines.Scan() {
		if text := strings.TrimSpace(lines.Text()); text != "" {
			codes = append(codes, text)
		}
	}
	return codes, errors.Join(lines.Err(), noCodes(codes))
}

func noCodes(codes []string) error {
	if len(codes) == 0 {
		return errors.New("no code was given")
	}
	return nil
}

func closeBreakGlass(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	if err := a.post(c.Context, "/break-glass/close", nil, nil, nil); err != nil {
		return err
	}
	return done(c, "break-glass is closed")
}

func breakGlassStatus(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	var g api.BreakGlass
	if err := a.get(c.Context, "/break-glass", nil, &g); err != nil {
		return err
	}
	state, codes := "closed", "none; claviger break-glass setup makes some"
	if g.Open != nil {
		state = "OPEN: " + g.Open.Administrator + " since " + stamp(g.Open.Opened) + ", until " + stamp(g.Open.Until)
	}
	if g.Ready {
		codes = fmt.Sprintf("%d of %d custodians open it, since %s", g.Threshold, g.Shares, stampOf(g.Made))
	}
	return printTable(c, g, []string{"break-glass", state}, [][]string{{"codes", codes}})
}
