package custody

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/audit"
)

// overlay is the view of a batch that can be undone: the store, and over it
// what the items so far would change. It belongs to one request.
type overlay struct {
	base     store.Reader
	domain   string
	objects  map[string]*pendingObject
	order    []string // identifiers of objects, in the order of their first change
	counters map[string]*store.CounterChange
	change   store.Change // names, sides and audit so far
	// deferred tells that the changes wait for a commit that nobody undoes: it is
	// no batch with undo.
	deferred bool
}

type pendingObject struct {
	row      store.Object // with its material
	inserted bool
	// material tells that the update removes or replaces the stored material.
	material bool
	deleted  bool
	stored   int64 // revision that the store has
}

func newOverlay(base store.Reader, domain string) *overlay {
	return &overlay{base: base, domain: domain, objects: map[string]*pendingObject{}, counters: map[string]*store.CounterChange{}}
}

func (o *overlay) pending(uid string) bool { return o.objects[uid] != nil }

// add plans a change on top of those before it.
func (o *overlay) add(ctx context.Context, c store.Change) error {
	for _, n := range c.Take {
		if err := o.nameFree(ctx, n, c.Release); err != nil {
			return err
		}
	}
	for _, row := range c.Insert {
		o.order = append(o.order, row.UID)
		o.objects[row.UID] = &pendingObject{row: row, inserted: true}
	}
	for _, row := range c.Update {
		p := o.objects[row.UID]
		if p == nil {
			stored, err := o.base.Object(ctx, o.domain, row.UID)
			if err != nil {
				return err
			}
			p = &pendingObject{row: stored, stored: stored.Revision}
			o.objects[row.UID] = p
			o.order = append(o.order, row.UID)
		}
		if row.Material == nil && row.MaterialVersion == p.row.MaterialVersion {
			row.Material = p.row.Material
		} else {
			p.material = true
		}
		p.row = row
	}
	for _, ref := range c.Delete {
		p := o.objects[ref.UID]
		if p == nil {
			p = &pendingObject{stored: ref.Revision}
			o.objects[ref.UID] = p
			o.order = append(o.order, ref.UID)
		}
		p.deleted = true
		delete(o.counters, ref.UID)
	}
	for _, n := range c.Release {
		if i := slices.Index(o.change.Take, n); i >= 0 {
			o.change.Take = slices.Delete(o.change.Take, i, i+1)
		} else {
			o.change.Release = append(o.change.Release, n)
		}
	}
	o.change.Take = append(o.change.Take, c.Take...)
	o.change.AddRecords = append(o.change.AddRecords, c.AddRecords...)
	o.change.UpdateRecords = append(o.change.UpdateRecords, c.UpdateRecords...)
	o.change.DeleteRecords = append(o.change.DeleteRecords, c.DeleteRecords...)
	o.change.UpdateClients = append(o.change.UpdateClients, c.UpdateClients...)
	o.change.AddCertificates = append(o.change.AddCertificates, c.AddCertificates...)
	o.change.UpdateCerts = append(o.change.UpdateCerts, c.UpdateCerts...)
	for _, d := range c.DropSides {
		if i := slices.Index(o.change.AddSides, d); i >= 0 {
			o.change.AddSides = slices.Delete(o.change.AddSides, i, i+1)
		} else {
			o.change.DropSides = append(o.change.DropSides, d)
		}
	}
	o.change.AddSides = append(o.change.AddSides, c.AddSides...)
	o.change.Audit = append(o.change.Audit, c.Audit...)
	for _, cc := range c.Counters {
		if err := o.count(ctx, cc); err != nil {
			return err
		}
	}
	return nil
}

// nameFree refuses a name that an object of the store or of the batch has.
func (o *overlay) nameFree(ctx context.Context, n store.Name, released []store.Name) error {
	same := func(r store.Name) bool { return r.Value == n.Value && r.UID != n.UID }
	if slices.ContainsFunc(released, same) {
		return nil
	}
	if slices.ContainsFunc(o.change.Take, same) {
		return store.ErrNameTaken
	}
	if slices.ContainsFunc(o.change.Release, same) {
		return nil
	}
	found, err := o.base.Find(ctx, o.domain, store.Query{Names: []string{n.Value}, Limit: 1})
	if err != nil {
		return err
	}
	if len(found) > 0 && found[0].UID != n.UID {
		return store.ErrNameTaken
	}
	return nil
}

func (o *overlay) count(ctx context.Context, cc store.CounterChange) error {
	sum := o.counters[cc.UID]
	if sum == nil {
		sum = &store.CounterChange{Domain: cc.Domain, UID: cc.UID}
		o.counters[cc.UID] = sum
	}
	if cc.Take > 0 {
		row, err := o.Object(ctx, o.domain, cc.UID)
		if err != nil {
			return err
		}
		if row.Counter.HasUsage && row.Counter.UsageLeft < cc.Take {
			return store.ErrExhausted
		}
	}
	if cc.SetUsage != nil || cc.RemoveUsage {
		sum.SetUsage, sum.RemoveUsage, sum.Take, sum.Give = cc.SetUsage, cc.RemoveUsage, 0, 0
	}
	sum.Take += cc.Take
	sum.Give += cc.Give
	sum.Serve = sum.Serve || cc.Serve
	if cc.Used.After(sum.Used) {
		sum.Used = cc.Used
	}
	return nil
}

// merged is the one change that all items make together.
func (o *overlay) merged() store.Change {
	c := o.change
	for _, uid := range o.order {
		p := o.objects[uid]
		switch {
		case p.deleted && p.inserted:
		case p.deleted:
			c.Delete = append(c.Delete, store.Ref{Domain: o.domain, UID: uid, Revision: p.stored})
		case p.inserted:
			c.Insert = append(c.Insert, p.row)
		case p.material:
			c.Update = append(c.Update, p.row)
		default:
			row := p.row
			row.Material = nil
			c.Update = append(c.Update, row)
		}
	}
	for _, uid := range slices.Sorted(maps.Keys(o.counters)) {
		c.Counters = append(c.Counters, *o.counters[uid])
	}
	return c
}

// undone are the audit entries of items whose changes are dropped.
func (o *overlay) undone() []audit.Entry {
	for i := range o.change.Audit {
		o.change.Audit[i].Outcome = audit.Undone
	}
	return o.change.Audit
}

// Object implements store.Reader.
func (o *overlay) Object(ctx context.Context, domain, uid string) (store.Object, error) {
	if p := o.objects[uid]; p != nil {
		if p.deleted {
			return store.Object{}, store.ErrNotFound
		}
		row := p.row
		row.Counter = o.counted(uid, row.Counter)
		return row, nil
	}
	row, err := o.base.Object(ctx, domain, uid)
	row.Counter = o.counted(uid, row.Counter)
	return row, err
}

// Objects implements store.Reader.
func (o *overlay) Objects(ctx context.Context, domain string, uids []string) ([]store.Object, error) {
	var found []store.Object
	for _, uid := range uids {
		row, err := o.Object(ctx, domain, uid)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found = append(found, row)
	}
	return found, nil
}

// Find implements store.Reader. It cannot see pending changes, and says so.
func (o *overlay) Find(ctx context.Context, domain string, q store.Query) ([]store.Object, error) {
	if len(o.order) > 0 {
		return nil, kmip.Fail(kmip.KindBatchRefused, "a batch that can be undone may not search after it has changed objects")
	}
	return o.base.Find(ctx, domain, q)
}

// counted applies the pending changes of a counter.
func (o *overlay) counted(uid string, c store.Counter) store.Counter {
	sum := o.counters[uid]
	if sum == nil {
		return c
	}
	if sum.SetUsage != nil {
		c.HasUsage, c.UsageLeft = true, *sum.SetUsage
	}
	if sum.RemoveUsage {
		c.HasUsage = false
	}
	c.UsageLeft += sum.Give - sum.Take
	c.Allocated = c.Allocated || sum.Take > 0
	c.Served = c.Served || sum.Serve
	return c
}
