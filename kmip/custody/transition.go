package custody

import (
	"context"
	"slices"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/lifecycle"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

// Activate makes a Pre-Active object Active from now on (§6.1.1).
func (s *Service) Activate(ctx context.Context, sc *Scope, uid string) error {
	return s.transition(ctx, sc, "Activate", uid, func(m *managed) error {
		if err := m.step(lifecycle.Activate); err != nil {
			return err
		}
		m.attrs = m.attrs.Set(kmip.DateTime(kmip.TagActivationDate, sc.Now))
		return s.activated(ctx, sc, m)
	})
}

// Revoke deactivates an object, or declares it compromised when the reason is
// a compromise (§6.1.44). occurred is when the compromise happened; the
// Initial Date when it is zero.
func (s *Service) Revoke(ctx context.Context, sc *Scope, uid string, reason kmip.RevocationReason, occurred time.Time) error {
	return s.revoke(ctx, sc, "Revoke", uid, reason, occurred, true)
}

// RevokeKey is Revoke by an administrator, of an object that is in use only when
// evenIfInUse.
func (s *Service) RevokeKey(ctx context.Context, sc *Scope, uid string, reason kmip.RevocationReason, evenIfInUse bool) error {
	return s.revoke(ctx, sc, "key.revoke", uid, reason, time.Time{}, evenIfInUse)
}

func (s *Service) revoke(ctx context.Context, sc *Scope, action, uid string, reason kmip.RevocationReason, occurred time.Time, evenIfInUse bool) error {
	compromise := reason.Code == kmip.RevocationReasonCodeKeyCompromise || reason.Code == kmip.RevocationReasonCodeCACompromise
	return s.transition(ctx, sc, action, uid, func(m *managed) error {
		if !evenIfInUse {
			if err := s.notInUse(ctx, sc, m); err != nil {
				return err
			}
		}
		if reason.Code == 0 {
			return kmip.Fail(kmip.KindMissingField, "Revoke needs a Revocation Reason")
		}
		if !slices.Contains(kmip.EnumValues(kmip.TagRevocationReasonCode), uint32(reason.Code)) {
			return kmip.Fail(kmip.KindUnknownEnumeration, "there is no Revocation Reason Code 0x%08X", uint32(reason.Code))
		}
		if !compromise {
			if !occurred.IsZero() {
				return kmip.Fail(kmip.KindInvalidField, "a Compromise Occurrence Date belongs to a compromise")
			}
			if err := m.step(lifecycle.Deactivate); err != nil {
				return err
			}
			m.attrs = m.attrs.Set(kmip.DateTime(kmip.TagDeactivationDate, sc.Now))
		} else {
			if err := m.step(lifecycle.Compromise); err != nil {
				return err
			}
			if occurred.IsZero() {
				occurred = m.attrs.Time(kmip.TagInitialDate)
			}
			m.attrs = m.attrs.Set(kmip.DateTime(kmip.TagCompromiseDate, sc.Now))
			m.attrs = m.attrs.Set(kmip.DateTime(kmip.TagCompromiseOccurrenceDate, occurred))
		}
		m.attrs = m.attrs.Set(reason.Item())
		return nil
	})
}

// Destroy removes the value of an object and keeps its metadata (§6.1.15). Its
// names are free afterwards. Where a waiting period holds, the value is out of reach
// at once, and removed when the period is over.
func (s *Service) Destroy(ctx context.Context, sc *Scope, uid string) error {
	return s.destroy(ctx, sc, "Destroy", uid, false, true)
}

// DestroyKey is Destroy by an administrator, of an object that is in use only when
// evenIfInUse. now does without the waiting period, also of what is pending already,
// where the rules of the domain allow it.
func (s *Service) DestroyKey(ctx context.Context, sc *Scope, uid string, now, evenIfInUse bool) error {
	return s.destroy(ctx, sc, "key.destroy", uid, now, evenIfInUse)
}

func (s *Service) destroy(ctx context.Context, sc *Scope, action, uid string, now, evenIfInUse bool) error {
	return s.do(ctx, sc, action, func() (outcome, error) {
		o := outcome{uid: uid}
		m, err := s.load(ctx, sc, action, uid)
		if now && (err == nil && m.destroyed() || kmip.KindOf(err) == kmip.KindObjectNotFound) {
			return s.destroyPending(ctx, sc, uid, m, err)
		}
		if err != nil {
			return o, err
		}
		if !evenIfInUse {
			if err := s.notInUse(ctx, sc, m); err != nil {
				return o, err
			}
		}
		rule, err := s.destructionRule(ctx, sc, m)
		if err != nil {
			return o, err
		}
		if now && !rule.AllowNow {
			return o, errMustWait
		}
		if waits := rule.Days > 0 && !now; waits && !m.destroyed() {
			return s.destroyLater(ctx, sc, m, rule)
		}
		o.change.Release = m.names()
		if m.objectType() == kmip.ObjectTypeTemplate { // it has no states, and no metadata that would stay
			o.change.Delete = []store.Ref{{Domain: sc.Domain, UID: uid, Revision: m.row.Revision}}
			o.change.DropSides = m.sides()
			return o, nil
		}
		if m.resident() && !m.destroyed() { // the token follows the commit
			where, err := s.whereabouts(ctx, m)
			if err != nil {
				return o, err
			}
			r, err := s.residentRecord(ctx, sc, sc.Domain, uid, where, 0)
			if err != nil {
				return o, err
			}
			o.change.AddRecords = append(o.change.AddRecords, r)
			o.change.DropSides = append(o.change.DropSides, store.SideRow{Domain: sc.Domain, Side: store.Side{UID: uid, Kind: store.SideToken, Value: where.Token}})
		}
		if err := m.step(lifecycle.Destroy); err != nil {
			return o, err
		}
		m.attrs = m.attrs.Set(kmip.DateTime(kmip.TagDestroyDate, sc.Now))
		m.row.Material = nil
		m.row.MaterialVersion++
		row, err := s.update(ctx, sc, m, true)
		o.change.Update = []store.Object{row}
		return o, err
	})
}

// step takes the effective state through an event.
func (m *managed) step(e lifecycle.Event) error {
	next, err := lifecycle.Next(m.state, e)
	if err != nil {
		return err
	}
	m.state = next
	return nil
}

// hasStates are the actions on what has lifecycle states.
var hasStates = map[string]bool{"Activate": true, "Revoke": true, "Deactivate": true, policy.ActionKeyRevoke: true}

// transition loads an object, lets it change and plans the update.
func (s *Service) transition(ctx context.Context, sc *Scope, action, uid string, change func(*managed) error) error {
	return s.do(ctx, sc, action, func() (outcome, error) {
		o := outcome{uid: uid}
		m, err := s.load(ctx, sc, action, uid)
		if err != nil {
			return o, err
		}
		if m.objectType() == kmip.ObjectTypeTemplate && hasStates[action] {
			return o, kmip.Fail(kmip.KindObjectType, "a Template has no states")
		}
		if err := change(m); err != nil {
			return o, err
		}
		row, err := s.update(ctx, sc, m, true)
		o.change.Update = []store.Object{row}
		return o, err
	})
}
