package main

import (
	"bufio"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/claviger/claviger/admin/api"
)

// pageSize is how many records are asked for at once.
const pageSize = 1000

func keyCommand() *cli.Command {
	return &cli.Command{
		Name: "key", Usage: "list, show, revoke and destroy managed objects; never their values",
		Subcommands: []*cli.Command{
			{
				Name: "list", Usage: "list the objects of a domain, newest first",
				Flags: []cli.Flag{
					domainFlag(),
					&cli.StringFlag{Name: "name", Usage: "only objects with this `NAME`"},
					&cli.IntFlag{Name: "limit", Usage: "at most `N`; 0 lists all", Value: 100},
				},
				Action: listKeys,
			},
			{Name: "show", Usage: "show an object with its attributes", ArgsUsage: "UID", Flags: []cli.Flag{domainFlag()}, Action: showKey},
			{
				Name: "revoke", Usage: "deactivate an object, or declare it compromised", ArgsUsage: "UID",
				Flags: []cli.Flag{
					domainFlag(),
					&cli.StringFlag{Name: "reason", Usage: "`CODE`, such as KeyCompromise, Superseded or CessationOfOperation", Value: "Unspecified"},
					&cli.StringFlag{Name: "message", Usage: "`TEXT` for those who look later"},
					inUseFlag(),
				},
				Action: revokeKey,
			},
			{
				Name: "destroy", Usage: "destroy the value of an object for ever", ArgsUsage: "UID",
				Flags: []cli.Flag{
					domainFlag(),
					&cli.BoolFlag{Name: "yes", Usage: "do not ask"},
					&cli.BoolFlag{Name: "now", Usage: "without the waiting period of the domain, also of what is pending; only where its rules allow it"},
					inUseFlag(),
				},
				Action: destroyKey,
			},
			keyRestoreCommand(), keyPendingCommand(), keyEndingCommand(),
		},
	}
}

func inUseFlag() cli.Flag {
	return &cli.BoolFlag{Name: "even-if-in-use", Usage: "also if its key policy says that it is in use"}
}

func keyPath(c *cli.Context) string {
	return "/domains/" + url.PathEscape(c.String("domain")) + "/keys/" + url.PathEscape(c.Args().First())
}

func listKeys(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	query := url.Values{"domain": {c.String("domain")}}
	if n := c.String("name"); n != "" {
		query.Set("name", n)
	}
	all := api.Keys{Keys: []api.Key{}}
	all.Next, err = pages(c, a, "/keys", query, func(list api.Keys) (int, string) {
		all.Keys = append(all.Keys, list.Keys...)
		return len(all.Keys), list.Next
	})
	if err != nil {
		return err
	}
	if all.Next != "" {
		note(c, "there are more; --limit 0 lists all")
	}
	var rows [][]string
	for _, k := range all.Keys {
		rows = append(rows, []string{k.UID, strings.Join(k.Names, ", "), k.Type, algorithm(k), k.State, k.Creator, stamp(k.Created)})
	}
	return printTable(c, all, []string{"uid", "names", "type", "algorithm", "state", "creator", "created"}, rows)
}

// pages asks for the pages of a list, until there are as many records as --limit
// says. add takes a page, and returns how many records there are now and where the
// next page begins. It returns where there is more.
func pages[T any](c *cli.Context, a *administration, path string, query url.Values, add func(T) (have int, next string)) (string, error) {
	limit, have := c.Int("limit"), 0
	if limit < 0 {
		return "", usagef("--limit is not negative")
	}
	for {
		query.Set("limit", strconv.Itoa(page(limit, have)))
		var list T
		if err := a.get(c.Context, path, query, &list); err != nil {
			return "", err
		}
		var next string
		if have, next = add(list); next == "" || limit > 0 && have >= limit {
			return next, nil
		}
		query.Set("cursor", next)
	}
}

// page is how many records to ask for next: limit 0 means any number.
func page(limit, have int) int {
	if limit == 0 {
		return pageSize
	}
	return max(1, min(pageSize, limit-have))
}

func algorithm(k api.Key) string {
	if k.Bits == 0 {
		return k.Algorithm
	}
	return strings.TrimSpace(fmt.Sprintf("%s %d", k.Algorithm, k.Bits))
}

func showKey(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	var k api.KeyDetail
	if err := a.get(c.Context, keyPath(c), nil, &k); err != nil {
		return err
	}
	rows := [][]string{{"Unique Identifier", k.Key.UID}, {"Domain", k.Key.Domain}, {"Creator", k.Key.Creator}}
	if k.Key.Due != nil {
		rows = append(rows, []string{"Destruction Due", stamp(*k.Key.Due)})
	}
	for _, at := range k.Attributes {
		if at.Name != "Unique Identifier" {
			rows = append(rows, []string{at.Name, at.Value})
		}
	}
	return printTable(c, k, []string{"attribute", "value"}, rows)
}

func revokeKey(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	r := api.Revocation{Reason: c.String("reason"), Message: c.String("message"), InUse: c.Bool("even-if-in-use")}
	if err := a.post(c.Context, keyPath(c)+"/revoke", nil, r, nil); err != nil {
		return err
	}
	return done(c, "object %s revoked (%s)", c.Args().First(), r.Reason)
}

func destroyKey(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	if !c.Bool("yes") {
		if _, ok := terminal(c.App.Reader); !ok {
			return usagef("nobody is there to confirm; to destroy the object, give --yes")
		}
		if err := confirm(c, fmt.Sprintf("Destroy the value of object %s for ever?", c.Args().First())); err != nil {
			return err
		}
	}
	query := url.Values{}
	if c.Bool("now") {
		query.Set("now", "true")
	}
	if c.Bool("even-if-in-use") {
		query.Set("even_if_in_use", "true")
	}
	if err := a.post(c.Context, keyPath(c)+"/destroy", query, nil, nil); err != nil {
		return err
	}
	var k api.KeyDetail // who may not read it hears less
	if err := a.get(c.Context, keyPath(c), nil, &k); err == nil && k.Key.Due != nil {
		return done(c, "object %s destroyed; its material is kept until %s (key restore brings it back)", c.Args().First(), stamp(*k.Key.Due))
	}
	return done(c, "object %s destroyed", c.Args().First())
}

// confirm asks a question that only "yes" answers.
func confirm(c *cli.Context, question string) error {
	_, _ = fmt.Fprintf(c.App.ErrWriter, "%s Type yes: ", question)
	answer, err := bufio.NewReader(c.App.Reader).ReadString('\n')
	if err != nil || strings.TrimSpace(answer) != "yes" {
		return errors.New("not confirmed; nothing was changed")
	}
	return nil
}
