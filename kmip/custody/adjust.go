package custody

import (
	"context"
	"math"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/store"
)

// AdjustAttribute increments, decrements or negates the one instance of an
// attribute (§6.1.3). by is the amount; nil is one, one second or one
// microsecond.
func (s *Service) AdjustAttribute(ctx context.Context, sc *Scope, uid string, id kmip.AttributeID, how kmip.AdjustmentType, by *kmip.Item) error {
	return s.amend(ctx, sc, "AdjustAttribute", uid, id, func(m *managed, c *store.Change) error {
		rule, err := ruleFor(id)
		if err != nil {
			return err
		}
		if !rule.Modify {
			return readOnly(id)
		}
		has := m.attrs.Instances(id)
		if len(has) > 1 {
			return kmip.Fail(kmip.KindAttributeMultiValued, "%s has %d instances", id, len(has))
		}
		if len(has) == 0 {
			zero, err := absentValue(id, how, by)
			if err != nil {
				return err
			}
			if err := m.mayChangeDate(zero, sc.Now); err != nil {
				return err
			}
			m.attrs = m.attrs.Add(zero)
			has = kmip.Attributes{zero}
		}
		at := has[0]
		if at.Value, err = adjusted(at.Value, how, by); err != nil {
			return err
		}
		if err := m.mayTouchLimits(id); err != nil {
			return err
		}
		i, err := m.instance(at, Change{First: true})
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

// absentValue is what an attribute that the object does not have counts as: 0
// for numbers and intervals, False for Booleans. The type is that of the amount,
// or what the adjustment takes.
func absentValue(id kmip.AttributeID, how kmip.AdjustmentType, by *kmip.Item) (kmip.Attribute, error) {
	at := kmip.Attribute{AttributeID: id, Value: kmip.Item{Tag: id.Tag}}
	switch {
	case booleans[id.Tag]:
		at.Value.Type = kmip.TypeBoolean
	case by == nil:
		return at, kmip.Fail(kmip.KindAttributeNotFound, "the object has no attribute %s, and the request does not say its type", id)
	case by.Type == kmip.TypeInteger, by.Type == kmip.TypeLongInteger, by.Type == kmip.TypeInterval, by.Type == kmip.TypeBigInteger:
		at.Value.Type = by.Type
	default:
		return at, kmip.Fail(kmip.KindDataType, "%s cannot be adjusted by a %s", id, by.Type)
	}
	if how == kmip.AdjustmentTypeNegate && at.Value.Type != kmip.TypeBoolean {
		return at, kmip.Fail(kmip.KindDataType, "only a Boolean that is not set can be negated")
	}
	return at, checkAttributeValue(at)
}

// booleans are the attributes that are Booleans and that a client may change.
var booleans = map[kmip.Tag]bool{kmip.TagQuantumSafe: true, kmip.TagSensitive: true, kmip.TagExtractable: true, kmip.TagRotateAutomatic: true}

// adjusted computes the new value, within the range of its type.
func adjusted(v kmip.Item, how kmip.AdjustmentType, by *kmip.Item) (kmip.Item, error) {
	if v.Type == kmip.TypeBoolean {
		if how != kmip.AdjustmentTypeNegate {
			return v, kmip.Fail(kmip.KindDataType, "a Boolean can be negated only")
		}
		v.Int ^= 1
		return v, nil
	}
	low, high := int64(math.MinInt32), int64(math.MaxInt32)
	switch v.Type {
	case kmip.TypeInteger:
	case kmip.TypeInterval:
		low, high = 0, math.MaxUint32
	case kmip.TypeLongInteger, kmip.TypeDateTime, kmip.TypeDateTimeExtended:
		low, high = math.MinInt64, math.MaxInt64
	default:
		return v, kmip.Fail(kmip.KindDataType, "a value of type %s cannot be adjusted", v.Type)
	}
	amount := int64(1)
	if by != nil {
		switch by.Type {
		case kmip.TypeInteger, kmip.TypeLongInteger, kmip.TypeInterval:
			amount = by.Int
		default:
			return v, kmip.Fail(kmip.KindDataType, "an Adjustment Value of type %s cannot be", by.Type)
		}
	}
	var next int64
	var over bool
	switch how {
	case kmip.AdjustmentTypeIncrement:
		next = v.Int + amount
		over = amount > 0 && next < v.Int || amount < 0 && next > v.Int
	case kmip.AdjustmentTypeDecrement:
		next = v.Int - amount
		over = amount > 0 && next > v.Int || amount < 0 && next < v.Int
	case kmip.AdjustmentTypeNegate:
		next, over = -v.Int, v.Int == math.MinInt64
	default:
		return v, kmip.Fail(kmip.KindInvalidField, "no Adjustment Type %s", how)
	}
	if over || next < low || next > high {
		return v, kmip.Fail(kmip.KindNumericRange, "the adjusted value leaves the range of its type")
	}
	v.Int = next
	return v, nil
}
