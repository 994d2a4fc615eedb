package custody

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/lifecycle"
	"github.com/claviger/claviger/store"
)

// Archive marks an object as archived (§6.1.4): nothing can be done with it
// until Recover.
func (s *Service) Archive(ctx context.Context, sc *Scope, uid string) error {
	return s.transition(ctx, sc, "Archive", uid, func(m *managed) error {
		if m.destroyed() {
			return kmip.Fail(kmip.KindObjectDestroyed, "the object is destroyed")
		}
		m.attrs = m.attrs.Set(kmip.DateTime(kmip.TagArchiveDate, sc.Now))
		return nil
	})
}

// Recover makes an archived object usable again (§6.1.39). An object that is
// not archived stays as it is.
func (s *Service) Recover(ctx context.Context, sc *Scope, uid string) error {
	return s.transition(ctx, sc, "Recover", uid, func(m *managed) error {
		m.attrs = m.attrs.Remove(kmip.TagArchiveDate)
		return nil
	})
}

// Obliterate removes an object with its metadata (KMIP 3.0). Like Destroy it
// does not touch an object that is Active. Where a waiting period holds, an
// administrator can bring back all of it until then.
func (s *Service) Obliterate(ctx context.Context, sc *Scope, uid string) error {
	return s.do(ctx, sc, "Obliterate", func() (outcome, error) {
		o := outcome{uid: uid}
		m, err := s.load(ctx, sc, "Obliterate", uid)
		if err != nil {
			return o, err
		}
		if err := s.obliterateValue(ctx, sc, m, &o); err != nil {
			return o, err
		}
		o.change.Delete = []store.Ref{{Domain: sc.Domain, UID: uid, Revision: m.row.Revision}}
		o.change.Release, o.change.DropSides = m.names(), m.sides()
		return o, nil
	})
}

// obliterateValue plans what becomes of the value of an object whose metadata goes.
func (s *Service) obliterateValue(ctx context.Context, sc *Scope, m *managed, o *outcome) error {
	if m.destroyed() {
		return s.keepAll(ctx, &o.change, m)
	}
	if _, err := lifecycle.Next(m.state, lifecycle.Destroy); err != nil {
		return err
	}
	rule, err := s.destructionRule(ctx, sc, m)
	if err != nil {
		return err
	}
	if rule.Days > 0 {
		r, k, err := s.keep(ctx, sc, m, rule)
		o.change.AddRecords = append(o.change.AddRecords, r)
		o.detail = keptUntil(k)
		return err
	}
	if !m.resident() {
		return nil
	}
	where, err := s.whereabouts(ctx, m)
	if err != nil {
		return err
	}
	r, err := s.residentRecord(ctx, sc, sc.Domain, m.row.UID, where, 0) // the token follows the commit
	o.change.AddRecords = append(o.change.AddRecords, r)
	return err
}

// Lease is what ObtainLease grants.
type Lease struct {
	Time       kmip.Item // Lease Time
	LastChange kmip.Item // Last Change Date
}

// ObtainLease grants a lease (§6.1.35): the Lease Time of the object, and when
// the object was last changed.
func (s *Service) ObtainLease(ctx context.Context, sc *Scope, uid string) (Lease, error) {
	var lease Lease
	err := s.do(ctx, sc, "ObtainLease", func() (outcome, error) {
		o := outcome{uid: uid}
		m, err := s.load(ctx, sc, "ObtainLease", uid)
		if err != nil {
			return o, err
		}
		if m.destroyed() {
			return o, kmip.Fail(kmip.KindObjectDestroyed, "the object is destroyed")
		}
		sc.touch(m)
		lease.Time, _ = m.attrs.Get(kmip.TagLeaseTime)
		lease.LastChange, _ = m.attrs.Get(kmip.TagLastChangeDate)
		return o, nil
	})
	return lease, err
}

// GetUsageAllocation takes from the Usage Limits of a key for use elsewhere
// (§6.1.23): all that is asked for, or nothing.
func (s *Service) GetUsageAllocation(ctx context.Context, sc *Scope, uid string, count int64) error {
	return s.do(ctx, sc, "GetUsageAllocation", func() (outcome, error) {
		o := outcome{uid: uid}
		m, err := s.load(ctx, sc, "GetUsageAllocation", uid)
		if err != nil {
			return o, err
		}
		switch m.objectType() {
		case kmip.ObjectTypeSymmetricKey, kmip.ObjectTypePublicKey, kmip.ObjectTypePrivateKey:
		default:
			return o, kmip.Fail(kmip.KindObjectType, "a %s protects nothing", m.objectType())
		}
		switch c := m.row.Counter; {
		case !m.attrs.Has(kmip.TagUsageLimits):
			return o, kmip.Fail(kmip.KindAttributeNotFound, "the object has no Usage Limits")
		case count < 0:
			return o, kmip.Fail(kmip.KindInvalidField, "Usage Limits Count is negative")
		case c.HasUsage && c.UsageLeft < count:
			return o, kmip.Fail(kmip.KindUsageLimit, "the Usage Limits do not suffice")
		}
		if err := lifecycle.MayProtect(m.state, m.attrs.Dates(), sc.Now); err != nil {
			return o, err
		}
		sc.touch(m)
		row, err := s.update(ctx, sc, m, true)
		o.change.Update = []store.Object{row}
		o.change.Counters = []store.CounterChange{{Domain: sc.Domain, UID: uid, Take: count}}
		return o, err
	})
}
