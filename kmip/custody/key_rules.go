package custody

import (
	"context"
	"slices"

	"github.com/claviger/claviger/kmip"
)

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

// keyRules are those of a new object of the caller, or of whom the server makes it for.
func (s *Service) keyRules(ctx context.Context, sc *Scope, attrs kmip.Attributes) (keyRules, error) {
	rules, err := s.rules(ctx, sc.Domain)
	if err != nil || len(rules.KeyPolicies) == 0 {
		return keyRules{}, err
	}
	role := sc.Principal.Role
	if sc.creator != "" {
		if role, err = s.creatorRole(ctx, sc.Domain, sc.creator); err != nil {
			return keyRules{}, err
		}
	}
	return keyRulesOf(rules.KeyPolicies, groupsOf(attrs), role), nil
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
	return before.Time(kmip.TagActivationDate).IsZero() && !after.Time(kmip.TagActivationDate).IsZero()
}
