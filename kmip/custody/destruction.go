package custody

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/policy"
)

// DestructionRule says what Destroy does to the material of an object.
type DestructionRule struct {
	// Days is how long material is kept, out of reach, after Destroy; 0: it is
	// removed at once.
	Days int `json:"days"`
	// Protected is purge protection: the rule can only be made longer from now on,
	// and nobody ends a waiting period early.
	Protected bool `json:"protected,omitempty"`
	// AllowNow lets administrators destroy without waiting.
	AllowNow bool `json:"allow_now,omitempty"`
}

func (r DestructionRule) String() string {
	switch {
	case r.Days == 0:
		return "immediate"
	case r.Protected:
		return fmt.Sprintf("%d days, purge protection", r.Days)
	case r.AllowNow:
		return fmt.Sprintf("%d days, administrators need not wait", r.Days)
	}
	return fmt.Sprintf("%d days", r.Days)
}

// period is how long material is kept.
func (r DestructionRule) period() time.Duration { return time.Duration(r.Days) * 24 * time.Hour }

// maxDestructionDays bounds a waiting period.
const maxDestructionDays = 365

// DestructionRules are those of a domain: the rule of objects, and those of objects
// of some Object Groups.
type DestructionRules struct {
	DestructionRule
	Groups map[string]DestructionRule `json:"groups,omitempty"`
}

type destructionRules = DestructionRules

// maxRuleGroups bounds the groups that have rules of their own.
const maxRuleGroups = 1000

// of is the rule of an object that is in groups: that of its groups, the longest if
// there are several, else that of the domain. No group shortens what purge
// protection guards, be it of the domain or of another group.
func (d DestructionRules) of(groups []string) DestructionRule {
	r, found := d.DestructionRule, false
	for _, g := range groups {
		own, ok := d.Groups[g]
		switch {
		case !ok:
		case !found:
			found = true
			own.Protected = own.Protected || r.Protected
			if r.Protected {
				own.Days = max(own.Days, r.Days)
			}
			r = own
		default:
			r = DestructionRule{Days: max(r.Days, own.Days), Protected: r.Protected || own.Protected, AllowNow: r.AllowNow && own.AllowNow}
		}
	}
	r.AllowNow = r.Days == 0 || r.AllowNow && !r.Protected
	return r
}

// guarded is the longest waiting period in days that purge protection gives an object
// that is in groups.
func (d DestructionRules) guarded(groups []string) int {
	days := 0
	if d.Protected {
		days = d.Days
	}
	for _, g := range groups {
		if own := d.Groups[g]; own.Protected {
			days = max(days, own.Days)
		}
	}
	return days
}

// check refuses a rule that cannot be, or that would weaken purge protection.
func (r DestructionRule) check(before DestructionRule) error {
	switch {
	case r.Days < 0 || r.Days > maxDestructionDays:
		return kmip.Fail(kmip.KindInvalidField, "a waiting period has 1 to %d days", maxDestructionDays)
	case before.Protected && !r.Protected:
		return kmip.Fail(kmip.KindWrongState, "purge protection is on and cannot be switched off")
	case before.Protected && r.Days < before.Days:
		return kmip.Fail(kmip.KindWrongState, "purge protection is on: the waiting period of %d days can only be lengthened", before.Days)
	case r.Protected && r.Days == 0:
		return kmip.Fail(kmip.KindInvalidField, "purge protection needs a waiting period; give its days")
	case r.Protected && r.AllowNow:
		return kmip.Fail(kmip.KindInvalidField, "with purge protection nobody destroys without waiting")
	}
	return nil
}

// SetDestruction sets what Destroy does in the domain of the scope; group narrows it
// to objects of an Object Group, and is empty for all. What is pending keeps its date.
func (s *Service) SetDestruction(ctx context.Context, sc *Scope, group string, rule DestructionRule) error {
	return s.setRules(ctx, sc, policy.ActionKeyPolicyUpdate, func(rules *domainRules) (string, error) {
		d := &rules.Destruction
		if group == "" {
			if err := rule.check(d.DestructionRule); err != nil {
				return "", err
			}
			d.DestructionRule = rule
			return "destruction: " + rule.String(), nil
		}
		if err := checkGroup(group); err != nil {
			return "", err
		}
		before, known := d.Groups[group]
		if err := rule.check(before); err != nil {
			return "", err
		}
		if !known && len(d.Groups) >= maxRuleGroups {
			return "", kmip.Fail(kmip.KindTooMany, "at most %d Object Groups have rules of their own", maxRuleGroups)
		}
		d.Groups = maps.Clone(d.Groups)
		if d.Groups == nil {
			d.Groups = map[string]DestructionRule{}
		}
		d.Groups[group] = rule
		return fmt.Sprintf("destruction in group %s: %s", group, rule), nil
	})
}

// RemoveDestruction takes the rule of an Object Group away: that of the domain holds.
func (s *Service) RemoveDestruction(ctx context.Context, sc *Scope, group string) error {
	return s.setRules(ctx, sc, policy.ActionKeyPolicyUpdate, func(rules *domainRules) (string, error) {
		d := &rules.Destruction
		before, known := d.Groups[group]
		switch {
		case !known:
			return "", kmip.Fail(kmip.KindObjectNotFound, "the group %q has no rule of its own", group)
		case before.Protected:
			return "", kmip.Fail(kmip.KindWrongState, "purge protection is on and cannot be switched off")
		}
		d.Groups = maps.Clone(d.Groups)
		delete(d.Groups, group)
		return fmt.Sprintf("destruction in group %s: as in the domain", group), nil
	})
}

// Destruction shows what Destroy does in the domain of the scope.
func (s *Service) Destruction(ctx context.Context, sc *Scope) (DestructionRules, error) {
	rules, err := s.showRules(ctx, sc, policy.ActionDomainList)
	return rules.Destruction, err
}

// checkGroup refuses what is no name of an Object Group.
func checkGroup(group string) error {
	if group == "" || len(group) > maxNameBytes {
		return kmip.Fail(kmip.KindInvalidField, "an Object Group has a name of 1 to %d bytes", maxNameBytes)
	}
	return nil
}

// destructionRule is what Destroy does to an object. Objects of the server's own, such
// as credentials, end at once.
func (s *Service) destructionRule(ctx context.Context, sc *Scope, m *managed) (DestructionRule, error) {
	if m.attrs.Uint32(kmip.TagObjectClass) == uint32(kmip.ObjectClassSystem) {
		return DestructionRule{AllowNow: true}, nil
	}
	rules, err := s.rules(ctx, sc.Domain)
	if err != nil {
		return DestructionRule{}, err
	}
	return rules.Destruction.of(m.resource().Groups), nil
}

// staysProtected refuses to take an object out of an Object Group whose purge
// protection it has.
func (s *Service) staysProtected(ctx context.Context, sc *Scope, before, after *managed) error {
	was, is := before.resource().Groups, after.resource().Groups
	if slices.Equal(was, is) {
		return nil
	}
	rules, err := s.rules(ctx, sc.Domain)
	if err != nil {
		return err
	}
	if d := rules.Destruction; d.guarded(is) < d.guarded(was) {
		return kmip.Fail(kmip.KindPermissionDenied, "the Object Group has purge protection, and an object cannot leave it")
	}
	return nil
}
