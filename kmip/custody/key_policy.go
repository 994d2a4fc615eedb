package custody

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

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

// setting is what policies say of one thing.
type setting[T any] struct {
	value   T
	set     bool
	enforce bool
}

func (s *setting[T]) from(v *T, enforce bool) {
	if v != nil && !s.set {
		s.value, s.set, s.enforce = *v, true, enforce
	}
}

// keyRules are what all policies together say of an object.
type keyRules struct {
	activate, originator, recipient, rotate, rotateOffset, inUse setting[Period]
	usage                                                        setting[kmip.UsageLimits]
}

// keyRulesOf joins the policies for an object that is in groups and was made by a
// client of a role.
func keyRulesOf(policies []KeyPolicy, groups []string, role string) keyRules {
	var k keyRules
	add := func(group, role string) {
		i := slices.IndexFunc(policies, func(p KeyPolicy) bool { return p.same(group, role) })
		if i < 0 {
			return
		}
		p := policies[i]
		k.activate.from(p.Activate, p.Enforce)
		k.originator.from(p.Originator, p.Enforce)
		k.recipient.from(p.Recipient, p.Enforce)
		k.rotate.from(p.Rotate, p.Enforce)
		k.rotateOffset.from(p.RotateOffset, p.Enforce)
		k.inUse.from(p.InUse, p.Enforce)
		if p.UsageTotal != nil {
			u := kmip.UsageLimits{Total: *p.UsageTotal, Count: *p.UsageTotal, Unit: kmip.UsageLimitsUnitByte}
			if p.UsageUnit == "object" {
				u.Unit = kmip.UsageLimitsUnitObject
			}
			k.usage.from(&u, p.Enforce)
		}
	}
	for _, g := range groups {
		add(g, "")
	}
	if role != "" {
		add("", role)
	}
	add("", "")
	return k
}

// groupsOf are the Object Groups of attributes, or the one of those that name none.
func groupsOf(attrs kmip.Attributes) []string {
	if g := (&managed{attrs: attrs}).resource().Groups; len(g) > 0 {
		return g
	}
	return []string{defaultGroup}
}

// keyRules are those of a new object of the caller.
func (s *Service) keyRules(ctx context.Context, sc *Scope, attrs kmip.Attributes) (keyRules, error) {
	rules, err := s.rules(ctx, sc.Domain)
	if err != nil || len(rules.KeyPolicies) == 0 {
		return keyRules{}, err
	}
	return keyRulesOf(rules.KeyPolicies, groupsOf(attrs), sc.Principal.Role), nil
}

// lives tells which objects are activated and deactivated by policy; certificates say
// their time themselves.
func lives(t kmip.ObjectType) bool {
	switch t {
	case kmip.ObjectTypeSymmetricKey, kmip.ObjectTypePublicKey, kmip.ObjectTypePrivateKey, kmip.ObjectTypeSplitKey,
		kmip.ObjectTypeSecretData, kmip.ObjectTypePGPKey, kmip.ObjectTypeOpaqueObject:
		return true
	}
	return false
}

// protects tells which objects protect something.
func protects(t kmip.ObjectType) bool {
	return t == kmip.ObjectTypeSymmetricKey || t == kmip.ObjectTypePublicKey || t == kmip.ObjectTypePrivateKey
}

// withKeyPolicy gives a new object what the policies say and its request does not; with
// enforcedOnly only what wins over the request.
func (s *Service) withKeyPolicy(ctx context.Context, sc *Scope, t kmip.ObjectType, attrs kmip.Attributes, enforcedOnly bool) (kmip.Attributes, error) {
	if !lives(t) {
		return attrs, nil
	}
	k, err := s.keyRules(ctx, sc, attrs)
	if err != nil || k == (keyRules{}) {
		return attrs, err
	}
	all := slices.Clone(attrs)
	takes := func(set, enforce bool, tag kmip.Tag) bool {
		return set && (enforce || !enforcedOnly && !all.Has(tag))
	}
	if p := k.activate; takes(p.set && p.value >= 0, p.enforce, kmip.TagActivationDate) {
		at := sc.Now.Add(p.value.Duration())
		if start := all.Time(kmip.TagProcessStartDate); !p.enforce && !start.IsZero() && start.Before(at) {
			at = start
		}
		all = all.Set(kmip.DateTime(kmip.TagActivationDate, at))
	}
	all = k.dates(t, all, enforcedOnly)
	if p := k.rotate; (t == kmip.ObjectTypeSymmetricKey || t == kmip.ObjectTypePrivateKey) && takes(p.set && p.value > 0, p.enforce, kmip.TagRotateInterval) {
		all = all.Set(kmip.Boolean(kmip.TagRotateAutomatic, true)).Set(kmip.Interval(kmip.TagRotateInterval, p.value.Duration()))
		if takes(true, p.enforce, kmip.TagRotateOffset) && k.rotateOffset.value >= 0 {
			all = all.Set(kmip.Interval(kmip.TagRotateOffset, k.rotateOffset.value.Duration()))
		}
	}
	if p := k.usage; protects(t) && takes(p.set && p.value.Total > 0, p.enforce, kmip.TagUsageLimits) {
		all = all.Set(p.value.Item())
	}
	return all, nil
}

// dates sets the ends of the periods of an object whose Activation Date is known.
func (k keyRules) dates(t kmip.ObjectType, all kmip.Attributes, enforcedOnly bool) kmip.Attributes {
	from := all.Time(kmip.TagActivationDate)
	if from.IsZero() {
		return all
	}
	takes := func(p setting[Period], tag kmip.Tag) bool {
		return p.set && p.value > 0 && (p.enforce || !enforcedOnly && !all.Has(tag))
	}
	stops := protects(t) && takes(k.originator, kmip.TagProtectStopDate)
	ends := takes(k.recipient, kmip.TagDeactivationDate)
	stop, end := all.Time(kmip.TagProtectStopDate), all.Time(kmip.TagDeactivationDate)
	if stops {
		stop = from.Add(k.originator.value.Duration())
	}
	if ends {
		end = from.Add(k.recipient.value.Duration())
	}
	if !stop.IsZero() && !end.IsZero() && stop.After(end) { // in this order, whichever the client gave (§4.41)
		if ends && !k.recipient.enforce && !stops {
			end = stop
		} else {
			stop, stops = end, true
		}
	}
	if stops {
		all = all.Set(kmip.DateTime(kmip.TagProtectStopDate, stop))
	}
	if ends {
		all = all.Set(kmip.DateTime(kmip.TagDeactivationDate, end))
	}
	return all
}

// activated gives an object that got its Activation Date just now the ends of its
// periods.
func (s *Service) activated(ctx context.Context, sc *Scope, m *managed) error {
	if !lives(m.objectType()) || m.attrs.Uint32(kmip.TagObjectClass) == uint32(kmip.ObjectClassSystem) {
		return nil
	}
	k, err := s.keyRules(ctx, sc, m.attrs)
	if err == nil {
		m.attrs = k.dates(m.objectType(), m.attrs, false)
	}
	return err
}

// staysEnforced refuses a change of an attribute by which an object would outlive what a
// policy enforces. To end it earlier is free.
func (s *Service) staysEnforced(ctx context.Context, sc *Scope, before, after *managed) error {
	k, err := s.keyRules(ctx, sc, before.attrs)
	if err != nil || k == (keyRules{}) {
		return err
	}
	later := func(tag kmip.Tag) bool {
		was, is := before.attrs.Time(tag), after.attrs.Time(tag)
		return !was.IsZero() && (is.IsZero() || is.After(was))
	}
	refuse := func(tag kmip.Tag) error {
		return kmip.Fail(kmip.KindConstraint, "a key policy of the domain enforces the %s of the object", tag.Title())
	}
	switch {
	case k.originator.set && k.originator.enforce && k.originator.value > 0 && later(kmip.TagProtectStopDate):
		return refuse(kmip.TagProtectStopDate)
	case k.recipient.set && k.recipient.enforce && k.recipient.value > 0 && later(kmip.TagDeactivationDate):
		return refuse(kmip.TagDeactivationDate)
	}
	if k.usage.set && k.usage.enforce && k.usage.value.Total > 0 {
		was, had := before.attrs.Get(kmip.TagUsageLimits)
		is, has := after.attrs.Get(kmip.TagUsageLimits)
		if had && (!has || kmip.UsageLimitsOf(is).Unit != kmip.UsageLimitsOf(was).Unit || kmip.UsageLimitsOf(is).Total > kmip.UsageLimitsOf(was).Total) {
			return refuse(kmip.TagUsageLimits)
		}
	}
	return nil
}

// timeless reports that an object had no Activation Date and has one now.
func timeless(before, after kmip.Attributes) bool {
	return before.Time(kmip.TagActivationDate).IsZero() && !after.Time(kmip.TagActivationDate).Equal(time.Time{})
}
