package custody

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/audit"
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

// endDestruction plans the end of a destruction: the record goes, and with it the
// material. It returns the evidence for the audit.
func (s *Service) endDestruction(ctx context.Context, sc *Scope, c *store.Change, r store.Record, k keptObject) (string, error) {
	c.DeleteRecords = append(c.DeleteRecords, r.Ref())
	if k.Token != "" { // the token follows the commit
		gone, err := s.residentRecord(ctx, sc, residence{Token: k.Token, ID: k.ID}, 0)
		if err != nil {
			return "", err
		}
		c.AddRecords = append(c.AddRecords, gone)
		c.DropSides = append(c.DropSides, store.SideRow{Domain: r.Domain, Side: store.Side{UID: r.Key, Kind: store.SideToken, Value: k.Token}})
	}
	return fmt.Sprintf("material removed; SHA-256 of its sealed form %x; destruction asked for %s by %s", sha256.Sum256(r.Value), k.Asked.Format(time.RFC3339), k.By), nil
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

// ActionDestructionComplete is recorded when a waiting period is over and the material
// is gone.
const ActionDestructionComplete = "destruction.complete"

// CompleteDestructions removes the material of every object whose waiting period is
// over. Several nodes may do it: each object is ended once.
func (s *Service) CompleteDestructions(ctx context.Context) error {
	now, err := s.settledNow(ctx)
	if err != nil {
		return err
	}
	var failed error
	q := store.RecordQuery{Kind: recordDestruction, Expired: now, Limit: pendingPage}
	for {
		list, err := s.store.Records(ctx, q)
		if err != nil {
			return errors.Join(failed, err)
		}
		for _, r := range list {
			failed = errors.Join(failed, s.completeDestruction(ctx, r, now))
		}
		if len(list) < pendingPage || ctx.Err() != nil {
			return failed
		}
		q.After = list[len(list)-1].Position()
	}
}

func (s *Service) completeDestruction(ctx context.Context, r store.Record, now time.Time) error {
	k, material, err := s.openKept(ctx, r)
	if err != nil {
		return fmt.Errorf("%s: %w", r.Key, err)
	}
	material.Destroy()
	if now.Before(k.Due) {
		return nil // what the store says beside the record is not what counts
	}
	sc := s.Begin(Principal{Principal: policy.Principal{Kind: policy.KindSystem, Name: "destruction"}}, r.Domain, "system", "", "")
	var c store.Change
	e := s.entry(sc, ActionDestructionComplete, r.Key, nil)
	if e.Detail, err = s.endDestruction(ctx, sc, &c, r, k); err != nil {
		return fmt.Errorf("%s: %w", r.Key, err)
	}
	c.Audit = []audit.Entry{e}
	if err := s.store.Commit(ctx, c); err != nil && !errors.Is(err, store.ErrConflict) { // another node was first, or it was restored
		return fmt.Errorf("%s: %w", r.Key, err)
	}
	return nil
}

// settledNow is the time for what cannot be taken back: the earlier one of this node's
// clock and the store's.
func (s *Service) settledNow(ctx context.Context) (time.Time, error) {
	now := s.now().UTC()
	if !s.clocked {
		return now, nil
	}
	other, err := s.store.Now(ctx)
	if err != nil {
		return now, err
	}
	if other.Before(now) {
		now = other.UTC()
	}
	return now, nil
}
