package custody

import (
	"context"
	"slices"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/lifecycle"
	"github.com/claviger/claviger/store"
)

// Change names the instance of an attribute that an operation is about: by
// value, by the index of KMIP 1.x, or by nothing, which is the only instance.
type Change struct {
	Current *kmip.Attribute
	Index   *int32
	// First tells that the instance with index 0 is meant when nothing names
	// one, as KMIP 1.x does.
	First bool
}

// AddAttribute adds an instance (§6.1.2) and returns it as it is stored.
func (s *Service) AddAttribute(ctx context.Context, sc *Scope, uid string, at kmip.Attribute) (kmip.Attribute, error) {
	var added kmip.Attribute
	err := s.amend(ctx, sc, "AddAttribute", uid, at.AttributeID, func(m *managed, c *store.Change) error {
		rule, err := ruleFor(at.AttributeID)
		if err != nil {
			return err
		}
		if !rule.Add {
			return readOnly(at.AttributeID)
		}
		if err := checkAttributeValue(at); err != nil {
			return err
		}
		has := m.attrs.Instances(at.AttributeID)
		switch {
		case len(has) > 0 && !rule.Multi:
			return kmip.Fail(kmip.KindAttributeSingleValued, "%s is set already and has one value only", at)
		case len(has) >= maxInstances:
			return kmip.Fail(kmip.KindTooMany, "%s has %d instances already", at, len(has))
		case at.Tag == kmip.TagName && slices.Contains(m.attrs.Names(), kmip.NameOf(at.Value).Value):
			return kmip.Fail(kmip.KindNameNotUnique, "the object has this Name already")
		}
		if err := m.mayChangeDate(at, sc.Now); err != nil {
			return err
		}
		at := normal(at)
		m.attrs = m.attrs.Add(at)
		added = m.attrs[len(m.attrs)-1]
		return m.limits(c, at)
	})
	return added, err
}

// ModifyAttribute changes an instance (§6.1.34) and returns it.
func (s *Service) ModifyAttribute(ctx context.Context, sc *Scope, uid string, at kmip.Attribute, which Change) (kmip.Attribute, error) {
	var changed kmip.Attribute
	err := s.amend(ctx, sc, "ModifyAttribute", uid, at.AttributeID, func(m *managed, c *store.Change) error {
		rule, err := ruleFor(at.AttributeID)
		if err != nil {
			return err
		}
		if !rule.Modify {
			return readOnly(at.AttributeID)
		}
		if err := checkAttributeValue(at); err != nil {
			return err
		}
		if which.Current != nil && which.Current.AttributeID != at.AttributeID {
			return kmip.Fail(kmip.KindInvalidField, "%s is no instance of %s", which.Current, at)
		}
		i, err := m.instance(at, which)
		if err != nil {
			return err
		}
		if err := m.mayTouchLimits(at.AttributeID); err != nil {
			return err
		}
		changed, err = m.modify(i, at, sc.Now)
		if err != nil {
			return err
		}
		return m.limits(c, changed)
	})
	return changed, err
}

// SetAttribute creates an attribute or replaces its one instance (§6.1.51).
func (s *Service) SetAttribute(ctx context.Context, sc *Scope, uid string, at kmip.Attribute) error {
	return s.amend(ctx, sc, "SetAttribute", uid, at.AttributeID, func(m *managed, c *store.Change) error {
		rule, err := ruleFor(at.AttributeID)
		if err != nil {
			return err
		}
		if err := checkAttributeValue(at); err != nil {
			return err
		}
		has := m.attrs.Matching(ownID(at))
		switch {
		case len(has) > 1:
			return kmip.Fail(kmip.KindAttributeMultiValued, "%s has %d instances", at, len(has))
		case len(has) == 0 && !rule.Add, len(has) == 1 && !rule.Modify:
			return readOnly(at.AttributeID)
		}
		if err := m.mayTouchLimits(at.AttributeID); err != nil {
			return err
		}
		if len(has) == 0 {
			if err := m.mayChangeDate(at, sc.Now); err != nil {
				return err
			}
			m.attrs = m.attrs.Add(normal(at))
			return m.limits(c, normal(at))
		}
		i, err := m.instance(at, Change{})
		if err != nil {
			return err
		}
		changed, err := m.modify(i, at, sc.Now)
		if err != nil {
			return err
		}
		return m.limits(c, changed)
	})
}

// DeleteAttribute deletes the named instance, or all instances when neither
// value nor index names one and First is not set (§6.1.13). It returns one of
// the deleted instances.
func (s *Service) DeleteAttribute(ctx context.Context, sc *Scope, uid string, id kmip.AttributeID, which Change) (kmip.Attribute, error) {
	var deleted kmip.Attribute
	err := s.amend(ctx, sc, "DeleteAttribute", uid, id, func(m *managed, c *store.Change) error {
		stored := kmip.Attribute{AttributeID: id}
		if t, ok := kmip.LinkTypeOf(id.Tag); ok {
			stored = kmip.NewAttribute(kmip.LinkValue{Type: t}.Item())
		}
		rule, err := ruleFor(stored.AttributeID)
		if err != nil {
			return kmip.Fail(kmip.KindAttributeNotFound, "the object has no attribute %s", id)
		}
		if !rule.Delete {
			return readOnly(id)
		}
		if err := m.mayTouchLimits(id); err != nil {
			return err
		}
		has := m.attrs.Matching(id)
		if len(has) == 0 {
			return kmip.Fail(kmip.KindAttributeNotFound, "the object has no attribute %s", id)
		}
		deleted = has[0]
		if id.Tag == kmip.TagUsageLimits {
			c.Counters = append(c.Counters, store.CounterChange{Domain: m.row.Domain, UID: m.row.UID, RemoveUsage: true})
		}
		if which.Current == nil && which.Index == nil && !which.First {
			m.attrs = slices.DeleteFunc(m.attrs, func(at kmip.Attribute) bool {
				return at.AttributeID == stored.AttributeID && (stored.AttributeID == id || ownID(at) == id)
			})
			return nil
		}
		i, err := m.instance(stored, which)
		if err != nil {
			return err
		}
		deleted = m.attrs[i]
		m.attrs = slices.Delete(m.attrs, i, i+1)
		return nil
	})
	return deleted, err
}

// amend loads an object, lets one of its attributes change, and plans the update with
// what follows from it: names, links, groups, and the state.
func (s *Service) amend(ctx context.Context, sc *Scope, action, uid string, what kmip.AttributeID, change func(*managed, *store.Change) error) error {
	return s.do(ctx, sc, action, func() (outcome, error) {
		o := outcome{uid: uid}
		m, err := s.load(ctx, sc, action, uid)
		if err != nil {
			return o, err
		}
		if m.destroyed() {
			return o, kmip.Fail(kmip.KindObjectDestroyed, "the object is destroyed")
		}
		before := &managed{row: m.row, attrs: slices.Clone(m.attrs), state: m.state}
		if err := change(m, &o.change); err != nil {
			return o, err
		}
		o.detail = printable(what.String())
		if err := s.mayAmend(ctx, sc, action, before, m); err != nil {
			return o, err
		}
		if m.columns(); binding(m.row) != binding(before.row) {
			return o, kmip.Fail(kmip.KindAttributeReadOnly, "Cryptographic Algorithm and Cryptographic Length are fixed when the object is made")
		}
		if err := checkDates(before.attrs.Dates(), m.attrs.Dates()); err != nil {
			return o, err
		}
		if err := s.staysProtected(ctx, sc, before, m); err != nil {
			return o, err
		}
		if err := s.staysEnforced(ctx, sc, before, m); err != nil {
			return o, err
		}
		if timeless(before.attrs, m.attrs) {
			if err := s.activated(ctx, sc, m); err != nil {
				return o, err
			}
		}
		if !before.attrs.Bool(kmip.TagQuantumSafe) {
			if err := checkQuantumSafe(m.attrs); err != nil {
				return o, err
			}
		}
		m.state = lifecycle.Effective(m.state, m.attrs.Dates(), sc.Now)
		if len(m.attrs) > max(len(before.attrs), maxAttributes) {
			return o, kmip.Fail(kmip.KindTooMany, "an object has at most %d attributes", maxAttributes)
		}
		stored := len(m.row.Attributes)
		row, err := s.update(ctx, sc, m, true)
		if err != nil {
			return o, err
		}
		if len(row.Attributes) > max(stored, maxAttributeBytes) {
			return o, kmip.Fail(kmip.KindTooMany, "the attributes of an object have at most %d bytes", maxAttributeBytes)
		}
		o.change.Update = []store.Object{row}
		diff(&o.change, before, m)
		return o, nil
	})
}

func ruleFor(id kmip.AttributeID) (kmip.Rule, error) {
	rule, ok := kmip.RuleOf(id)
	if !ok {
		return rule, kmip.Fail(kmip.KindAttributeUnsupported, "no attribute %s", id)
	}
	return rule, nil
}

func readOnly(id kmip.AttributeID) error {
	return kmip.Fail(kmip.KindAttributeReadOnly, "%s cannot be changed by a client", id)
}

// ownID is the identity of an attribute where nothing names an instance: a Link
// is one of its kind, because kinds of links do not stand for each other.
func ownID(at kmip.Attribute) kmip.AttributeID {
	if at.Tag == kmip.TagLink {
		if tag, ok := kmip.LinkTag(kmip.LinkOf(at.Value).Type); ok {
			return kmip.AttributeID{Tag: tag}
		}
	}
	return at.AttributeID
}

// instance finds the instance of an attribute that is meant.
func (m *managed) instance(of kmip.Attribute, which Change) (int, error) {
	found, count := -1, 0
	only := which.Current == nil && which.Index == nil && !which.First
	for i, at := range m.attrs {
		if at.AttributeID != of.AttributeID || only && ownID(at) != ownID(of) {
			continue
		}
		count++
		switch {
		case which.Current != nil:
			if at.Value.Equal(normal(*which.Current).Value) || at.Tag == kmip.TagName && kmip.NameOf(at.Value).Value == kmip.NameOf(which.Current.Value).Value {
				return i, nil
			}
		case which.Index != nil:
			if at.Index == int(*which.Index) {
				return i, nil
			}
		case which.First:
			if at.Index == 0 {
				return i, nil
			}
		default:
			found = i
		}
	}
	switch {
	case count == 0:
		return 0, kmip.Fail(kmip.KindAttributeNotFound, "the object has no attribute %s", of)
	case found < 0:
		return 0, kmip.Fail(kmip.KindAttributeInstance, "%s has no such instance", of)
	case count > 1:
		return 0, kmip.Fail(kmip.KindAttributeMultiValued, "%s has %d instances; say which one is meant", of, count)
	}
	return found, nil
}

// modify replaces the value of an instance.
func (m *managed) modify(i int, at kmip.Attribute, now time.Time) (kmip.Attribute, error) {
	if err := m.mayChangeDate(at, now); err != nil {
		return at, err
	}
	if at.Tag == kmip.TagName {
		for n, other := range m.attrs {
			if n != i && other.Tag == kmip.TagName && kmip.NameOf(other.Value).Value == kmip.NameOf(at.Value).Value {
				return at, kmip.Fail(kmip.KindNameNotUnique, "the object has this Name already")
			}
		}
	}
	if _, typed := at.Value.Field(kmip.TagNameType); at.Tag == kmip.TagName && !typed { // KMIP 3.0 has no Name Type: it stays
		at.Value = kmip.NameValue{Value: kmip.NameOf(at.Value).Value, Type: kmip.NameOf(m.attrs[i].Value).Type}.Item()
	}
	m.attrs[i].Value = normal(at).Value
	switch at.Tag {
	case kmip.TagSensitive:
		if !at.Value.Bool() {
			m.attrs = m.attrs.Set(kmip.Boolean(kmip.TagAlwaysSensitive, false))
		}
	case kmip.TagExtractable:
		if at.Value.Bool() && m.resident() {
			return at, kmip.Fail(kmip.KindAttributeValue, "a key that lives in hardware is not extractable")
		}
		if at.Value.Bool() {
			m.attrs = m.attrs.Set(kmip.Boolean(kmip.TagNeverExtractable, false))
		}
	}
	return m.attrs[i], nil
}

// mayChangeDate applies the conditions of the dates of the lifecycle (§4.1,
// §4.18, §4.40, §4.41).
func (m *managed) mayChangeDate(at kmip.Attribute, now time.Time) error {
	var allowed bool
	d := m.attrs.Dates()
	early := m.state == kmip.StatePreActive || m.state == kmip.StateActive
	switch at.Tag {
	case kmip.TagActivationDate:
		allowed = m.state == kmip.StatePreActive
	case kmip.TagDeactivationDate:
		allowed = early
	case kmip.TagProcessStartDate:
		allowed = early && (d.ProcessStart.IsZero() || now.Before(d.ProcessStart))
	case kmip.TagProtectStopDate:
		allowed = early && (d.ProtectStop.IsZero() || now.Before(d.ProtectStop))
	default:
		return nil
	}
	if !allowed {
		return kmip.Fail(kmip.KindWrongState, "%s can no longer be changed in state %s", at.Tag.Title(), m.state)
	}
	return nil
}

// mayTouchLimits refuses to change Usage Limits from which something was taken.
func (m *managed) mayTouchLimits(id kmip.AttributeID) error {
	if id.Tag == kmip.TagUsageLimits && m.row.Counter.Allocated {
		return kmip.Fail(kmip.KindAttributeReadOnly, "Usage Limits are fixed once usage was allocated")
	}
	return nil
}

// limits plans the counter of Usage Limits that were set.
func (m *managed) limits(c *store.Change, at kmip.Attribute) error {
	if at.Tag != kmip.TagUsageLimits {
		return nil
	}
	total := kmip.UsageLimitsOf(at.Value).Total
	c.Counters = append(c.Counters, store.CounterChange{Domain: m.row.Domain, UID: m.row.UID, SetUsage: &total})
	return nil
}
