package custody

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/audit"
)

// Question is a request that nobody has made, to be explained.
type Question struct {
	Actor     string // "client:NAME", "user:NAME" or "admin:NAME"
	Action    string
	UID       string // of the object; empty when there is none
	Type      kmip.ObjectType
	Source    string // address; empty when it does not matter
	Time      time.Time
	Approvals int
}

// Answer tells how a question is decided, and by which policies.
type Answer struct {
	Role     string
	Decision policy.Decision
	Steps    []policy.Step
}

// ExplainPolicy tells how a request to the scope's domain would be decided.
func (s *Service) ExplainPolicy(ctx context.Context, sc *Scope, q Question) (Answer, error) {
	var a Answer
	err := s.administer(ctx, sc, policy.ActionPolicyTry, q.UID, func() (store.Change, error) {
		set, err := s.policies(ctx)
		if err != nil {
			return store.Change{}, err
		}
		r, err := s.asked(ctx, sc, q)
		if err != nil {
			return store.Change{}, err
		}
		a.Role = r.Principal.Role
		a.Decision, a.Steps = set.Explain(r)
		asks := &Scope{Principal: Principal{Principal: r.Principal}}
		if n := needsOtherRole(asks, q.Action); a.Decision.Allow && r.Context.Approvals < n {
			a.Decision = policy.Decision{Approvals: n, Reason: "it needs an approval by an administrator of another role, whatever policies say"}
		}
		away, err := s.turnedAway(ctx, r.Principal, r.Context.Time, q.Source)
		if away != "" {
			a.Decision = policy.Decision{Reason: "it is not admitted: " + away}
		}
		return store.Change{}, err
	})
	return a, err
}

// turnedAway tells why somebody would not be admitted at a time and from an address,
// which does not matter when it is empty; "" for who would be.
func (s *Service) turnedAway(ctx context.Context, p policy.Principal, at time.Time, source string) (string, error) {
	switch p.Kind {
	case policy.KindAdministrator:
		list, err := s.store.Administrators(ctx)
		for _, m := range list {
			switch {
			case m.Name != p.Name:
			case !m.Revoked.IsZero():
				return "the administrator is revoked", nil
			case !at.Before(m.NotAfter):
				return "the certificate of the administrator has expired", nil
			}
		}
		return "", err
	case policy.KindUser:
		u, err := s.store.User(ctx, p.Domain, p.Name)
		if errors.Is(err, store.ErrNotFound) { // made over KMIP
			return "", nil
		}
		if err == nil && !u.Disabled.IsZero() {
			return "the user is disabled", nil
		}
		return "", err
	}
	c, err := s.store.Client(ctx, p.Domain, p.Name)
	if err != nil {
		return "", err
	}
	settings, _, err := s.settingsOf(ctx, p.Domain, p.Name)
	if err != nil {
		return "", err
	}
	if !c.Revoked.IsZero() {
		return "the client is revoked", nil
	}
	k := clientIdentity{settings: settings}
	var f *kmip.Failure
	if reason, err := k.admits(at, source); errors.As(err, &f) && (reason != refusedSource || source != "") {
		return f.Message, nil
	}
	return "", nil
}

// asked makes the request of a question.
func (s *Service) asked(ctx context.Context, sc *Scope, q Question) (policy.Request, error) {
	r := policy.Request{Action: q.Action, Context: policy.Context{Time: q.Time, Door: "kmip", Approvals: q.Approvals}}
	if !policy.Known(q.Action) {
		return r, kmip.Fail(kmip.KindInvalidField, "there is no action %q; there are %s", q.Action, strings.Join(append(policy.Operations(), policy.Actions()...), ", "))
	}
	p, err := s.principalOf(ctx, sc.Domain, q.Actor)
	if err != nil {
		return r, err
	}
	r.Principal = p
	if p.Kind == policy.KindAdministrator {
		r.Context.Door = "admin"
	}
	if r.Context.Time.IsZero() {
		r.Context.Time = sc.Now
	}
	if q.Source != "" {
		if r.Context.Source, err = netip.ParseAddr(q.Source); err != nil {
			return r, kmip.Fail(kmip.KindInvalidField, "the source %q is no address", q.Source)
		}
	}
	r.Resource = policy.Resource{UID: q.UID, Type: uint32(q.Type)}
	if q.UID != "" {
		row, err := sc.reader.Object(ctx, q.UID)
		if errors.Is(err, store.ErrNotFound) {
			return r, kmip.Fail(kmip.KindObjectNotFound, "no object %q in domain %q", q.UID, sc.Domain)
		}
		if err != nil {
			return r, err
		}
		m, err := s.authenticate(ctx, sc, row)
		if err != nil {
			return r, err
		}
		r.Resource = m.resource()
	}
	if !policy.OfInstallation(q.Action) {
		r.Resource.Domain = sc.Domain
	}
	return r, nil
}

// principalOf finds who an actor of the audit is today.
func (s *Service) principalOf(ctx context.Context, domain, actor string) (policy.Principal, error) {
	kind, name, _ := strings.Cut(actor, ":")
	p := policy.Principal{Kind: kind, Name: name}
	switch kind {
	case policy.KindAdministrator:
		list, err := s.store.Administrators(ctx)
		if err != nil {
			return p, err
		}
		i := slices.IndexFunc(list, func(a store.Administrator) bool { return a.Name == name })
		if i < 0 {
			return p, kmip.Fail(kmip.KindObjectNotFound, "no administrator %q", name)
		}
		p.Role = list[i].Role
		return p, nil
	case policy.KindClient:
		c, err := s.store.Client(ctx, domain, name)
		if errors.Is(err, store.ErrNotFound) {
			return p, kmip.Fail(kmip.KindObjectNotFound, "no client %q in domain %q", name, domain)
		}
		p.Domain, p.Role = domain, c.Role
		return p, err
	case policy.KindUser:
		u, err := s.store.User(ctx, domain, name)
		p.Domain, p.Role = domain, u.Role
		if !errors.Is(err, store.ErrNotFound) {
			return p, err
		}
		p.Role = policy.RoleFull // of users that were made over KMIP
		return p, s.checkActor(ctx, domain, kind, name)
	}
	return p, kmip.Fail(kmip.KindInvalidField, "who asks is client:NAME, user:NAME or admin:NAME, not %q", actor)
}

// Draft is a policy that is not in force.
type Draft struct {
	Text string
}

// Comparison tells what a draft would change.
type Comparison struct {
	Policies []policy.Difference
	Shifts   []policy.Shift
}

// drafted checks a draft for the scope's domain, and returns the sets without and
// with it.
func (s *Service) drafted(ctx context.Context, sc *Scope, d Draft) (now, then *policy.Set, was, is *policy.Compiled, err error) {
	if now, err = s.policies(ctx); err != nil {
		return nil, nil, nil, nil, err
	}
	p, _, err := s.readPolicy(ctx, sc.Domain)
	if err != nil {
		return nil, nil, nil, nil, err
	}
	if was, err = policy.Compile(p.document(sc.Domain)); err != nil {
		return nil, nil, nil, nil, err
	}
	p.Text = d.Text
	if err := s.checkPolicy(ctx, sc.Domain, p); err != nil {
		return nil, nil, nil, nil, err
	}
	if is, err = policy.Compile(p.document(sc.Domain)); err != nil {
		return nil, nil, nil, nil, err
	}
	if sc.Domain == SystemDomain {
		return now, now.WithInstallation(is), was, is, nil
	}
	return now, now.With(sc.Domain, is), was, is, nil
}

// CheckPolicy tells what is wrong with a draft.
func (s *Service) CheckPolicy(ctx context.Context, sc *Scope, d Draft) error {
	return s.administer(ctx, sc, policy.ActionPolicyTry, "", func() (store.Change, error) {
		_, _, _, _, err := s.drafted(ctx, sc, d) //nolint:dogsled // only whether it could be
		return store.Change{}, err
	})
}

// ComparePolicy tells how a draft differs from what is in force, and what clients of
// each role could do then that they cannot now, and the other way round.
func (s *Service) ComparePolicy(ctx context.Context, sc *Scope, d Draft) (Comparison, error) {
	var c Comparison
	err := s.administer(ctx, sc, policy.ActionPolicyTry, "", func() (store.Change, error) {
		now, then, was, is, err := s.drafted(ctx, sc, d)
		if err != nil {
			return store.Change{}, err
		}
		domain := sc.Domain
		if domain == SystemDomain {
			domain = DefaultDomain
		}
		c = Comparison{policy.Differences(was, is), policy.Shifts(now, then, domain, policy.Context{Time: sc.Now, Door: "kmip"})}
		return store.Change{}, nil
	})
	return c, err
}

// Outcome is how requests of one actor and action would be decided under a draft,
// where that is not how they are decided now.
type Outcome struct {
	Actor, Action string
	Was, Is       policy.Decision
	Requests      int
	First, Last   time.Time
	UID           string // of the newest
}

// Simulation tells what a draft would have changed.
type Simulation struct {
	From     time.Time
	Requests int  // that were looked at
	Skipped  int  // whose actor or object is not known any more
	Partial  bool // there are more than simulationLimit
	Outcomes []Outcome
}

const (
	simulationLimit = 100_000 // entries of the audit
	maxSimulation   = 366 * 24 * time.Hour
)

// SimulatePolicy decides the requests of the last time anew, under what is in force
// and under a draft: by the audit, with the roles and attributes of today.
func (s *Service) SimulatePolicy(ctx context.Context, sc *Scope, d Draft, last time.Duration) (Simulation, error) {
	sim := Simulation{From: sc.Now.Add(-last)}
	err := s.administer(ctx, sc, policy.ActionPolicyTry, "", func() (store.Change, error) {
		if last <= 0 || last > maxSimulation {
			return store.Change{}, kmip.Fail(kmip.KindInvalidField, "a simulation looks back 1 to 366 days")
		}
		now, then, _, _, err := s.drafted(ctx, sc, d)
		if err != nil {
			return store.Change{}, err
		}
		return store.Change{}, s.simulate(ctx, sc, now, then, &sim)
	})
	return sim, err
}

func (s *Service) simulate(ctx context.Context, sc *Scope, now, then *policy.Set, sim *Simulation) error {
	q := store.AuditQuery{Domain: sc.Domain, From: sim.From, Limit: 1000}
	if sc.Domain == SystemDomain {
		q.Domain = ""
	}
	past := pastRequests{s: s, principals: map[string]*policy.Principal{}, resources: map[string]*policy.Resource{}}
	found := map[Outcome]*Outcome{}
	for {
		entries, err := s.store.Audit(ctx, q)
		if err != nil {
			return err
		}
		for i := range entries {
			e := &entries[i]
			if !policy.Known(e.Operation) || e.Outcome == audit.Failure && e.Reason != kmip.KindPermissionDenied.String() {
				continue // never got to policy
			}
			if sim.Requests++; sim.Requests > simulationLimit {
				sim.Partial = true
				break
			}
			r, ok, err := past.of(ctx, e)
			if err != nil {
				return err
			}
			if !ok {
				sim.Skipped++
				continue
			}
			was, is := now.Decide(r), then.Decide(r)
			if was.Allow == is.Allow && was.Approvals == is.Approvals {
				continue
			}
			k := Outcome{Actor: e.Actor, Action: e.Operation, Was: was, Is: is}
			o := found[k]
			if o == nil {
				c := k
				c.Last, c.UID = e.Time, e.UID
				o = &c
				found[k] = o
			}
			o.Requests++
			o.First = e.Time
		}
		if len(entries) < q.Limit || sim.Partial {
			break
		}
		q.Before = entries[len(entries)-1].Sequence
	}
	for _, o := range found {
		sim.Outcomes = append(sim.Outcomes, *o)
	}
	slices.SortFunc(sim.Outcomes, func(a, b Outcome) int {
		return strings.Compare(a.Actor+"\x00"+a.Action+"\x00"+a.Is.Reason, b.Actor+"\x00"+b.Action+"\x00"+b.Is.Reason)
	})
	return nil
}

// pastRequests makes requests of entries of the audit, and remembers who and what
// they were about.
type pastRequests struct {
	s          *Service
	principals map[string]*policy.Principal // nil: not known any more
	resources  map[string]*policy.Resource
}

func (p *pastRequests) of(ctx context.Context, e *audit.Entry) (policy.Request, bool, error) {
	r := policy.Request{Action: e.Operation, Context: policy.Context{Time: e.Time, Door: e.Door}}
	who := e.Domain + "\x00" + e.Actor
	principal, ok := p.principals[who]
	if !ok {
		found, err := p.s.principalOf(ctx, e.Domain, e.Actor)
		var f *kmip.Failure
		if err != nil && !errors.As(err, &f) {
			return r, false, err
		}
		if err == nil {
			principal = &found
		}
		p.principals[who] = principal
	}
	what := e.Domain + "\x00" + e.UID
	resource, ok := p.resources[what]
	if !ok {
		row, err := p.s.store.Object(ctx, e.Domain, e.UID)
		switch {
		case errors.Is(err, store.ErrNotFound):
			resource = &policy.Resource{Domain: e.Domain, UID: e.UID}
		case err != nil:
			return r, false, err
		default:
			m, err := read(row, e.Time)
			if err != nil {
				return r, false, err
			}
			found := m.resource()
			found.Domain = e.Domain
			resource = &found
		}
		p.resources[what] = resource
	}
	if principal == nil {
		return r, false, nil
	}
	r.Principal, r.Resource = *principal, *resource
	r.Context.Source = (&Scope{Source: e.Source}).address()
	return r, true, nil
}
