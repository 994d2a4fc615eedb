package custody

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/policy"
)

// KeyPolicy says how keys live that are made in a domain, by clients of a role, or in an
// Object Group. What is nil it leaves to a less specific policy: that of the group comes
// first, then that of the role, then that of the domain, each thing for itself.
//
// The periods are those of SP 800-57 part 1, §5.3: after the originator-usage period a
// key protects nothing new (Protect Stop Date), after the recipient-usage period it is
// deactivated. Both begin with the Activation Date.
type KeyPolicy struct {
	Group string `json:"group,omitempty"` // at most one of Group and Role
	Role  string `json:"role,omitempty"`
	// Enforce makes what the policy says win over what a client asks for.
	Enforce bool `json:"enforce,omitempty"`
	// Activate is how long after its creation an object becomes Active.
	Activate   *Period `json:"activate_after,omitempty"`
	Originator *Period `json:"originator,omitempty"`
	Recipient  *Period `json:"recipient,omitempty"`
	// Rotate is the interval after which the server replaces a key, whose dates are
	// shifted so that the new one is activated RotateOffset later.
	Rotate       *Period `json:"rotate,omitempty"`
	RotateOffset *Period `json:"rotate_offset,omitempty"`
	// UsageTotal and UsageUnit are the Usage Limits; a total of 0 is none.
	UsageTotal *int64 `json:"usage_total,omitempty"`
	UsageUnit  string `json:"usage_unit,omitempty"` // "byte" or "object"
	// InUse guards what was used within so long: an administrator does not end it by
	// accident, and a Deactivation Date that comes near is warned about.
	InUse *Period `json:"in_use,omitempty"`
}

// about names what a policy is for.
func (p KeyPolicy) about() string {
	switch {
	case p.Group != "":
		return "group " + p.Group
	case p.Role != "":
		return "role " + p.Role
	}
	return "all"
}

func (p KeyPolicy) String() string {
	parts := []string{"key policy of " + p.about() + ":"}
	add := func(name string, v *Period) {
		if v != nil {
			parts = append(parts, name+"="+v.String())
		}
	}
	add("activate_after", p.Activate)
	add("originator", p.Originator)
	add("recipient", p.Recipient)
	add("rotate", p.Rotate)
	add("rotate_offset", p.RotateOffset)
	add("in_use", p.InUse)
	if p.UsageTotal != nil {
		parts = append(parts, fmt.Sprintf("usage=%d %s", *p.UsageTotal, p.UsageUnit))
	}
	if p.Enforce {
		parts = append(parts, "enforced")
	}
	return strings.Join(parts, " ")
}

// Bounds of key policies.
const (
	maxKeyPolicies = 1000 // of a domain
	minInUse       = Period(3600)
	minRotate      = Period(60)
	maxKeyPeriod   = Period(100 * 365 * 86400) // an Interval of KMIP holds 136 years
)

func (p KeyPolicy) check() error {
	bad := func(format string, args ...any) error {
		return kmip.Fail(kmip.KindInvalidField, "%s: %s", p.about(), fmt.Sprintf(format, args...))
	}
	if p.Group != "" && p.Role != "" {
		return kmip.Fail(kmip.KindInvalidField, "a key policy is for a group or a role, not for both")
	}
	if len(p.Group) > maxNameBytes {
		return checkGroup(p.Group)
	}
	if p.Role != "" {
		if err := checkName("role", p.Role); err != nil {
			return err
		}
	}
	given := false
	for _, v := range []struct {
		name     string
		value    *Period
		smallest Period
	}{
		{"activate_after", p.Activate, 0},
		{"originator", p.Originator, 1},
		{"recipient", p.Recipient, 1},
		{"rotate", p.Rotate, minRotate},
		{"rotate_offset", p.RotateOffset, 0},
		{"in_use", p.InUse, minInUse},
	} {
		if v.value == nil {
			continue
		}
		given = true
		if *v.value != Never && (*v.value < v.smallest || *v.value > maxKeyPeriod) {
			return bad("%s is %s; it is from %s to %s, or never", v.name, v.value, v.smallest, maxKeyPeriod)
		}
	}
	switch {
	case p.UsageTotal != nil && *p.UsageTotal < 0:
		return bad("a usage limit is not negative")
	case p.UsageTotal != nil && *p.UsageTotal > 0 && p.UsageUnit != "byte" && p.UsageUnit != "object":
		return bad("the unit of a usage limit is byte or object")
	case p.UsageTotal == nil && p.UsageUnit != "":
		return bad("a unit needs a usage limit")
	case !given && p.UsageTotal == nil:
		return bad("the policy says nothing")
	case p.Originator != nil && p.Recipient != nil && *p.Recipient > 0 && *p.Originator > *p.Recipient:
		return bad("the recipient-usage period (%s) does not end before the originator-usage period (%s)", p.Recipient, p.Originator)
	}
	return nil
}

// same reports whether two policies are for the same.
func (p KeyPolicy) same(group, role string) bool { return p.Group == group && p.Role == role }

// SetKeyPolicies sets policies of the domain of the scope, all or none; each takes the
// place of the one for the same. Objects that exist stay as they are, but for in_use,
// which is looked up when it matters.
func (s *Service) SetKeyPolicies(ctx context.Context, sc *Scope, list []KeyPolicy) error {
	return s.setRules(ctx, sc, policy.ActionKeyPolicyUpdate, func(rules *domainRules) (string, error) {
		all := slices.Clone(rules.KeyPolicies)
		var said []string
		for _, p := range list {
			if err := p.check(); err != nil {
				return "", err
			}
			if i := slices.IndexFunc(all, func(o KeyPolicy) bool { return o.same(p.Group, p.Role) }); i >= 0 {
				all[i] = p
			} else {
				all = append(all, p)
			}
			said = append(said, p.String())
		}
		if len(all) > maxKeyPolicies {
			return "", kmip.Fail(kmip.KindTooMany, "a domain has at most %d key policies", maxKeyPolicies)
		}
		slices.SortFunc(all, func(a, b KeyPolicy) int { return strings.Compare(a.about(), b.about()) })
		rules.KeyPolicies = all
		return strings.Join(said, "; "), nil
	})
}

// RemoveKeyPolicy removes the policy of a group, of a role, or of the domain when both
// are empty.
func (s *Service) RemoveKeyPolicy(ctx context.Context, sc *Scope, group, role string) error {
	return s.setRules(ctx, sc, policy.ActionKeyPolicyUpdate, func(rules *domainRules) (string, error) {
		gone := KeyPolicy{Group: group, Role: role}
		all := slices.DeleteFunc(slices.Clone(rules.KeyPolicies), func(p KeyPolicy) bool { return p.same(group, role) })
		if len(all) == len(rules.KeyPolicies) {
			return "", kmip.Fail(kmip.KindObjectNotFound, "there is no key policy of %s", gone.about())
		}
		rules.KeyPolicies = all
		return "key policy of " + gone.about() + " removed", nil
	})
}

// KeyPolicies lists those of the domain of the scope.
func (s *Service) KeyPolicies(ctx context.Context, sc *Scope) ([]KeyPolicy, error) {
	rules, err := s.showRules(ctx, sc, policy.ActionKeyPolicyShow)
	return rules.KeyPolicies, err
}
