package custody

import (
	"context"
	"slices"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/crypto"
	"github.com/claviger/claviger/store"
)

// notInherited are the attributes that a replacement does not take over (1.4
// §4.4, 2.1 §6.1.46): it gets its own, or none. Name is inherited and taken
// from the old object.
var notInherited = []kmip.Tag{
	kmip.TagUniqueIdentifier, kmip.TagShortUniqueIdentifier, kmip.TagObjectType, kmip.TagObjectClass, kmip.TagDigest,
	kmip.TagInitialDate, kmip.TagLastChangeDate, kmip.TagOriginalCreationDate, kmip.TagRandomNumberGenerator,
	kmip.TagDestroyDate, kmip.TagRevocationReason, kmip.TagCompromiseDate, kmip.TagCompromiseOccurrenceDate,
	kmip.TagArchiveDate, kmip.TagFresh, kmip.TagLeaseTime, kmip.TagKeyFormatType, kmip.TagProtectionStorageMask,
	kmip.TagAlwaysSensitive, kmip.TagNeverExtractable, kmip.TagKeyValuePresent,
	kmip.TagRotateDate, kmip.TagRotateGeneration, kmip.TagRotateLatest,
}

// ReKey makes a replacement for a symmetric key (§6.1.46) and returns its
// Unique Identifier. The old key keeps its state and points to the new one,
// which takes over its Names. offset shifts the dates; nil copies them.
func (s *Service) ReKey(ctx context.Context, sc *Scope, uid string, offset *time.Duration, attrs kmip.Attributes) (string, error) {
	return s.rekey(ctx, sc, uid, offset, attrs, nil)
}

// rekey is ReKey if guard, which may be nil, agrees with the old key.
func (s *Service) rekey(ctx context.Context, sc *Scope, uid string, offset *time.Duration, attrs kmip.Attributes, guard func(*managed) error) (string, error) {
	var fresh string
	err := s.do(ctx, sc, "ReKey", func() (outcome, error) {
		o := outcome{uid: uid}
		old, err := s.load(ctx, sc, "ReKey", uid)
		if err != nil {
			return o, err
		}
		switch {
		case old.objectType() != kmip.ObjectTypeSymmetricKey:
			return o, kmip.Fail(kmip.KindObjectType, "Re-key replaces symmetric keys; this is a %s", old.objectType())
		case old.destroyed():
			return o, kmip.Fail(kmip.KindObjectDestroyed, "the key is destroyed")
		case old.row.Material == nil || !old.hasValue():
			return o, kmip.Fail(kmip.KindKeyValueNotPresent, "the server has no value of this key")
		}
		if guard != nil {
			if err := guard(old); err != nil {
				return o, err
			}
		}
		if err := checkCreation(attrs); err != nil {
			return o, err
		}
		inherited, err := inherit(old, attrs, offset, sc.Now)
		if err != nil {
			return o, err
		}
		if inherited, err = s.withKeyPolicy(ctx, sc, old.objectType(), inherited, true); err != nil {
			return o, err
		}
		dates := old.attrs.Dates()
		if offset != nil {
			dates = inherited.Dates() // they keep their distances
		}
		replacement, where, err := s.replacement(ctx, sc, old, inherited, dates)
		if err != nil {
			return o, err
		}
		fresh = replacement.row.UID
		o.uid = fresh
		o.change, err = s.replace(ctx, sc, old, replacement)
		settle(&o.change, where)
		return o, err
	})
	return fresh, err
}

// hasValue is false for an object registered without Key Value.
func (m *managed) hasValue() bool {
	present, ok := m.attrs.Get(kmip.TagKeyValuePresent)
	return !ok || present.Bool()
}

// inherit joins the attributes of the old object with those of the request and
// computes the dates.
func inherit(old *managed, attrs kmip.Attributes, offset *time.Duration, now time.Time) (kmip.Attributes, error) {
	dates := []kmip.Tag{kmip.TagActivationDate, kmip.TagProcessStartDate, kmip.TagProtectStopDate, kmip.TagDeactivationDate}
	shift := time.Duration(0)
	if offset != nil {
		for _, tag := range dates {
			if attrs.Has(tag) {
				return nil, kmip.Fail(kmip.KindOffsetWithDates, "Offset and %s exclude each other", tag.Title())
			}
		}
		activation := old.attrs.Time(kmip.TagActivationDate)
		if activation.IsZero() {
			return nil, kmip.Fail(kmip.KindOffsetWithoutActivation, "the key has no Activation Date that Offset could shift")
		}
		shift = now.Add(*offset).Sub(activation)
	}
	var all kmip.Attributes
	for _, at := range old.attrs {
		rule, _ := kmip.RuleOf(at.AttributeID)
		switch {
		case slices.Contains(notInherited, at.Tag), at.Tag == kmip.TagLink && ownLink(at):
			continue
		case !rule.Multi && attrs.Has(at.Tag) && !at.IsVendor():
			continue
		case offset != nil && slices.Contains(dates, at.Tag):
			at.Value = kmip.DateTime(at.Tag, at.Value.Time().Add(shift))
		}
		all = append(all, at)
	}
	for _, at := range attrs {
		if rule, _ := kmip.RuleOf(at.AttributeID); rule.Multi && len(all.Instances(at.AttributeID)) > 0 &&
			slices.ContainsFunc(all.Instances(at.AttributeID), func(o kmip.Attribute) bool { return o.Value.Equal(at.Value) }) {
			continue
		}
		all = append(all, at)
	}
	return all, nil
}

// ownLink reports whether a Link belongs to one object: it tells of its
// replacement or of the other half of its pair.
func ownLink(at kmip.Attribute) bool {
	switch kmip.LinkOf(at.Value).Type {
	case kmip.LinkTypeReplacementObjectLink, kmip.LinkTypeReplacedObjectLink, kmip.LinkTypePublicKeyLink, kmip.LinkTypePrivateKeyLink:
		return true
	}
	return false
}

// replacement makes the new key; dates are those that need not be in order.
func (s *Service) replacement(ctx context.Context, sc *Scope, old *managed, attrs kmip.Attributes, dates kmip.Dates) (*managed, residence, error) {
	link := kmip.NewAttribute(kmip.LinkValue{Type: kmip.LinkTypeReplacedObjectLink, Target: old.row.UID}.Item())
	if hardware, err := s.toHardware(ctx, sc, old); err != nil {
		return nil, residence{}, err
	} else if hardware {
		return s.newResidentKey(ctx, sc, append(withoutSecrecy(attrs), link), dates)
	}
	alg := kmip.CryptographicAlgorithm(attrs.Uint32(kmip.TagCryptographicAlgorithm))
	length := attrs.Int32(kmip.TagCryptographicLength)
	key, err := crypto.GenerateSymmetric(alg, length, s.random)
	if err != nil {
		return nil, residence{}, err
	}
	value := &kmip.Object{Type: kmip.ObjectTypeSymmetricKey, Key: &kmip.KeyBlock{Format: kmip.KeyFormatTypeRaw, Material: key, Algorithm: alg, LengthBits: length}}
	defer value.Destroy()
	attrs = attrs.Remove(kmip.TagCryptographicAlgorithm, kmip.TagCryptographicLength)
	m, err := s.make(ctx, sc, newborn{
		typ: kmip.ObjectTypeSymmetricKey, attrs: append(attrs, link), value: value, algorithm: alg, length: length,
		format: kmip.KeyFormatTypeRaw, generated: true, dates: dates,
	})
	return m, residence{}, err
}

// replace plans the change: the new object is there, has the names, and both
// link to each other.
func (s *Service) replace(ctx context.Context, sc *Scope, old, fresh *managed) (store.Change, error) {
	before := &managed{row: old.row, attrs: slices.Clone(old.attrs)}
	old.attrs = slices.DeleteFunc(old.attrs, func(at kmip.Attribute) bool {
		return at.Tag == kmip.TagName || at.Tag == kmip.TagLink && kmip.LinkOf(at.Value).Type == kmip.LinkTypeReplacementObjectLink
	})
	old.attrs = old.attrs.Add(kmip.NewAttribute(kmip.LinkValue{Type: kmip.LinkTypeReplacementObjectLink, Target: fresh.row.UID}.Item()))
	rotated(old, fresh, sc.Now)
	if err := s.write(ctx, fresh); err != nil {
		return store.Change{}, err
	}
	row, err := s.update(ctx, sc, old, true)
	if err != nil {
		return store.Change{}, err
	}
	c := s.insert(fresh)
	c.Update = []store.Object{row}
	diff(&c, before, old)
	return c, nil
}
