package custody

import (
	"context"
	"errors"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/lifecycle"
	"github.com/claviger/claviger/store"
)

// destroyLater plans a destruction whose material is kept until the waiting period is
// over.
func (s *Service) destroyLater(ctx context.Context, sc *Scope, m *managed, rule DestructionRule) (outcome, error) {
	o := outcome{uid: m.row.UID}
	template := m.objectType() == kmip.ObjectTypeTemplate
	if _, err := lifecycle.Next(m.state, lifecycle.Destroy); err != nil && !template {
		return o, err
	}
	r, k, err := s.keep(ctx, sc, m, rule)
	if err != nil {
		return o, err
	}
	o.detail = keptUntil(k)
	o.change.AddRecords = []store.Record{r}
	o.change.Release = m.names()
	if template {
		o.change.Delete = []store.Ref{{Domain: sc.Domain, UID: m.row.UID, Revision: m.row.Revision}}
		o.change.DropSides = m.sides()
		return o, nil
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
}

var errMustWait = kmip.Fail(kmip.KindPermissionDenied, "the rules of the domain do not allow destruction without waiting")

// destroyPending plans the early end of a destruction that is pending; m is nil when
// its metadata is gone, and absent is what to answer then if nothing is pending.
func (s *Service) destroyPending(ctx context.Context, sc *Scope, uid string, m *managed, absent error) (outcome, error) {
	o := outcome{uid: uid}
	r, k, material, err := s.pendingDestruction(ctx, sc.Domain, uid)
	if errors.Is(err, store.ErrNotFound) {
		if m != nil {
			_, absent = lifecycle.Next(m.state, lifecycle.Destroy)
		}
		return o, absent
	}
	if err != nil {
		return o, err
	}
	material.Destroy()
	attrs, err := kmip.ParseAttributes(k.Attributes)
	if err != nil {
		return o, kmip.FailFrom(err, kmip.KindIntegrity, "a stored record is damaged")
	}
	rule, err := s.destructionRule(ctx, sc, &managed{row: store.Object{UID: uid, Type: k.Type}, attrs: attrs})
	if err != nil {
		return o, err
	}
	if k.Protected || !rule.AllowNow {
		return o, errMustWait
	}
	o.detail, err = s.endDestruction(ctx, sc, &o.change, r, k)
	return o, err
}
