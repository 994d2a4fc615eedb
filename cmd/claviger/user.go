package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"os"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/claviger/claviger/admin/api"
)

func userCommand() *cli.Command {
	return &cli.Command{
		Name: "user", Usage: "make, list and disable KMIP users with passwords",
		Subcommands: []*cli.Command{
			grantCommand("user"),
			{
				Name: "create", Usage: "make a user", ArgsUsage: "NAME",
				Flags: []cli.Flag{
					domainFlag(),
					&cli.StringFlag{Name: "role", Usage: "`ROLE` of the user: full or user-admin; full, or none until a security officer grants one, when not given"},
					passwordFlag(),
				},
				Action: createUser,
			},
			{
				Name: "list", Usage: "list users that administrators made",
				Flags:  []cli.Flag{&cli.StringFlag{Name: "domain", Usage: "only of this `DOMAIN`"}},
				Action: listUsers,
			},
			{Name: "disable", Usage: "end the access of a user at once", ArgsUsage: "NAME", Flags: []cli.Flag{domainFlag()}, Action: onUser("disable", "disabled")},
			{Name: "enable", Usage: "give a user its access back", ArgsUsage: "NAME", Flags: []cli.Flag{domainFlag()}, Action: onUser("enable", "enabled")},
			{Name: "password", Usage: "give a user another password", ArgsUsage: "NAME", Flags: []cli.Flag{domainFlag(), passwordFlag()}, Action: setPassword},
		},
	}
}

func passwordFlag() cli.Flag {
	return &cli.StringFlag{Name: "password-file", Usage: "`FILE` with the password; without it a terminal is asked"}
}

func listUsers(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	var list api.Users
	if err := a.get(c.Context, "/users", ofDomain(c), &list); err != nil {
		return err
	}
	var rows [][]string
	for _, u := range list.Users {
		state := "enabled"
		if u.Disabled != nil {
			state = "disabled"
		}
		rows = append(rows, []string{u.Domain, u.Name, u.Role, state, stamp(u.Created), stampOf(u.Disabled)})
	}
	return printTable(c, list, []string{"domain", "user", "role", "state", "created", "disabled"}, rows)
}

// onUser does something to a user that needs nothing but its name.
func onUser(what, is string) cli.ActionFunc {
	return func(c *cli.Context) error {
		a, err := administer(c)
		if err != nil {
			return err
		}
		if err := a.post(c.Context, memberPath(c, "users", "/"+what), nil, nil, nil); err != nil {
			return err
		}
		return done(c, "user %s of domain %s is %s", c.Args().First(), c.String("domain"), is)
	}
}

func setPassword(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	password, err := readPassword(c)
	if err != nil {
		return err
	}
	defer clear(password)
	if err := a.post(c.Context, memberPath(c, "users", "/password"), nil, map[string]string{"password": string(password)}, nil); err != nil {
		return err
	}
	return done(c, "user %s of domain %s has another password", c.Args().First(), c.String("domain"))
}

func createUser(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	password, err := readPassword(c)
	if err != nil {
		return err
	}
	defer clear(password)
	var u api.User
	err = a.post(c.Context, "/users", url.Values{"domain": {c.String("domain")}},
		api.NewUser{Name: c.Args().First(), Role: c.String("role"), Password: string(password)}, &u)
	if err != nil {
		return err
	}
	if wantsJSON(c) {
		return printJSON(c, u)
	}
	tellRole(c, "user", u.Name, u.Domain, u.Role)
	return printLine(c, "user %s of domain %s created", u.Name, u.Domain)
}

// readPassword reads the file, without the line break at its end, or asks.
func readPassword(c *cli.Context) ([]byte, error) {
	if path := c.String("password-file"); path != "" {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("--password-file: %w", err)
		}
		b = bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
		if len(b) == 0 {
			return nil, fmt.Errorf("--password-file: %s is empty", path)
		}
		return b, nil
	}
	fd, ok := terminal(c.App.Reader)
	if !ok {
		return nil, usagef("no terminal to ask for the password; give --password-file FILE")
	}
	var answers [2][]byte
	for n, prompt := range []string{"Password: ", "Once more: "} {
		_, _ = fmt.Fprint(c.App.ErrWriter, prompt)
		b, err := term.ReadPassword(fd)
		_, _ = fmt.Fprintln(c.App.ErrWriter)
		if err != nil {
			return nil, fmt.Errorf("password: %w", err)
		}
		answers[n] = b
	}
	defer clear(answers[1])
	if len(answers[0]) == 0 || !bytes.Equal(answers[0], answers[1]) {
		clear(answers[0])
		return nil, errors.New("the password is empty, or was not the same twice; nothing was changed")
	}
	return answers[0], nil
}
