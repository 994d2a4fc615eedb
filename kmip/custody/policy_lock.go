package custody

import (
	"context"
	"errors"
	"slices"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

// Policies bind those who change policies too. Nothing that is done may leave nobody
// who can change a document; what happens by itself, such as that certificates expire,
// still can, and then break-glass changes it.

// byBreakGlass reports whether the caller came by break-glass.
func byBreakGlass(sc *Scope) bool {
	return sc.Principal.Kind == policy.KindAdministrator && isBreakGlass(sc.Principal.Name)
}

// authorizeDocument asks policy whether the caller may see or change a document. An
// administrator by break-glass may, whatever documents say or whether they can be read
// at all; overridden then tells what they said, for the audit.
func (s *Service) authorizeDocument(ctx context.Context, sc *Scope, action string) (overridden string, err error) {
	err = s.authorize(ctx, sc, action, policy.Resource{})
	if err == nil || !byBreakGlass(sc) {
		return "", err
	}
	var d *denial
	var n *approvalNeed
	reason := err.Error()
	switch {
	case errors.As(err, &d):
		reason = d.reason
	case errors.As(err, &n):
		reason = n.needs()
	}
	return "by break-glass, although " + reason, nil
}

// changers asks who of administrators could change a document.
type changers struct {
	sc   *Scope
	bare *policy.Set // without any document
}

func newChangers(sc *Scope) changers { return changers{sc, policy.NewSet(nil, nil)} }

// none reports whether nobody could change the document of a domain, and what keeps
// those whose duty it is from it. Whose certificate has expired, or who came by
// break-glass, does not count.
func (c changers) none(set *policy.Set, domain string, list []store.Administrator) (reason string, none bool) {
	decide := func(set *policy.Set, a store.Administrator, action string) policy.Decision {
		return set.Decide(policy.Request{
			Principal: policy.Principal{Kind: policy.KindAdministrator, Name: a.Name, Role: a.Role}, Action: action,
			Resource: policy.Resource{Domain: domain}, Context: policy.Context{Time: c.sc.Now, Source: c.sc.address(), Door: "admin", TLS: c.sc.TLS},
		})
	}
	good := slices.DeleteFunc(slices.Clone(list), func(a store.Administrator) bool {
		return !a.Revoked.IsZero() || !c.sc.Now.Before(a.NotAfter) || isBreakGlass(a.Name)
	})
	approvers := 0
	for _, a := range good {
		if decide(set, a, policy.ActionApprovalGive).Allow {
			approvers++
		}
	}
	for _, a := range good {
		others := approvers
		if decide(set, a, policy.ActionApprovalGive).Allow {
			others--
		}
		d := decide(set, a, policy.ActionPolicyUpdate)
		if d.Allow || d.Approvals > 0 && d.Approvals <= others {
			return "", false
		}
		if reason == "" && decide(c.bare, a, policy.ActionPolicyUpdate).Allow {
			reason = d.Reason
		}
	}
	return reason, true
}

// checkNotLocked refuses a document under which nobody could change it any more. It is
// not to blame when nobody could without it.
func (s *Service) checkNotLocked(ctx context.Context, sc *Scope, p storedPolicy, list []store.Administrator) error {
	set, err := s.policies(ctx)
	if err != nil && sc.Domain == SystemDomain && byBreakGlass(sc) {
		set, err = policy.NewSet(nil, nil), nil // the document that cannot be read is the one that is replaced
	}
	if err != nil {
		return err
	}
	with := func(p storedPolicy) (*policy.Set, error) {
		c, err := policy.Compile(p.document(sc.Domain))
		if err != nil {
			return nil, err
		}
		if sc.Domain == SystemDomain {
			return set.WithInstallation(c), nil
		}
		return set.With(sc.Domain, c), nil
	}
	then, err := with(p)
	if err != nil {
		return err
	}
	c := newChangers(sc)
	reason, locked := c.none(then, sc.Domain, list)
	if !locked {
		return nil
	}
	empty, err := with(storedPolicy{})
	if err != nil {
		return err
	}
	if _, anyhow := c.none(empty, sc.Domain, list); anyhow {
		return nil
	}
	return kmip.Fail(kmip.KindInvalidField, "with these policies no administrator could change them any more: %s; leave policy.update to somebody whose certificate is good", reason)
}

// checkSomebodyStays refuses that administrators end without whom nobody could change
// the policies of the installation, or of a domain, any more.
func (s *Service) checkSomebodyStays(ctx context.Context, sc *Scope, ending string, before, after []store.Administrator) error {
	if byBreakGlass(sc) {
		return nil
	}
	if err := s.refreshPolicies(ctx, true, 0); err != nil {
		return err
	}
	set, err := s.policies(ctx)
	if err != nil {
		return err
	}
	domains, err := s.store.Domains(ctx)
	if err != nil {
		return err
	}
	c := newChangers(sc)
	for _, d := range append([]store.Domain{{Name: SystemDomain}}, domains...) {
		reason, locked := c.none(set, d.Name, after)
		if !locked {
			continue
		}
		if _, already := c.none(set, d.Name, before); already {
			continue
		}
		whose := "of the installation"
		if d.Name != SystemDomain {
			whose = "of domain " + d.Name
		}
		return kmip.Fail(kmip.KindWrongState, "without %s nobody could change the policies %s any more: %s; change that policy first, so that somebody else may", ending, whose, reason)
	}
	return nil
}
