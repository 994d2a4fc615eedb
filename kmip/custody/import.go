package custody

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/lifecycle"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

// ImportArgs are the arguments of Import.
type ImportArgs struct {
	UID      string
	Type     kmip.ObjectType
	Replace  bool
	WrapType kmip.KeyWrapType
	Attrs    kmip.Attributes
	Value    *kmip.Object // stays the caller's
}

// maxUIDBytes bounds identifiers that clients choose.
const maxUIDBytes = 255

// Import takes an object over with its identifier and attributes (§6.1.25): they
// are taken as they are given, and only what every object has is added. With
// Replace an object of the domain that has the identifier is replaced; it must
// be of the same type, and one that the caller may destroy.
func (s *Service) Import(ctx context.Context, sc *Scope, a ImportArgs) error {
	return s.do(ctx, sc, "Import", func() (outcome, error) {
		o := outcome{uid: a.UID}
		if err := s.authorize(ctx, sc, "Import", policy.Resource{UID: a.UID, Type: uint32(a.Type)}); err != nil {
			return o, err
		}
		switch {
		case len(a.UID) > maxUIDBytes:
			return o, kmip.Fail(kmip.KindInvalidField, "a Unique Identifier has at most %d bytes", maxUIDBytes)
		case a.Value == nil:
			return o, kmip.Fail(kmip.KindMissingField, "Import needs an object")
		case a.Value.Type != a.Type:
			return o, kmip.Fail(kmip.KindObjectTypeMismatch, "Object Type is %s, the object is a %s", a.Type, a.Value.Type)
		}
		existing, err := sc.reader.Object(ctx, a.UID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return o, err
		}
		found := err == nil
		var old *managed
		if !found || existing.State == store.State(kmip.StateDestroyed) || existing.State == store.State(kmip.StateDestroyedCompromised) {
			if err := s.identifierFree(ctx, sc, a.UID); err != nil {
				return o, err
			}
		}
		if found {
			if !a.Replace {
				return o, kmip.Fail(kmip.KindObjectExists, "an object has this Unique Identifier")
			}
			// Replacing is writing to what is there: the same question as for any use.
			if old, err = s.load(ctx, sc, "Import", a.UID); err != nil {
				return o, err
			}
			if old.objectType() != a.Type {
				return o, kmip.Fail(kmip.KindObjectTypeMismatch, "the object to be replaced is a %s", old.objectType())
			}
			if err := s.mayEnd(ctx, sc, old); err != nil {
				return o, err
			}
			if err := s.mayReplace(ctx, sc, old); err != nil {
				return o, err
			}
		}
		var replaces *store.Object
		if found {
			replaces = &existing
		}
		m, err := s.imported(ctx, sc, a, replaces)
		if err != nil {
			return o, err
		}
		if !found {
			o.change = s.insert(m)
			return o, nil
		}
		o.change.Update = append(o.change.Update, m.row)
		diff(&o.change, old, m)
		limits := store.CounterChange{Domain: sc.Domain, UID: a.UID, RemoveUsage: true}
		if u, ok := m.attrs.Get(kmip.TagUsageLimits); ok {
			left := kmip.UsageLimitsOf(u).Count
			limits.SetUsage, limits.RemoveUsage = &left, false
		}
		o.change.Counters = append(o.change.Counters, limits)
		return o, nil
	})
}

// imported makes the record of an imported object.
func (s *Service) imported(ctx context.Context, sc *Scope, a ImportArgs, replaces *store.Object) (*managed, error) {
	value := cloneObject(a.Value)
	defer value.Destroy()
	if value.Key != nil && value.Key.Wrapping != nil && a.WrapType == kmip.KeyWrapTypeNotWrapped {
		if err := s.unwrap(ctx, sc, "Import", value.Key); err != nil {
			return nil, err
		}
	}
	given, state, err := importable(a)
	if err != nil {
		return nil, err
	}
	n, err := s.inspect(ctx, sc, a.Type, given, value)
	if err != nil {
		return nil, err
	}
	n.uid, n.imported, n.replaces = a.UID, true, replaces
	m, err := s.make(ctx, sc, n)
	if err != nil {
		return nil, err
	}
	if state != 0 {
		m.state = lifecycle.Effective(state, m.attrs.Dates(), sc.Now)
	}
	if m.destroyed() {
		m.row.Material = nil
	}
	return m, s.write(ctx, m)
}

// importable separates what a client may give of an object that had a life
// before: everything but what belongs to this server.
func importable(a ImportArgs) (kmip.Attributes, kmip.State, error) {
	var kept kmip.Attributes
	var state kmip.State
	seen := map[kmip.AttributeID]bool{}
	for _, at := range a.Attrs {
		rule, ok := kmip.RuleOf(at.AttributeID)
		if !ok {
			return nil, 0, kmip.Fail(kmip.KindAttributeUnsupported, "no attribute %s", at)
		}
		if seen[at.AttributeID] && !rule.Multi {
			return nil, 0, kmip.Fail(kmip.KindAttributeSingleValued, "%s has one value only", at)
		}
		seen[at.AttributeID] = true
		switch at.Tag {
		case kmip.TagUniqueIdentifier:
			if at.Value.Text() != a.UID {
				return nil, 0, kmip.Fail(kmip.KindAttributeValue, "Unique Identifier of attribute and request differ")
			}
			continue
		case kmip.TagObjectType:
			if at.Value.Uint32() != uint32(a.Type) {
				return nil, 0, kmip.Fail(kmip.KindAttributeValue, "Object Type of attribute and request differ")
			}
			continue
		case kmip.TagState:
			state = kmip.State(at.Value.Uint32())
			continue
		case kmip.TagShortUniqueIdentifier, kmip.TagObjectClass, kmip.TagProtectionStorageMask, kmip.TagKeyFormatType, kmip.TagKeyValuePresent,
			kmip.TagDigest, kmip.TagLeaseTime:
			continue // what they say of the object here, the server knows
		}
		kept = append(kept, at)
	}
	return kept, state, nil
}

// cloneObject copies an object with its secrets, so that a use case can change
// it and plan again.
func cloneObject(o *kmip.Object) *kmip.Object {
	c := *o
	c.OpaqueDataValue = o.OpaqueDataValue.Clone()
	if o.Key != nil {
		k := *o.Key
		k.Material = o.Key.Material.Clone()
		if o.Key.Transparent != nil {
			t := o.Key.Transparent.Clone()
			k.Transparent = &t
		}
		k.Attributes = slices.Clone(o.Key.Attributes)
		c.Key = &k
	}
	return &c
}

// initialDate is when an object came into being: for an imported one what it
// says of itself.
func initialDate(n newborn, now time.Time) time.Time {
	if n.imported {
		if t := n.attrs.Time(kmip.TagInitialDate); !t.IsZero() {
			return t
		}
	}
	return now
}
