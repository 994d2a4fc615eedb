package policy

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"

	"github.com/claviger/claviger/kmip"
)

// maxApprovals is the most approvals that a policy can ask for.
const maxApprovals = 16

// slice names the policies that can matter for a principal, or one of what it
// belongs to, and an action.
type slice struct{ principal, action string }

// index finds the policies of one document that can matter for a request. What it
// finds is exactly those whose scope can mean the principal and the action.
type index map[slice][]*entry

func newIndex(documents ...*Compiled) index {
	x := index{}
	for _, c := range documents {
		for _, e := range c.entries {
			for _, p := range e.principals {
				for _, a := range e.actions {
					x[slice{p, a}] = append(x[slice{p, a}], e)
				}
			}
		}
	}
	return x
}

// Set is all policies that are in force. It is not changed any more; all methods
// may be called by many goroutines.
type Set struct {
	common  index // the ready roles and the document of the installation
	domains map[string]*domainSet
	plain   *plainTable
}

// plainTable remembers decisions that depend on nothing but principal and action,
// because every policy that could matter is plain.
type plainTable struct {
	mu    sync.RWMutex
	known map[asked]Decision // guarded by mu
}

type asked struct {
	principal Principal
	action    string
	domain    string
}

// maxPlain bounds what is remembered.
const maxPlain = 100_000

func newPlainTable() *plainTable { return &plainTable{known: map[asked]Decision{}} }

func (t *plainTable) get(r *Request) (Decision, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	d, ok := t.known[asked{r.Principal, r.Action, r.Resource.Domain}]
	return d, ok
}

func (t *plainTable) put(r *Request, d Decision) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.known) < maxPlain {
		t.known[asked{r.Principal, r.Action, r.Resource.Domain}] = d
	}
}

type domainSet struct {
	document *Compiled
	index    index
	groups   map[string][]string // of each actor
	broken   string              // why the document cannot be used; everything is denied then
}

// NewSet brings documents together: that of the installation, which may be nil, and
// those of domains by their name.
func NewSet(installation *Compiled, domains map[string]*Compiled) *Set {
	s := &Set{domains: make(map[string]*domainSet, len(domains)), plain: newPlainTable()}
	common := []*Compiled{ready}
	if installation != nil {
		common = append(common, installation)
	}
	s.common = newIndex(common...)
	for name, c := range domains {
		s.domains[name] = newDomainSet(c)
	}
	return s
}

func newDomainSet(c *Compiled) *domainSet {
	d := &domainSet{document: c, index: newIndex(c), groups: map[string][]string{}}
	for g, members := range c.Groups {
		for _, m := range members {
			d.groups[m] = append(d.groups[m], g)
		}
	}
	return d
}

// With returns a set in which a domain has another document.
func (s *Set) With(domain string, c *Compiled) *Set {
	return s.with(domain, newDomainSet(c))
}

// WithInstallation returns a set in which the installation has another document.
func (s *Set) WithInstallation(c *Compiled) *Set {
	t := NewSet(c, nil)
	t.domains = s.domains
	return t
}

// Broken returns a set in which a domain's document cannot be used: everything in
// that domain is denied to clients.
func (s *Set) Broken(domain, why string) *Set {
	return s.with(domain, &domainSet{document: &Compiled{}, broken: why})
}

func (s *Set) with(domain string, d *domainSet) *Set {
	t := &Set{common: s.common, domains: maps.Clone(s.domains), plain: newPlainTable()}
	t.domains[domain] = d
	return t
}

// Roles lists the roles that clients and users of a domain can have.
func (s *Set) Roles(domain string) []string {
	if d := s.domains[domain]; d != nil {
		return RolesWith(d.document)
	}
	return Roles(KindClient)
}

// relevant iterates over the policies that can matter for a request.
type relevant struct {
	lists [10][]*entry
	more  [][]*entry // beyond those
	n     int
}

func (r *relevant) add(list []*entry) {
	switch {
	case len(list) == 0:
	case r.n < len(r.lists):
		r.lists[r.n] = list
		r.n++
	default:
		r.more = append(r.more, list)
	}
}

func (r *relevant) entries() iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		for _, list := range r.lists[:r.n] {
			for _, e := range list {
				if !yield(e) {
					return
				}
			}
		}
		for _, list := range r.more {
			for _, e := range list {
				if !yield(e) {
					return
				}
			}
		}
	}
}

// plain reports whether nothing but principal and action matters.
func (r *relevant) plain() bool {
	for e := range r.entries() {
		if !e.plain {
			return false
		}
	}
	return true
}

// approvals reports whether approvals can change the answer.
func (r *relevant) approvals() bool {
	for e := range r.entries() {
		if e.approvals {
			return true
		}
	}
	return false
}

// All implements cedar's PolicyIterator.
func (r *relevant) All() iter.Seq2[types.PolicyID, *cedar.Policy] {
	return func(yield func(types.PolicyID, *cedar.Policy) bool) {
		for e := range r.entries() {
			if !yield(e.id, e.policy) {
				return
			}
		}
	}
}

// collect finds what can matter for a request.
func (s *Set) collect(q *question) *relevant {
	p := q.req.Principal
	d := s.domains[q.req.Resource.Domain] // of a client its own
	r := &relevant{}
	add := func(principal string) {
		r.add(s.common[slice{principal, q.req.Action}])
		if d != nil {
			r.add(d.index[slice{principal, q.req.Action}])
		}
	}
	add(anybody)
	add("Role::" + p.Role)
	add(key(q.principal))
	if p.Domain != "" {
		add("Domain::" + p.Domain)
	}
	for _, g := range q.groups {
		add("Group::" + g)
	}
	return r
}

// question prepares a request.
func (s *Set) question(r *Request) *question {
	var groups []string
	if d := s.domains[r.Principal.Domain]; d != nil {
		groups = d.groups[r.Principal.Actor()]
	}
	return newQuestion(r, groups)
}

// Decide answers a request. What nothing permits is denied; so is what a policy
// forbids, and what a forbidding policy cannot judge. What an action amounts to must
// be permitted as well.
func (s *Set) Decide(r Request) Decision {
	d := s.decide(r)
	if same, ok := amountsTo[r.Action]; ok && (d.Allow || d.Approvals > 0) {
		r.Action = same
		return stricter(d, s.decide(r))
	}
	return d
}

// amountsTo are actions that end an object as others do.
var amountsTo = map[string]string{
	kmip.OperationDeactivate.String(): kmip.OperationRevoke.String(),
	kmip.OperationObliterate.String(): kmip.OperationDestroy.String(),
}

// stricter is the decision of two that permits less.
func stricter(a, b Decision) Decision {
	if b.Allow || !a.Allow && (a.Approvals == 0 || b.Approvals > 0 && b.Approvals <= a.Approvals) {
		return a
	}
	return b
}

// decide answers for the action alone.
func (s *Set) decide(r Request) Decision {
	if d, final := s.before(&r); final {
		return d
	}
	if d, ok := s.plain.get(&r); ok {
		return d
	}
	q := s.question(&r)
	rel := s.collect(q)
	d := judge(q, rel, r.Context.Approvals)
	if rel.plain() {
		s.plain.put(&r, d)
		return d
	}
	if d.Allow || !rel.approvals() {
		return d
	}
	for n := r.Context.Approvals + 1; n <= maxApprovals; n++ {
		if judge(q, rel, n).Allow {
			d.Approvals = n
			break
		}
	}
	return d
}

// before answers what no policy can change: who is of another domain, and what is
// not an administrator's duty.
func (s *Set) before(r *Request) (d Decision, final bool) {
	switch p := r.Principal; p.Kind {
	case KindClient, KindUser:
		switch ds := s.domains[p.Domain]; {
		case p.Domain == "" || r.Resource.Domain != p.Domain:
			return Decision{Reason: "it belongs to another domain"}, true
		case groupOf[r.Action] == "" || groupOf[r.Action] == groupAdmin:
			return Decision{Reason: r.Action + " is nothing that clients can do"}, true
		case ds != nil && ds.broken != "":
			return Decision{Reason: ds.broken}, true
		}
		return Decision{}, false
	case KindAdministrator:
		if role, ok := administrators[p.Role]; !ok || role&administrative[r.Action] == 0 {
			return Decision{Reason: fmt.Sprintf("it is not the duty of role %q", p.Role)}, true
		}
		return Decision{}, false
	case KindSystem:
		return decideSystem(r), true
	}
	return Decision{Reason: "nobody is known by that kind of principal"}, true
}

// judge asks Cedar.
func judge(q *question, rel *relevant, approvals int) Decision {
	result, diag := cedar.Authorize(rel, q, types.Request{
		Principal: q.principal, Action: types.EntityUID{Type: "Action", ID: types.String(q.req.Action)}, Resource: q.resource,
		Context: q.context(approvals),
	})
	for _, e := range diag.Errors {
		for x := range rel.entries() {
			if x.id == e.PolicyID && x.policy.Effect() == types.Forbid {
				return Decision{Reason: fmt.Sprintf("policy %s (line %d) cannot be judged: %s", e.PolicyID, e.Position.Line, e.Message)}
			}
		}
	}
	forbidden := result == types.Deny && len(diag.Reasons) > 0
	switch {
	case forbidden:
		r := diag.Reasons[0]
		return Decision{Reason: fmt.Sprintf("policy %s (line %d) forbids it", r.PolicyID, r.Position.Line)}
	case q.req.Principal.Kind == KindAdministrator:
		return Decision{Allow: true, Reason: "it is a duty of role " + q.req.Principal.Role}
	case result == types.Allow:
		r := diag.Reasons[0]
		return Decision{Allow: true, Reason: fmt.Sprintf("policy %s (line %d) permits it", r.PolicyID, r.Position.Line)}
	}
	return Decision{Reason: fmt.Sprintf("no policy permits it to role %q", q.req.Principal.Role)}
}

// Step is what one policy says of a request.
type Step struct {
	Policy  string // source#id
	Line    int
	Effect  string // "permit" or "forbid"
	Applies bool
	Error   string // why it could not be judged
}

// Explain answers a request and tells what every policy says that could matter.
func (s *Set) Explain(r Request) (Decision, []Step) {
	d := s.Decide(r)
	if _, final := s.before(&r); final {
		return d, nil
	}
	steps := s.steps(r)
	if same, ok := amountsTo[r.Action]; ok {
		r.Action = same
		for _, step := range s.steps(r) {
			if !slices.Contains(steps, step) {
				steps = append(steps, step)
			}
		}
	}
	return d, steps
}

// steps is what every policy says of an action that could matter for it.
func (s *Set) steps(r Request) []Step {
	q := s.question(&r)
	var steps []Step
	for e := range s.collect(q).entries() {
		one := &relevant{}
		one.add([]*entry{e})
		_, diag := cedar.Authorize(one, q, types.Request{
			Principal: q.principal, Action: types.EntityUID{Type: "Action", ID: types.String(r.Action)}, Resource: q.resource,
			Context: q.context(r.Context.Approvals),
		})
		step := Step{Policy: string(e.id), Line: e.line, Effect: effectOf(e.policy.Effect()), Applies: len(diag.Reasons) > 0}
		if len(diag.Errors) > 0 {
			step.Error = diag.Errors[0].Message
		}
		steps = append(steps, step)
	}
	return steps
}
