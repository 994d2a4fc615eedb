package policy

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
)

// Bounds of a document.
const (
	MaxDocumentBytes = 1 << 20
	maxPolicies      = 10_000
	maxNesting       = 100
	maxIfs           = 10_000 // in one policy
)

// Document is what an operator says about a domain: policies in Cedar, and the
// roles and groups that they speak of beside the ready ones. The document of the
// installation holds for every domain.
type Document struct {
	// Source names the document in reasons and errors: the domain, "installation",
	// or "ready".
	Source string
	Text   string
	// Roles are those that clients and users can have beside the ready ones.
	Roles []string
	// Groups are lists of actors, such as "client:array7".
	Groups map[string][]string
}

// Error is what is wrong with a document, and where.
type Error struct {
	Source       string
	Line, Column int
	Message      string
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.Source, e.Line, e.Column, e.Message)
}

// Reference is something that a policy speaks of and that must exist.
type Reference struct {
	Type, ID     string
	Line, Column int
}

// entry is a compiled policy.
type entry struct {
	id     types.PolicyID // source#id
	line   int
	policy *cedar.Policy
	// principals are the keys of those whom the scope can mean; actions those that it
	// names.
	principals []string
	actions    []string
	approvals  bool // it asks how many approvals there are
	// plain: it holds for every object and always, if its scope means the principal
	// and the action.
	plain bool
}

// Compiled is a document that has been read. It is not changed any more.
type Compiled struct {
	Document
	entries    []*entry
	references []Reference
}

// Compile reads a document without checking it against the schema; for those that
// were checked when they were written. An error is an *Error, or several joined.
func Compile(d Document) (*Compiled, error) {
	if err := bounded(d); err != nil {
		return nil, err
	}
	list, err := cedar.NewPolicyListFromBytes(d.Source, []byte(d.Text))
	if err != nil {
		return nil, placed(d, err)
	}
	if len(list) > maxPolicies {
		return nil, &Error{d.Source, 1, 1, fmt.Sprintf("there are %d policies; at most %d are taken", len(list), maxPolicies)}
	}
	c := &Compiled{Document: d}
	seen := map[types.PolicyID]int{}
	for i, p := range list {
		at := p.Position()
		id := types.PolicyID(d.Source + "#" + cmp.Or(string(p.Annotations()["id"]), "policy"+strconv.Itoa(i+1)))
		if line, ok := seen[id]; ok {
			return nil, &Error{d.Source, at.Line, at.Column, fmt.Sprintf("the policy of line %d has the same @id", line)}
		}
		seen[id] = at.Line
		tree := (*ast.Policy)(p.AST())
		e := &entry{id: id, line: at.Line, policy: p, actions: actionsOf(tree), principals: principalsOf(tree)}
		_, everything := tree.Resource.(ast.ScopeTypeAll)
		e.plain = everything && len(tree.Conditions) == 0
		c.references = append(c.references, references(d.Text, tree, e)...)
		c.entries = append(c.entries, e)
	}
	return c, nil
}

// Check is Compile for a document that somebody writes: every policy must suit the
// schema, and what it speaks of must be there as far as the document says.
// References returns what the caller must check beyond that.
func Check(d Document) (*Compiled, error) {
	if errSchema != nil {
		return nil, errSchema
	}
	c, err := Compile(d)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, e := range c.entries {
		at := e.policy.Position()
		tree := (*ast.Policy)(e.policy.AST())
		if err := validator.Policy("", tree); err != nil {
			for _, text := range strings.Split(err.Error(), "\n") {
				line, column := find(d.Text, at, quoted(text))
				errs = append(errs, &Error{d.Source, line, column, "policy " + string(e.id) + ": " + text})
			}
		}
		errs = append(errs, words(d, tree, at)...)
	}
	roles := append(RolesWith(c), Roles(KindAdministrator)...)
	slices.Sort(roles)
	roles = slices.Compact(roles)
	for _, r := range c.references {
		switch {
		case r.Type == "Role" && !slices.Contains(roles, r.ID):
			errs = append(errs, &Error{d.Source, r.Line, r.Column, fmt.Sprintf("no role %q; there are %s", r.ID, strings.Join(roles, ", "))})
		case r.Type == "Group" && d.Groups[r.ID] == nil:
			errs = append(errs, &Error{d.Source, r.Line, r.Column, fmt.Sprintf("no group %q", r.ID)})
		}
	}
	return c, errors.Join(errs...)
}

// References lists the clients, users, administrators, domains and objects that the
// policies name, for somebody who can look whether they are there.
func (c *Compiled) References() []Reference {
	return slices.DeleteFunc(slices.Clone(c.references), func(r Reference) bool {
		return r.Type == "Role" || r.Type == "Group" || r.Type == "ObjectGroup"
	})
}

// Misplaced lists the actions that the scopes of policies name and that only the
// document of the installation is asked about; in that of a domain they do nothing.
func (c *Compiled) Misplaced() []Reference {
	var found []Reference
	for _, e := range c.entries {
		tree, at := (*ast.Policy)(e.policy.AST()), e.policy.Position()
		var uids []types.EntityUID
		switch s := tree.Action.(type) {
		case ast.ScopeTypeEq:
			uids = []types.EntityUID{s.Entity}
		case ast.ScopeTypeIn:
			uids = []types.EntityUID{s.Entity}
		case ast.ScopeTypeInSet:
			uids = s.Entities
		}
		for _, uid := range uids {
			if OfInstallation(string(uid.ID)) {
				line, column := find(c.Text, at, uid.String())
				found = append(found, Reference{string(uid.Type), string(uid.ID), line, column})
			}
		}
	}
	return found
}

// bounded refuses what a parser that recurses should not see.
func bounded(d Document) error {
	if len(d.Text) > MaxDocumentBytes {
		return &Error{d.Source, 1, 1, fmt.Sprintf("the document has %d bytes; at most %d are taken", len(d.Text), MaxDocumentBytes)}
	}
	depth, run, ifs, line, start := 0, 0, 0, 1, 0
	for i := range len(d.Text) {
		switch b := d.Text[i]; b {
		case '\n':
			line, start = line+1, i+1
			continue
		case ' ', '\t', '\r':
			continue
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth--
		case '!', '-':
			run++
		case ';':
			ifs = 0
		case 'i':
			if strings.HasPrefix(d.Text[i:], "if") {
				ifs++
			}
		}
		if b := d.Text[i]; b != '!' && b != '-' {
			run = 0
		}
		if depth > maxNesting || run > maxNesting || ifs > maxIfs {
			return &Error{d.Source, line, i - start + 1, fmt.Sprintf("expressions are nested more than %d deep", maxNesting)}
		}
	}
	return nil
}

var (
	place    = regexp.MustCompile(`<input>:(\d+):(\d+)`)
	expected = regexp.MustCompile(`exact got (.*) want (.*)$`)
)

// placed gives an error of the parser its place.
func placed(d Document, err error) error {
	text := strings.TrimPrefix(err.Error(), "parser error: ")
	e := &Error{Source: d.Source, Line: 1, Column: 1}
	if m := place.FindStringSubmatch(text); m != nil {
		e.Line, _ = strconv.Atoi(m[1])
		e.Column, _ = strconv.Atoi(m[2])
		text = strings.TrimPrefix(strings.Replace(text, "parse error at "+m[0], "", 1), m[0]+":")
	}
	if m := expected.FindStringSubmatch(text); m != nil {
		text = fmt.Sprintf("there is %q where %q belongs", m[1], m[2])
	}
	e.Message = "this is not Cedar: " + strings.TrimPrefix(strings.TrimSpace(text), `"": `)
	return e
}
