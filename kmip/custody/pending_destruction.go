package custody

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

// When a waiting period holds, Destroy leaves the object as it always does: Destroyed,
// without material, its Names free. What is needed to bring it back goes, in the same
// change, into a sealed record that no use of an object reads. At its date a duty
// removes the record, and with it the last copy of the material.

// Pending is a destruction whose waiting period is not over.
type Pending struct {
	Domain    string
	UID       string
	Names     []string // as they were; free for others
	Type      kmip.ObjectType
	State     kmip.State // before Destroy
	Asked     time.Time
	By        string // who asked, as the audit names it
	Due       time.Time
	Protected bool // nobody ends the waiting period early
}

// keptObject is what the record holds of the object, in front of its material.
type keptObject struct {
	Type       uint32        `json:"type"`
	State      uint32        `json:"state"`
	Creator    string        `json:"creator"`
	Initial    time.Time     `json:"initial"`
	Attributes []byte        `json:"attributes"` // canonical
	Counter    store.Counter `json:"counter"`
	Token      string        `json:"token,omitempty"` // serial number, where the key lives in one
	ID         string        `json:"id,omitempty"`    // of the key there
	Revision   int64         `json:"revision"`        // of the object before Destroy
	// MaterialVersion is that of the object after Destroy.
	MaterialVersion int32     `json:"material_version"`
	Valued          bool      `json:"valued"` // there was material
	Asked           time.Time `json:"asked"`
	By              string    `json:"by"`
	Due             time.Time `json:"due"`
	Protected       bool      `json:"protected,omitempty"`
}

// keep makes the record of an object that is about to be destroyed.
func (s *Service) keep(ctx context.Context, sc *Scope, m *managed, rule DestructionRule) (store.Record, keptObject, error) {
	k := keptObject{
		Type: m.row.Type, State: uint32(m.state), Creator: m.row.Creator, Initial: m.row.Initial,
		Attributes: m.attrs.AppendCanonical(nil), Counter: m.row.Counter, Revision: m.row.Revision,
		MaterialVersion: m.row.MaterialVersion + 1, Valued: m.row.Material != nil,
		Asked: sc.Now, By: sc.Principal.Actor(), Due: sc.Now.Add(rule.period()), Protected: rule.Protected,
	}
	r := store.Record{Domain: sc.Domain, Kind: recordDestruction, Key: m.row.UID, Revision: 1, Created: sc.Now, Expires: k.Due}
	if m.resident() {
		where, err := s.whereabouts(ctx, m)
		if err != nil {
			return r, k, err
		}
		k.Token, k.ID = where.Token, where.ID
	}
	material := secret.New(nil)
	if k.Valued {
		var err error
		if material, err = s.sealer.Open(ctx, m.row.Domain, m.row.Generation, binding(m.row), m.row.Material); err != nil {
			return r, k, sealFailure(err, m.row.UID)
		}
	}
	defer material.Destroy()
	var err error
	r, err = s.sealKept(ctx, r, k, material)
	return r, k, err
}

// keptUntil is what the audit says of it.
func keptUntil(k keptObject) string { return "material is kept until " + k.Due.Format(time.RFC3339) }

// sealKept gives a record its value; the material stays the caller's.
func (s *Service) sealKept(ctx context.Context, r store.Record, k keptObject, material *secret.Bytes) (store.Record, error) {
	head, err := json.Marshal(k)
	if err != nil {
		return r, err
	}
	b := make([]byte, 0, 4+len(head)+material.Len())
	b = binary.BigEndian.AppendUint32(b, uint32(len(head))) //nolint:gosec // bounded by the attributes of an object
	b = append(append(b, head...), material.Reveal()...)
	plain := secret.New(b)
	defer plain.Destroy()
	return s.sealRecordBytes(ctx, r, plain)
}

// keepAll plans that the record of a destroyed object holds what its metadata says now,
// because that goes as well.
func (s *Service) keepAll(ctx context.Context, c *store.Change, m *managed) error {
	r, k, material, err := s.pendingDestruction(ctx, m.row.Domain, m.row.UID)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	defer material.Destroy()
	if k.MaterialVersion != m.row.MaterialVersion {
		return nil // it is of another object
	}
	if m.state == kmip.StateDestroyedCompromised {
		k.State = uint32(kmip.StateCompromised)
	}
	k.Attributes = m.attrs.Remove(kmip.TagDestroyDate).AppendCanonical(nil)
	k.Revision = m.row.Revision
	r.Revision++
	if r, err = s.sealKept(ctx, r, k, material); err != nil {
		return err
	}
	c.UpdateRecords = append(c.UpdateRecords, r)
	return nil
}

// openKept reads the record of an object that was destroyed; the caller destroys the
// material.
func (s *Service) openKept(ctx context.Context, r store.Record) (keptObject, *secret.Bytes, error) {
	var k keptObject
	p, err := s.openRecordBytes(ctx, r)
	if err != nil {
		return k, nil, err
	}
	defer p.Destroy()
	b := p.Reveal()
	damaged := kmip.Fail(kmip.KindIntegrity, "a stored record is damaged")
	if len(b) < 4 {
		return k, nil, damaged
	}
	n := int64(binary.BigEndian.Uint32(b))
	if n > int64(len(b)-4) || json.Unmarshal(b[4:4+n], &k) != nil {
		return k, nil, damaged
	}
	return k, secret.New(append([]byte{}, b[4+n:]...)), nil
}

// pendingDestruction reads the record of an object; ErrNotFound when its destruction
// is not pending.
func (s *Service) pendingDestruction(ctx context.Context, domain, uid string) (store.Record, keptObject, *secret.Bytes, error) {
	r, err := s.store.Record(ctx, domain, recordDestruction, uid)
	if err != nil {
		return r, keptObject{}, nil, err
	}
	k, material, err := s.openKept(ctx, r)
	return r, k, material, err
}

// dueOf is when the destruction of an object is over; zero when it is not pending.
func (s *Service) dueOf(ctx context.Context, m *managed) (time.Time, error) {
	_, k, material, err := s.pendingDestruction(ctx, m.row.Domain, m.row.UID)
	if errors.Is(err, store.ErrNotFound) {
		return time.Time{}, nil
	}
	material.Destroy()
	return k.Due, err
}

// identifierFree refuses an identifier that an object whose destruction is pending
// had.
func (s *Service) identifierFree(ctx context.Context, sc *Scope, uid string) error {
	r, err := s.store.Record(ctx, sc.Domain, recordDestruction, uid)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return kmip.Fail(kmip.KindObjectExists, "an object of this Unique Identifier is being destroyed until %s", r.Expires.Format(time.RFC3339))
}

// mayReplace refuses to put other material into the place of that of an object, where
// a waiting period keeps what is destroyed.
func (s *Service) mayReplace(ctx context.Context, sc *Scope, old *managed) error {
	rule, err := s.destructionRule(ctx, sc, old)
	if err != nil || rule.Days == 0 {
		return err
	}
	if !old.destroyed() || sc.undo != nil && sc.undo.pending(old.row.UID) {
		return kmip.Fail(kmip.KindPermissionDenied, "destroyed material is kept for %d days here, and Import would overwrite it; import under another Unique Identifier", rule.Days)
	}
	return nil
}

// pendingPage is how many records are read at once.
const pendingPage = 1000

// PendingDestructions lists what is pending in the domain of the scope, or in all
// domains when it has none, in the order in which it was asked for, behind a position.
// It returns the position to go on from, nil at the end.
func (s *Service) PendingDestructions(ctx context.Context, sc *Scope, after *store.RecordPosition, limit int) ([]Pending, *store.RecordPosition, error) {
	var list []Pending
	var next *store.RecordPosition
	err := s.administer(ctx, sc, policy.ActionKeyList, "", func() (store.Change, error) {
		found, err := s.store.Records(ctx, store.RecordQuery{Domain: sc.Domain, Kind: recordDestruction, After: after, Limit: limit})
		if err != nil {
			return store.Change{}, err
		}
		list = make([]Pending, 0, len(found))
		for _, r := range found {
			k, material, err := s.openKept(ctx, r)
			if err != nil {
				return store.Change{}, err
			}
			material.Destroy()
			p, err := pendingOf(r, k)
			if err != nil {
				return store.Change{}, err
			}
			list = append(list, p)
		}
		if len(found) == limit {
			next = found[len(found)-1].Position()
		}
		return store.Change{}, nil
	})
	return list, next, err
}

func pendingOf(r store.Record, k keptObject) (Pending, error) {
	attrs, err := kmip.ParseAttributes(k.Attributes)
	if err != nil {
		return Pending{}, kmip.FailFrom(err, kmip.KindIntegrity, "a stored record is damaged")
	}
	return Pending{
		Domain: r.Domain, UID: r.Key, Names: attrs.Names(), Type: kmip.ObjectType(k.Type), State: kmip.State(k.State),
		Asked: k.Asked, By: k.By, Due: k.Due, Protected: k.Protected,
	}, nil
}

// pendingIn counts the objects whose destruction is pending and whose key is in a token.
func (s *Service) pendingIn(ctx context.Context, serial string) (int, error) {
	n := 0
	q := store.RecordQuery{Kind: recordDestruction, Limit: pendingPage}
	for {
		list, err := s.store.Records(ctx, q)
		if err != nil {
			return 0, err
		}
		for _, r := range list {
			k, material, err := s.openKept(ctx, r)
			if err != nil {
				return 0, err
			}
			material.Destroy()
			if k.Token == serial {
				n++
			}
		}
		if len(list) < pendingPage {
			return n, nil
		}
		q.After = list[len(list)-1].Position()
	}
}
