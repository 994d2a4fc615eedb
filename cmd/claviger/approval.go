package main

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/claviger/claviger/admin/api"
	"github.com/claviger/claviger/kmip/custody"
)

func approvalCommand() *cli.Command {
	comment := &cli.StringFlag{Name: "comment", Usage: "`TEXT` that is kept with it"}
	return &cli.Command{
		Name: "approval", Usage: "approve, refuse and list what needs approval",
		Subcommands: []*cli.Command{
			{Name: "list", Usage: "list requests for approval", Flags: []cli.Flag{
				&cli.StringFlag{Name: "domain", Usage: "only of this `DOMAIN`"},
				&cli.StringFlag{Name: "state", Usage: "open or all", Value: "open"},
			}, Action: listApprovals},
			{Name: "show", Usage: "show a request; as JSON with all that verifies its approvals", ArgsUsage: "ID", Action: showApproval},
			{
				Name: "approve", Usage: "approve a request, signed by your own certificate", ArgsUsage: "ID",
				Description: "Shows what is to be approved and signs exactly that with the key of the context.",
				Flags:       []cli.Flag{comment}, Action: approve,
			},
			{Name: "refuse", Usage: "refuse a request", ArgsUsage: "ID", Flags: []cli.Flag{comment}, Action: refuseApproval},
			{Name: "cancel", Usage: "cancel a request", ArgsUsage: "ID", Action: cancelApproval},
			verifyApprovalCommand(),
		},
	}
}

func listApprovals(c *cli.Context) error {
	if err := oneOf("--state", c.String("state"), "open", "all"); err != nil {
		return err
	}
	a, err := administer(c)
	if err != nil {
		return err
	}
	query := url.Values{"state": {c.String("state")}}
	if d := c.String("domain"); d != "" {
		query.Set("domain", d)
	}
	var list api.Approvals
	if err := a.get(c.Context, "/approvals", query, &list); err != nil {
		return err
	}
	var rows [][]string
	for _, r := range list.Approvals {
		about := r.Subject.UID
		if o := r.Subject.Object; o != nil && len(o.Names) > 0 {
			about = o.Names[0]
		}
		rows = append(rows, []string{r.ID, stateOf(r), r.Subject.Action, r.Subject.Domain, about, r.Subject.Actor, tally(r), stamp(r.Subject.Expires)})
	}
	return printTable(c, list, []string{"request", "state", "action", "domain", "about", "by", "approvals", "expires"}, rows)
}

func stateOf(r api.Approval) string {
	if r.State == "open" && r.Approved {
		return "approved"
	}
	return r.State
}

// tally is how many approvals count, of how many.
func tally(r api.Approval) string {
	n := 0
	for _, a := range r.Approvals {
		if a.Counts {
			n++
		}
	}
	return strconv.Itoa(n) + " of " + strconv.Itoa(r.Needed)
}

func approvalPath(id, verb string) string {
	return "/approvals/" + url.PathEscape(strings.ToUpper(id)) + verb
}

func showApproval(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	var r api.Approval
	if err := a.get(c.Context, approvalPath(c.Args().First(), ""), nil, &r); err != nil {
		return err
	}
	rows := subjectRows(r.Subject)
	rows = append(rows, []string{"state", stateOf(r)}, []string{"approvals", tally(r)})
	if r.OtherRole {
		rows = append(rows, []string{"", "one must be by an administrator of another role"})
	}
	for _, g := range r.Approvals {
		text := g.Approver + " (" + g.Role + "), " + stamp(g.Given)
		if !g.Counts && r.State == "open" {
			text += ", does not count any more"
		}
		if g.Comment != "" {
			text += ": " + g.Comment
		}
		rows = append(rows, []string{"approved by", text})
	}
	if r.Ended != nil {
		rows = append(rows, []string{"ended", strings.TrimSuffix(stamp(*r.Ended)+" by "+r.EndedBy+": "+r.Note, ": ")})
	}
	return printTable(c, r, []string{"request", r.ID}, rows)
}

// subjectRows tells people what is to be approved.
func subjectRows(s custody.ApprovalSubject) [][]string {
	var rows [][]string
	add := func(name, value string) {
		if value != "" {
			rows = append(rows, []string{name, value})
		}
	}
	by := s.Actor
	if s.Role != "" {
		by += " (" + s.Role + ")"
	}
	if s.Beside != "" {
		by += " through " + s.Beside
	}
	add("action", s.Action)
	add("asked by", by)
	add("from", s.Source)
	add("because", s.Reason)
	add("domain", s.Domain)
	add("about", s.UID)
	if o := s.Object; o != nil {
		add("names", strings.Join(o.Names, ", "))
		kind := o.Type
		if o.Algorithm != "" {
			kind += ", " + o.Algorithm
		}
		if o.Bits > 0 {
			kind += " " + strconv.Itoa(int(o.Bits))
		}
		add("object", kind)
		add("object state", o.State)
		add("creator", o.Creator)
		add("object created", stamp(o.Created))
		if s.UID != "" && o.State != "" {
			used := stamp(o.LastUsed)
			if used == "" {
				used = "never"
			}
			add("last used", used)
		}
	} else if s.UID != "" && s.Door == "kmip" {
		add("object", "there is none such")
	}
	for i, line := range strings.Split(s.Asked, "\n") {
		if i == 0 {
			add("asked", line)
		} else {
			rows = append(rows, []string{"", line})
		}
	}
	add("created", stamp(s.Created))
	add("expires", stamp(s.Expires))
	return rows
}

func approve(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	if a.session != "" {
		return errors.New("approving needs a certificate to sign with; a session has none")
	}
	pair, err := tls.LoadX509KeyPair(a.conf.Cert, a.conf.Key)
	if err != nil {
		return fmt.Errorf("certificate and key: %w", err)
	}
	key, ok := pair.PrivateKey.(crypto.Signer)
	if !ok {
		return errors.New("the key of the context cannot sign")
	}
	id := c.Args().First()
	var r api.Approval
	if err := a.get(c.Context, approvalPath(id, ""), nil, &r); err != nil {
		return err
	}
	// What is shown is read from the very bytes that are signed.
	var s custody.ApprovalSubject
	d := json.NewDecoder(bytes.NewReader(r.Canonical))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil || !strings.EqualFold(s.ID, id) {
		return fmt.Errorf("the server gave another request than %s, or one that this version cannot read; nothing was signed", id)
	}
	for _, row := range subjectRows(s) {
		note(c, "  %-14s  %s", row[0], printable(row[1]))
	}
	if ok, err := confirmed(c, "Approve request "+s.ID+"?"); err != nil || !ok {
		return errors.Join(err, errors.New("nothing was signed"))
	}
	comment := c.String("comment")
	signature, err := custody.SignApproval(key, r.Canonical, comment)
	if err != nil {
		return err
	}
	if err := a.post(c.Context, approvalPath(id, "/approve"), nil, api.NewApproval{Signature: signature, Comment: comment}, &r); err != nil {
		return err
	}
	if wantsJSON(c) {
		return printJSON(c, r)
	}
	if r.Approved {
		return printLine(c, "request %s has %s approvals: whoever asked can repeat it now", r.ID, tally(r))
	}
	return printLine(c, "request %s has %s approvals", r.ID, tally(r))
}

// confirmed asks a person at a terminal; nobody else is asked.
func confirmed(c *cli.Context, what string) (bool, error) {
	if _, ok := terminal(c.App.Reader); !ok {
		return true, nil
	}
	fmt.Fprintf(c.App.ErrWriter, "%s [y/N] ", what)
	answer, err := bufio.NewReader(c.App.Reader).ReadString('\n')
	if err != nil {
		return false, err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return true, nil
	}
	return false, nil
}

func refuseApproval(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	id := c.Args().First()
	in := map[string]string{}
	if text := c.String("comment"); text != "" {
		in["comment"] = text
	}
	if err := a.post(c.Context, approvalPath(id, "/refuse"), nil, in, nil); err != nil {
		return err
	}
	return done(c, "request %s refused", strings.ToUpper(id))
}

func cancelApproval(c *cli.Context) error {
	a, err := administer(c)
	if err != nil {
		return err
	}
	id := c.Args().First()
	if err := a.post(c.Context, approvalPath(id, "/cancel"), nil, nil, nil); err != nil {
		return err
	}
	return done(c, "request %s cancelled", strings.ToUpper(id))
}
