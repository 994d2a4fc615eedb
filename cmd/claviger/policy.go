package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/claviger/claviger/admin/api"
	"github.com/claviger/claviger/policy"
)

func policyCommand() *cli.Command {
	flags := func(more ...cli.Flag) []cli.Flag { return append([]cli.Flag{domainFlag()}, more...) }
	return &cli.Command{
		Name: "policy", Usage: "say who may do what (Cedar)",
		Description: "Each domain has a document of policies, roles and groups beside the ready roles. The\ndocument of the domain \"system\" holds for the whole installation.",
		Subcommands: []*cli.Command{
			{Name: "show", Usage: "print the policies in force", Flags: flags(), Action: showPolicy},
			{
				Name: "set", Usage: "replace the policies of a domain", ArgsUsage: "FILE",
				Description: "FILE is Cedar; - reads from standard input. What is not right is refused with its line and\ncolumn, and the old policies stay in force.",
				Flags:       flags(&cli.Int64Flag{Name: "revision", Usage: "only if the `NUMBER` is still that of the policies in force"}),
				Action:      setPolicy,
			},
			{Name: "check", Usage: "tell what is wrong with policies", ArgsUsage: "FILE", Flags: flags(), Action: checkPolicy},
			{Name: "diff", Usage: "tell what policies would change for each role", ArgsUsage: "FILE", Flags: flags(), Action: diffPolicy},
			{
				Name: "simulate", Usage: "decide the requests of the last days anew under policies that are not in force", ArgsUsage: "FILE",
				Flags: flags(&cli.IntFlag{Name: "days", Usage: "how many `DAYS` of the audit", Value: 7}), Action: simulatePolicy,
			},
			{Name: "schema", Usage: "print what policies can speak of, as a Cedar schema", Action: func(c *cli.Context) error {
				_, err := fmt.Fprint(c.App.Writer, policy.Schema())
				return err
			}},
			{
				Name: "explain", Usage: "tell how a request would be decided, and by which policies",
				Flags: flags(
					&cli.StringFlag{Name: "actor", Usage: "`WHO` asks: client:NAME, user:NAME or admin:NAME", Required: true},
					&cli.StringFlag{Name: "action", Usage: "`ACTION`: a KMIP operation such as Get, or one of administrators such as key.destroy", Required: true},
					&cli.StringFlag{Name: "uid", Usage: "Unique Identifier of the `OBJECT`"},
					&cli.StringFlag{Name: "type", Usage: "Object `TYPE` of one that does not exist, such as SymmetricKey"},
					&cli.StringFlag{Name: "source", Usage: "`ADDRESS` that the request comes from"},
					&cli.TimestampFlag{Name: "at", Usage: "`TIME` of the request, such as 2026-01-31T03:00:00Z", Layout: time.RFC3339},
					&cli.IntFlag{Name: "approvals", Usage: "`NUMBER` of approvals that there are"},
				),
				Action: explainPolicy,
			},
		},
	}
}

func roleCommand() *cli.Command {
	return &cli.Command{
		Name: "role", Usage: "roles that clients and users can have",
		Subcommands: []*cli.Command{
			{Name: "list", Usage: "list the roles of a domain", Flags: []cli.Flag{domainFlag()}, Action: listRoles},
			{Name: "show", Usage: "print what a ready role may do", ArgsUsage: "NAME", Flags: []cli.Flag{domainFlag()}, Action: showRole},
			{Name: "create", Usage: "make a role that policies can speak of", ArgsUsage: "NAME", Flags: []cli.Flag{domainFlag()}, Action: createRole},
			{Name: "delete", Usage: "delete a role that nothing uses", ArgsUsage: "NAME", Flags: []cli.Flag{domainFlag()}, Action: deleteRole},
		},
	}
}

func groupCommand() *cli.Command {
	return &cli.Command{
		Name: "group", Usage: "groups of clients and users that policies can speak of",
		Subcommands: []*cli.Command{
			{Name: "list", Usage: "list the groups of a domain with their members", Flags: []cli.Flag{domainFlag()}, Action: listGroups},
			{Name: "set", Usage: "say who belongs to a group", ArgsUsage: "NAME [MEMBER...]", Description: "A MEMBER is client:NAME or user:NAME. Without any the group is empty.", Flags: []cli.Flag{domainFlag()}, Action: setGroup},
			{Name: "delete", Usage: "delete a group that no policy names", ArgsUsage: "NAME", Flags: []cli.Flag{domainFlag()}, Action: deleteGroup},
		},
	}
}

// inDomain is a path below the domain that the command is about.
func inDomain(c *cli.Context, rest string) string {
	return "/domains/" + url.PathEscape(c.String("domain")) + rest
}

// readText reads the file that is the first argument; "-" is standard input.
func readText(c *cli.Context) (string, error) {
	name := c.Args().First()
	if name == "-" {
		b, err := io.ReadAll(io.LimitReader(c.App.Reader, 2<<20))
		return string(b), err
	}
	b, err := os.ReadFile(name)
	return string(b), err
}

func policyOf(c *cli.Context) (api.Policy, error) {
	var p api.Policy
	a, err := administer(c)
	if err != nil {
		return p, err
	}
	return p, a.get(c.Context, inDomain(c, "/policy"), nil, &p)
}

func showPolicy(c *cli.Context) error {
	p, err := policyOf(c)
	if err != nil {
		return err
	}
	if wantsJSON(c) {
		return printJSON(c, p)
	}
	if p.Revision == 0 {
		note(c, "domain %s has no policies of its own; the ready roles say what its clients may do", p.Domain)
		return nil
	}
	note(c, "revision %d; roles %s; groups %s", p.Revision, joined(p.Roles), joined(sortedKeys(p.Groups)))
	_, err = fmt.Fprint(c.App.Writer, p.Text)
	return err
}

// joined is a list for people, "none" when it is empty.
func joined(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func setPolicy(c *cli.Context) error {
	text, err := readText(c)
	if err != nil {
		return err
	}
	a, err := administer(c)
	if err != nil {
		return err
	}
	in := api.NewPolicy{Text: text, Revision: c.Int64("revision")}
	if err := a.call(c.Context, http.MethodPut, inDomain(c, "/policy"), nil, in, nil); err != nil {
		return err
	}
	return done(c, "the policies of domain %s are in force", c.String("domain"))
}

// try sends the file as a draft.
func try(c *cli.Context, what string, into any) error {
	text, err := readText(c)
	if err != nil {
		return err
	}
	a, err := administer(c)
	if err != nil {
		return err
	}
	return a.post(c.Context, inDomain(c, "/policy/"+what), nil, api.PolicyDraft{Text: text, Days: c.Int("days")}, into)
}

func checkPolicy(c *cli.Context) error {
	if err := try(c, "check", nil); err != nil {
		return err
	}
	return done(c, "%s: nothing is wrong with it", c.Args().First())
}

func verdict(d api.Decision) string {
	switch {
	case d.Allow:
		return "allow"
	case d.Approvals > 0:
		return fmt.Sprintf("needs %d approvals", d.Approvals)
	}
	return "deny"
}

func diffPolicy(c *cli.Context) error {
	var d api.PolicyComparison
	if err := try(c, "diff", &d); err != nil {
		return err
	}
	if wantsJSON(c) {
		return printJSON(c, d)
	}
	for _, p := range d.Policies {
		if err := printLine(c, "policy %s", p.Policy); err != nil {
			return err
		}
		for _, side := range []struct{ mark, text string }{{"-", p.Was}, {"+", p.Is}} {
			for l := range strings.Lines(side.text) {
				if err := printLine(c, "%s %s", side.mark, strings.TrimSuffix(l, "\n")); err != nil {
					return err
				}
			}
		}
	}
	if len(d.Roles) == 0 {
		return printLine(c, "no role may do anything else than now")
	}
	var rows [][]string
	for _, s := range d.Roles {
		rows = append(rows, []string{s.Role, s.Action, s.Object, verdict(s.Was), verdict(s.Is)})
	}
	return printTable(c, d, []string{"role", "action", "object", "now", "then"}, rows)
}

func simulatePolicy(c *cli.Context) error {
	var s api.PolicySimulation
	if err := try(c, "simulate", &s); err != nil {
		return err
	}
	if wantsJSON(c) {
		return printJSON(c, s)
	}
	more := ""
	if s.Partial {
		more = "; there are more, which were not looked at"
	}
	note(c, "%d requests since %s, %d of actors that are not known any more%s", s.Requests, stamp(s.From), s.Skipped, more)
	if len(s.Changes) == 0 {
		return printLine(c, "nothing would have been decided otherwise")
	}
	var rows [][]string
	for _, o := range s.Changes {
		rows = append(rows, []string{o.Actor, o.Action, strconv.Itoa(o.Requests), verdict(o.Was), verdict(o.Is), o.Is.Reason, stamp(o.Last)})
	}
	return printTable(c, s, []string{"actor", "action", "requests", "now", "then", "because", "last"}, rows)
}

func explainPolicy(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	q := api.PolicyQuestion{
		Actor: c.String("actor"), Action: c.String("action"), UID: c.String("uid"), Type: c.String("type"),
		Source: c.String("source"), Approvals: c.Int("approvals"),
	}
	if at := c.Timestamp("at"); at != nil {
		q.Time = *at
	}
	var answer api.PolicyAnswer
	if err := a.post(c.Context, inDomain(c, "/policy/explain"), nil, q, &answer); err != nil {
		return err
	}
	if wantsJSON(c) {
		return printJSON(c, answer)
	}
	if err := printLine(c, "%s (role %s): %s: %s", q.Actor, answer.Role, verdict(answer.Decision), answer.Decision.Reason); err != nil {
		return err
	}
	var rows [][]string
	for _, s := range answer.Policies {
		applies := "no"
		if s.Applies {
			applies = "yes"
		}
		rows = append(rows, []string{s.Policy, strconv.Itoa(s.Line), s.Effect, applies, s.Error})
	}
	if len(rows) == 0 {
		return nil
	}
	return printTable(c, answer, []string{"policy", "line", "effect", "applies", "error"}, rows)
}

func listRoles(c *cli.Context) error {
	list, err := rolesOf(c)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, r := range list.Roles {
		from := "domain"
		if r.Ready {
			from = "ready"
		}
		about, _, _ := strings.Cut(strings.TrimPrefix(r.Text, "// "), "\n")
		rows = append(rows, []string{r.Name, from, about})
	}
	return printTable(c, list, []string{"role", "from", "about"}, rows)
}

func rolesOf(c *cli.Context) (api.RoleList, error) {
	var list api.RoleList
	a, err := administer(c)
	if err != nil {
		return list, err
	}
	return list, a.get(c.Context, inDomain(c, "/roles"), nil, &list)
}

func showRole(c *cli.Context) error {
	list, err := rolesOf(c)
	if err != nil {
		return err
	}
	name := c.Args().First()
	for _, r := range list.Roles {
		switch {
		case r.Name != name:
		case wantsJSON(c):
			return printJSON(c, r)
		case !r.Ready:
			return printLine(c, "role %s may do what the policies of the domain permit; see claviger policy show", name)
		default:
			_, err := fmt.Fprint(c.App.Writer, r.Text)
			return err
		}
	}
	return fmt.Errorf("no role %q in domain %q", name, c.String("domain"))
}

func createRole(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	name := c.Args().First()
	if err := a.post(c.Context, inDomain(c, "/roles"), nil, map[string]string{"name": name}, nil); err != nil {
		return err
	}
	return done(c, "role %s of domain %s created; it may do nothing until a policy permits something", name, c.String("domain"))
}

// deleteNamed deletes a role or group.
func deleteNamed(c *cli.Context, what string) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	name := c.Args().First()
	if err := a.call(c.Context, http.MethodDelete, inDomain(c, "/"+what+"s/"+url.PathEscape(name)), nil, nil, nil); err != nil {
		return err
	}
	return done(c, "%s %s of domain %s deleted", what, name, c.String("domain"))
}

func deleteRole(c *cli.Context) error  { return deleteNamed(c, "role") }
func deleteGroup(c *cli.Context) error { return deleteNamed(c, "group") }

func listGroups(c *cli.Context) error {
	p, err := policyOf(c)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, g := range sortedKeys(p.Groups) {
		rows = append(rows, []string{g, strings.Join(p.Groups[g], ", ")})
	}
	return printTable(c, p.Groups, []string{"group", "members"}, rows)
}

func setGroup(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	name, members := c.Args().First(), append([]string{}, c.Args().Tail()...)
	in := map[string][]string{"members": members}
	if err := a.call(c.Context, http.MethodPut, inDomain(c, "/groups/"+url.PathEscape(name)), nil, in, nil); err != nil {
		return err
	}
	return done(c, "group %s of domain %s: %s", name, c.String("domain"), joined(members))
}
