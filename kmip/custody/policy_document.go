package custody

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

// recordPolicy is the document of a domain, or of the installation.
const recordPolicy = "policy"

// installation is how messages call the document that holds for all domains.
const installation = "installation"

// storedPolicy is the form that the record keeps.
type storedPolicy struct {
	Text   string              `json:"text"`
	Roles  []string            `json:"roles,omitempty"`
	Groups map[string][]string `json:"groups,omitempty"`
}

func (p storedPolicy) document(domain string) policy.Document {
	if domain == SystemDomain {
		domain = installation
	}
	return policy.Document{Source: domain, Text: p.Text, Roles: p.Roles, Groups: p.Groups}
}

// Policy is what is in force in a domain beside the ready roles.
type Policy struct {
	Domain   string
	Text     string              // Cedar
	Roles    []string            // beside the ready ones
	Groups   map[string][]string // actors, such as "client:array7"
	Revision int64               // 0 while there is none
}

// policyDomain is where the document of a domain is kept; that of the installation
// is the system's.
func (s *Service) policyDomain(ctx context.Context, domain string) error {
	if domain == SystemDomain {
		return nil
	}
	if _, err := s.store.Domain(ctx, domain); errors.Is(err, store.ErrNotFound) {
		return kmip.Fail(kmip.KindObjectNotFound, "no domain %q", domain)
	} else if err != nil {
		return err
	}
	return nil
}

func (s *Service) readPolicy(ctx context.Context, domain string) (storedPolicy, store.Record, error) {
	var p storedPolicy
	if err := s.policyDomain(ctx, domain); err != nil {
		return p, store.Record{}, err
	}
	r, err := s.singleRecord(ctx, domain, recordPolicy, &p)
	return p, r, err
}

// ShowPolicy returns the document of the scope's domain; SystemDomain is the
// installation.
func (s *Service) ShowPolicy(ctx context.Context, sc *Scope) (Policy, error) {
	var shown Policy
	err := s.do(ctx, sc, policy.ActionPolicyShow, func() (outcome, error) {
		var o outcome
		var err error
		if o.detail, err = s.authorizeDocument(ctx, sc, policy.ActionPolicyShow); err != nil {
			return o, err
		}
		p, r, err := s.readPolicy(ctx, sc.Domain)
		shown = Policy{sc.Domain, p.Text, p.Roles, p.Groups, r.Revision}
		return o, err
	})
	return shown, err
}

// changePolicy lets a document change, checks it and makes it the one in force. An
// old one stays in force when the new one is refused.
func (s *Service) changePolicy(ctx context.Context, sc *Scope, what string, change func(*storedPolicy) error) error {
	overridden := ""
	err := s.do(ctx, sc, policy.ActionPolicyUpdate, func() (outcome, error) {
		o := outcome{uid: what, detail: what}
		var err error
		if overridden, err = s.authorizeDocument(ctx, sc, policy.ActionPolicyUpdate); err != nil {
			return o, err
		}
		if overridden != "" {
			o.detail += "; " + overridden
		}
		// Administrators first: one who is revoked meanwhile is a conflict.
		all, err := s.administrators(ctx)
		if err != nil {
			return o, err
		}
		p, r, err := s.readPolicy(ctx, sc.Domain)
		if kmip.KindOf(err) == kmip.KindIntegrity && byBreakGlass(sc) {
			p, err = storedPolicy{}, nil // there is nothing else to begin with
		}
		if err != nil {
			return o, err
		}
		p.Roles, p.Groups = slices.Clone(p.Roles), maps.Clone(p.Groups)
		if err := change(&p); err != nil {
			return o, err
		}
		if err := s.checkPolicy(ctx, sc.Domain, p); err != nil {
			return o, err
		}
		if err := s.checkNotLocked(ctx, sc, p, all.list); err != nil {
			return o, err
		}
		policiesChanged(&o.change)
		if err := s.putSingle(ctx, &o.change, r, sc.Now, p); err != nil {
			return o, err
		}
		return o, s.settleAdministrators(ctx, &o.change, all)
	})
	if err != nil {
		return err
	}
	if overridden != "" {
		s.log.ErrorContext(ctx, "break-glass has changed policies that did not let it", "administrator", sc.Principal.Name,
			"domain", sc.Domain, "reason", overridden)
	}
	return s.refreshPolicies(ctx, true, 0)
}

// SetPolicy replaces the policies of a domain. revision is that of the document
// that was changed; 0 replaces whatever there is.
func (s *Service) SetPolicy(ctx context.Context, sc *Scope, text string, revision int64) error {
	return s.changePolicy(ctx, sc, "policies", func(p *storedPolicy) error {
		if revision != 0 {
			_, r, err := s.readPolicy(ctx, sc.Domain)
			if err != nil {
				return err
			}
			if r.Revision != revision {
				return kmip.Fail(kmip.KindWrongState, "the policy was changed meanwhile: it is revision %d now, not %d; look at it again", r.Revision, revision)
			}
		}
		p.Text = text
		return nil
	})
}

// errNoClients refuses roles and groups where nobody could have them.
var errNoClients = kmip.Fail(kmip.KindInvalidField, "the installation's own domain has no clients, so it has no roles and groups; make them in the domain of those who are to have them")

// CreateRole adds a role that policies of the domain can speak of.
func (s *Service) CreateRole(ctx context.Context, sc *Scope, role string) error {
	return s.changePolicy(ctx, sc, "role "+role, func(p *storedPolicy) error {
		if err := checkName("role", role); err != nil {
			return err
		}
		if sc.Domain == SystemDomain {
			return errNoClients
		}
		if slices.Contains(policy.Roles(policy.KindClient), role) || slices.Contains(p.Roles, role) {
			return kmip.Fail(kmip.KindObjectExists, "role %q exists already", role)
		}
		p.Roles = append(p.Roles, role)
		slices.Sort(p.Roles)
		return nil
	})
}

// DeleteRole removes a role that no policy speaks of; who has it can do nothing any
// more that others do not grant.
func (s *Service) DeleteRole(ctx context.Context, sc *Scope, role string) error {
	return s.changePolicy(ctx, sc, "role "+role, func(p *storedPolicy) error {
		i := slices.Index(p.Roles, role)
		if i < 0 {
			return kmip.Fail(kmip.KindObjectNotFound, "the policy of %s makes no role %q", sc.Domain, role)
		}
		clients, err := s.store.Clients(ctx, sc.Domain)
		if err != nil {
			return err
		}
		for _, c := range clients {
			if c.Role == role && c.Revoked.IsZero() {
				return kmip.Fail(kmip.KindWrongState, "client %q has role %q; grant it another one first", c.Name, role)
			}
		}
		p.Roles = slices.Delete(p.Roles, i, i+1)
		return nil
	})
}

// SetGroup makes a group have these members ("client:NAME", "user:NAME"), and
// removes the group when members is nil.
func (s *Service) SetGroup(ctx context.Context, sc *Scope, group string, members []string) error {
	return s.changePolicy(ctx, sc, "group "+group, func(p *storedPolicy) error {
		if err := checkName("group", group); err != nil {
			return err
		}
		if sc.Domain == SystemDomain && members != nil {
			return errNoClients
		}
		if members == nil {
			if p.Groups[group] == nil {
				return kmip.Fail(kmip.KindObjectNotFound, "no group %q", group)
			}
			delete(p.Groups, group)
			return nil
		}
		for _, m := range members {
			kind, name, _ := strings.Cut(m, ":")
			if err := s.checkActor(ctx, sc.Domain, kind, name); err != nil {
				return err
			}
		}
		if p.Groups == nil {
			p.Groups = map[string][]string{}
		}
		members = slices.Clone(members)
		slices.Sort(members)
		p.Groups[group] = slices.Compact(members)
		return nil
	})
}

// checkActor refuses an actor that is not there.
func (s *Service) checkActor(ctx context.Context, domain, kind, name string) error {
	var err error
	switch kind {
	case policy.KindClient:
		_, err = s.store.Client(ctx, domain, name)
	case policy.KindUser:
		if _, err = s.store.User(ctx, domain, name); errors.Is(err, store.ErrNotFound) {
			m, merr := s.userByName(ctx, s.internal(domain), name)
			if merr != nil || m != nil {
				err = merr
			}
		}
	default:
		return kmip.Fail(kmip.KindInvalidField, "a member is client:NAME or user:NAME, not %q", kind+":"+name)
	}
	if errors.Is(err, store.ErrNotFound) {
		return kmip.Fail(kmip.KindObjectNotFound, "no %s %q in domain %q", kind, name, domain)
	}
	return err
}

// checkPolicy refuses a document that is not Cedar, does not suit the schema, or
// speaks of what is not there. The message says where.
func (s *Service) checkPolicy(ctx context.Context, domain string, p storedPolicy) error {
	d := p.document(domain)
	c, err := policy.Check(d)
	if err != nil {
		return kmip.Fail(kmip.KindInvalidField, "%s", err)
	}
	var problems []string
	if domain != SystemDomain {
		for _, r := range c.Misplaced() {
			problems = append(problems, (&policy.Error{Source: d.Source, Line: r.Line, Column: r.Column, Message: fmt.Sprintf(
				"%s is about the installation, and no document of a domain is asked about it; put the policy into that of the installation (--domain %s)", r.ID, SystemDomain)}).Error())
		}
	}
	for _, r := range c.References() {
		problem, err := s.dangling(ctx, domain, r)
		if err != nil {
			return err
		}
		if problem != "" {
			problems = append(problems, (&policy.Error{Source: d.Source, Line: r.Line, Column: r.Column, Message: problem}).Error())
		}
	}
	if len(problems) > 0 {
		return kmip.Fail(kmip.KindInvalidField, "%s", strings.Join(problems, "\n"))
	}
	return nil
}

// dangling says why something that a policy speaks of is not there; "" if it is.
func (s *Service) dangling(ctx context.Context, domain string, r policy.Reference) (string, error) {
	var err error
	switch r.Type {
	case "Client", "User":
		if domain == SystemDomain {
			return fmt.Sprintf("a policy of the installation cannot name a %s, of which each domain has its own; compare principal.name and principal.domain", strings.ToLower(r.Type)), nil
		}
		err = s.checkActor(ctx, domain, strings.ToLower(r.Type), r.ID)
	case "Administrator":
		list, lerr := s.store.Administrators(ctx)
		if lerr != nil {
			return "", lerr
		}
		if !slices.ContainsFunc(list, func(a store.Administrator) bool { return a.Name == r.ID }) {
			return fmt.Sprintf("no administrator %q", r.ID), nil
		}
	case "Domain":
		if domain != SystemDomain && r.ID != domain {
			return fmt.Sprintf("a policy of domain %q says nothing about domain %q", domain, r.ID), nil
		}
		err = s.policyDomain(ctx, r.ID)
	case "Object":
		if domain == SystemDomain {
			return "a policy of the installation cannot name an object", nil
		}
		if _, err = s.store.Object(ctx, domain, r.ID); errors.Is(err, store.ErrNotFound) {
			return fmt.Sprintf("no object %q in domain %q", r.ID, domain), nil
		}
	}
	var f *kmip.Failure
	if errors.As(err, &f) {
		return f.Message, nil
	}
	return "", err
}
