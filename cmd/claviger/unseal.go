package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/claviger/claviger/admin/ops"
)

func unsealCommand() *cli.Command {
	return &cli.Command{
		Name: "unseal", Usage: "give a sealed server the share, passphrase or PIN that it waits for",
		Description: "The value is asked for at the terminal, or read from a file or the standard input, never\n" +
			"from the command line. Without anything that is waited for, the server tries again, once:\n" +
			"for instance after a refused PIN has been put right.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "file", Usage: "`FILE` with the value; - is the standard input"},
			&cli.StringFlag{Name: "token", Usage: "`NAME` of the token that the value is for, when several wait"},
			&cli.BoolFlag{Name: "status", Usage: "only show what the server waits for"},
		},
		Action: unseal,
	}
}

func unseal(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	var state ops.SealState
	if err := a.get(c.Context, "/unseal", nil, &state); err != nil {
		return err
	}
	if c.Bool("status") || !state.Sealed && len(state.Wants) == 0 && !c.IsSet("file") {
		return printSealState(c, state)
	}
	value, err := givenValue(c, state)
	if err != nil {
		return err
	}
	defer clear(value)
	in := struct {
		Token string `json:"token,omitempty"`
		Value string `json:"value,omitempty"`
	}{c.String("token"), string(value)}
	var after ops.SealState // a value of its own: what is left out of the answer is no more
	if err := a.post(c.Context, "/unseal", nil, in, &after); err != nil {
		return err
	}
	return printSealState(c, after)
}

// givenValue reads the value; none when nothing is waited for.
func givenValue(c *cli.Context, state ops.SealState) ([]byte, error) {
	switch file := c.String("file"); {
	case file == "-":
		b, err := io.ReadAll(bufio.NewReader(io.LimitReader(c.App.Reader, 16<<10)))
		return bytes.TrimSpace(b), err
	case file != "":
		b, err := os.ReadFile(file)
		return bytes.TrimSpace(b), err
	case len(state.Wants) == 0:
		return nil, nil
	}
	fd, ok := terminal(c.App.Reader)
	if !ok {
		return nil, errors.New("the value is not read from what is no terminal; give --file, - for the standard input")
	}
	w := state.Wants[0]
	fmt.Fprintf(c.App.ErrWriter, "%s for %s: ", w.What, w.Token)
	value, err := term.ReadPassword(fd)
	fmt.Fprintln(c.App.ErrWriter)
	return bytes.TrimSpace(value), err
}

func printSealState(c *cli.Context, s ops.SealState) error {
	if wantsJSON(c) {
		return printJSON(c, s)
	}
	state := "unsealed"
	if s.Sealed {
		state = "sealed: " + s.Reason
	}
	if err := printLine(c, "%s", printable(state)); err != nil {
		return err
	}
	var waits []string
	for _, w := range s.Wants {
		waits = append(waits, fmt.Sprintf("%s for %s (%d of %d given)", w.What, w.Token, w.Given, w.Needed))
	}
	if len(waits) > 0 {
		return printLine(c, "waits for: %s", printable(strings.Join(waits, "; ")))
	}
	return nil
}
