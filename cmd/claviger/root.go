package main

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/urfave/cli/v2"

	"github.com/claviger/claviger/admin/api"
)

func rootCommand() *cli.Command {
	detach := &cli.BoolFlag{Name: "detach", Usage: "do not wait for the end of the job"}
	return &cli.Command{
		Name: "root", Usage: "see and change what protects everything: tokens and their root keys",
		Subcommands: []*cli.Command{
			{Name: "list", Usage: "list the tokens of the server with their root keys", Action: listRoot},
			{
				Name: "enroll", Usage: "wrap all domain keys for a token that is in the configuration", ArgsUsage: "TOKEN",
				Flags: []cli.Flag{detach}, Action: tokenJob("/root/enroll"),
			},
			{
				Name: "rotate", Usage: "make new root keys in a token and wrap the domain keys by them", ArgsUsage: "TOKEN",
				Description: "The old root keys stay in the token, because older backups of the database need them;\n" +
					"remove-key destroys them when no such backup is wanted any more.",
				Flags: []cli.Flag{detach}, Action: tokenJob("/root/rotate"),
			},
			{
				Name: "move", Usage: "move from one token to another: enroll, verify, retire; to be undone until it is committed", ArgsUsage: "FROM TO",
				Description: "  root move FROM TO            wraps and verifies all domain keys for TO, takes FROM out of use\n" +
					"  root move --undo FROM TO     takes FROM back into use\n" +
					"  root move --commit FROM TO   removes the domain keys for FROM, for ever",
				Flags: []cli.Flag{
					&cli.BoolFlag{Name: "undo", Usage: "take FROM back into use"},
					&cli.BoolFlag{Name: "commit", Usage: "remove the domain keys for FROM, for ever"},
				},
				Action: moveRoot,
			},
			{Name: "retire", Usage: "take a token out of use; its domain keys stay", ArgsUsage: "TOKEN", Action: onToken("/root/retire", "token %s is out of use; root reinstate takes it back, root forget removes its domain keys")},
			{Name: "reinstate", Usage: "take a retired token back into use", ArgsUsage: "TOKEN", Action: onToken("/root/reinstate", "token %s is in use again")},
			{Name: "forget", Usage: "remove the domain keys of a retired token, for ever", ArgsUsage: "TOKEN", Action: onToken("/root/forget", "token %s holds no domain keys any more; it may leave the configuration")},
			{Name: "remove-key", Usage: "destroy an unused root key in a token, for ever", ArgsUsage: "TOKEN KEY", Action: removeRootKey},
			protectCommand(),
			{Name: "retry", Usage: "log in once more after a refused PIN has been put right", Action: retryTokens},
		},
	}
}

func listRoot(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	var r api.Roots
	if err := a.get(c.Context, "/root", nil, &r); err != nil {
		return err
	}
	var rows [][]string
	for _, t := range r.Tokens {
		enrolled := "no"
		switch {
		case t.Retired:
			enrolled = "retired"
		case t.Enrolled && t.Missing > 0:
			enrolled = fmt.Sprintf("%d missing", t.Missing)
		case t.Enrolled:
			enrolled = "yes"
		}
		rows = append(rows, []string{tokenName(t.Token), t.Serial, "token", enrolled, strconv.Itoa(t.Copies), tokenState(t.Token)})
		for _, k := range t.Keys {
			state := k.State
			if k.Unfit != "" {
				state += "; UNFIT: " + k.Unfit
			}
			rows = append(rows, []string{"  " + k.Purpose, k.ID, "root key", "", strconv.Itoa(k.Copies), state})
		}
	}
	return printTable(c, r, []string{"name", "identifier", "what", "enrolled", "domain keys", "state"}, rows)
}

func tokenName(t api.Token) string {
	if t.Label != "" {
		return t.Label
	}
	return t.Serial
}

// tokenState is how a token is, in words.
func tokenState(t api.Token) string {
	state := health(t.Healthy, t.Detail)
	switch {
	case t.Kind == "software":
		state += ", software"
	case t.Vouched:
		state += ", hardware by the word of the operator"
	case t.Kind != "" && !t.Hardware:
		state += ", does not declare itself hardware"
	case t.Hardware:
		state += ", declares itself hardware"
	}
	if t.UnfitKeys {
		state += ", UNFIT ROOT KEYS ACCEPTED"
	}
	if t.Protected != "" {
		state += ", protected by " + t.Protected
	}
	return state
}

// tokenJob begins a job on a token and waits for its end.
func tokenJob(path string) cli.ActionFunc {
	return func(c *cli.Context) error {
		a, err := administer(c)
		if err != nil {
			return err
		}
		var j api.Job
		if err := a.post(c.Context, path, nil, map[string]string{"token": c.Args().First()}, &j); err != nil {
			return err
		}
		return followJob(c, a, j, c.Bool("detach"))
	}
}

func onToken(path, done string) cli.ActionFunc {
	return func(c *cli.Context) error {
		a, err := administer(c)
		if err != nil {
			return err
		}
		token := c.Args().First()
		if err := a.post(c.Context, path, nil, map[string]string{"token": token}, nil); err != nil {
			return err
		}
		return printLine(c, done, token)
	}
}

func moveRoot(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	from, to := c.Args().Get(0), c.Args().Get(1)
	post := func(path, token string) error {
		return a.post(c.Context, path, nil, map[string]string{"token": token}, nil)
	}
	switch {
	case c.Bool("undo") && c.Bool("commit"):
		return usagef("--undo and --commit exclude each other")
	case c.Bool("undo"):
		if err := post("/root/reinstate", from); err != nil {
			return err
		}
		return printLine(c, "token %s is in use again, beside %s", from, to)
	case c.Bool("commit"):
		if err := post("/root/forget", from); err != nil {
			return err
		}
		return printLine(c, "token %s holds no domain keys any more; take it out of the configuration", from)
	}
	var roots api.Roots
	if err := a.get(c.Context, "/root", nil, &roots); err != nil {
		return err
	}
	if !slices.ContainsFunc(roots.Tokens, func(t api.RootToken) bool { return t.Enrolled && (t.Label == from || t.Serial == from) }) {
		return fmt.Errorf("token %s is not enrolled on this server; see claviger root list", from)
	}
	var j api.Job
	if err := a.post(c.Context, "/root/enroll", nil, map[string]string{"token": to}, &j); err != nil {
		return err
	}
	if err := followJob(c, a, j, false); err != nil {
		return err
	}
	if err := post("/root/retire", from); err != nil {
		return err
	}
	return printLine(c, "moved from %s to %s: every domain key was opened in %s and compared\nundo:   claviger root move --undo %s %s\ncommit: claviger root move --commit %s %s",
		from, to, to, from, to, from, to)
}

func removeRootKey(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	token, key := c.Args().Get(0), c.Args().Get(1)
	if err := a.post(c.Context, "/root/remove-key", nil, map[string]string{"token": token, "key": key}, nil); err != nil {
		return err
	}
	return printLine(c, "root key %s of token %s is destroyed", key, token)
}

func retryTokens(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	if err := a.post(c.Context, "/root/retry", nil, nil, nil); err != nil {
		return err
	}
	return listRoot(c)
}
