package custody

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/lifecycle"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

// RestoreKey brings back an object whose destruction is pending: its material, and
// state and attributes as they were before Destroy. A compromise that was declared
// meanwhile stays. It takes its Names again, or loses them when withoutNames.
//
// Returns KindWrongState when nothing is pending, KindNameNotUnique when another
// object has one of the Names.
func (s *Service) RestoreKey(ctx context.Context, sc *Scope, uid string, withoutNames bool) error {
	return s.do(ctx, sc, policy.ActionKeyRestore, func() (outcome, error) {
		o := outcome{uid: uid}
		m, absent := s.load(ctx, sc, policy.ActionKeyRestore, uid) // asks policy, also when there is no such object
		if absent != nil && kmip.KindOf(absent) != kmip.KindObjectNotFound {
			return o, absent
		}
		r, k, material, err := s.pendingDestruction(ctx, sc.Domain, uid)
		switch {
		case errors.Is(err, store.ErrNotFound) && m == nil:
			return o, absent
		case errors.Is(err, store.ErrNotFound) && m.destroyed():
			return o, kmip.Fail(kmip.KindWrongState, "the destruction of the object is complete; its material is gone")
		case errors.Is(err, store.ErrNotFound):
			return o, kmip.Fail(kmip.KindWrongState, "the object is not being destroyed; it is %s", m.state)
		case err != nil:
			return o, err
		}
		defer material.Destroy()
		switch {
		case !sc.Now.Before(k.Due):
			return o, kmip.Fail(kmip.KindWrongState, "the waiting period ended at %s", k.Due.Format(time.RFC3339))
		case m != nil && (!m.destroyed() || m.row.MaterialVersion != k.MaterialVersion):
			return o, kmip.Fail(kmip.KindObjectExists, "another object has the Unique Identifier now")
		case m != nil:
			o.change, err = s.bringBack(ctx, sc, m, k, material, withoutNames)
		default:
			o.change, err = s.makeAgain(ctx, sc, uid, k, material, withoutNames)
		}
		o.change.DeleteRecords = append(o.change.DeleteRecords, r.Ref())
		o.detail = "destruction cancelled; it was asked for " + k.Asked.Format(time.RFC3339) + " by " + k.By
		return o, err
	})
}

// bringBack plans the return of an object whose metadata stayed.
func (s *Service) bringBack(ctx context.Context, sc *Scope, m *managed, k keptObject, material *secret.Bytes, withoutNames bool) (store.Change, error) {
	before := kmip.State(k.State)
	if m.state == kmip.StateDestroyedCompromised {
		before = kmip.StateCompromised
	}
	m.attrs = m.attrs.Remove(kmip.TagDestroyDate)
	if err := s.refill(ctx, sc, m, before, k, material, withoutNames); err != nil {
		return store.Change{}, err
	}
	row, err := s.update(ctx, sc, m, true)
	row.Material = m.row.Material
	return store.Change{Update: []store.Object{row}, Take: m.names()}, err
}

// makeAgain plans the return of an object whose metadata went as well: a template, or
// one that was obliterated.
func (s *Service) makeAgain(ctx context.Context, sc *Scope, uid string, k keptObject, material *secret.Bytes, withoutNames bool) (store.Change, error) {
	attrs, err := kmip.ParseAttributes(k.Attributes)
	if err != nil {
		return store.Change{}, kmip.FailFrom(err, kmip.KindIntegrity, "a stored record is damaged")
	}
	m := &managed{attrs: attrs, lives: k.Token, row: store.Object{
		Domain: sc.Domain, UID: uid, Type: k.Type, Creator: k.Creator, Initial: k.Initial,
		Revision: k.Revision + 1, MaterialVersion: k.MaterialVersion,
	}}
	if err := s.refill(ctx, sc, m, kmip.State(k.State), k, material, withoutNames); err != nil {
		return store.Change{}, err
	}
	m.attrs = m.attrs.Set(kmip.DateTime(kmip.TagLastChangeDate, sc.Now))
	if err := s.write(ctx, m); err != nil {
		return store.Change{}, err
	}
	c := s.insert(m)
	counter := store.CounterChange{Domain: sc.Domain, UID: uid, Serve: k.Counter.Served, Used: k.Counter.LastUsed}
	if k.Counter.HasUsage {
		left := k.Counter.UsageLeft
		if k.Counter.Allocated { // limits from which something was taken stay fixed
			left, counter.Take = left+1, 1
		}
		counter.SetUsage = &left
	}
	c.Counters = []store.CounterChange{counter}
	return c, nil
}

// refill gives an object its state, Names and material again.
func (s *Service) refill(ctx context.Context, sc *Scope, m *managed, state kmip.State, k keptObject, material *secret.Bytes, withoutNames bool) error {
	m.state = lifecycle.Effective(state, m.attrs.Dates(), sc.Now)
	if withoutNames {
		m.attrs = m.attrs.Remove(kmip.TagName)
	} else if err := s.namesFree(ctx, sc, m); err != nil {
		return err
	}
	generation, err := s.sealer.Current(ctx, sc.Domain)
	if err != nil {
		return sealFailure(err, m.row.UID)
	}
	m.columns()
	m.row.Generation = generation
	m.row.MaterialVersion++
	if !k.Valued {
		return nil
	}
	if m.row.Material, err = s.sealer.SealAt(ctx, sc.Domain, generation, binding(m.row), material); err != nil {
		return sealFailure(err, m.row.UID)
	}
	return nil
}

// namesFree refuses unless the Names that an object had are free, and says which are
// not.
func (s *Service) namesFree(ctx context.Context, sc *Scope, m *managed) error {
	var taken []string
	for _, n := range m.names() {
		found, err := sc.reader.Find(ctx, store.Query{Names: []string{n.Value}, Limit: 1})
		if err != nil {
			return err
		}
		if len(found) > 0 {
			taken = append(taken, strconv.Quote(n.Value)+" (object "+found[0].UID+")")
		}
	}
	if len(taken) > 0 {
		return kmip.Fail(kmip.KindNameNotUnique, "other objects have these Names now: %s; rename them, or restore without Names", strings.Join(taken, ", "))
	}
	return nil
}
