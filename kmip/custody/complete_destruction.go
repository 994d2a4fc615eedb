package custody

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/audit"
)

// endDestruction plans the end of a destruction: the record goes, and with it the
// material. It returns the evidence for the audit.
func (s *Service) endDestruction(ctx context.Context, sc *Scope, c *store.Change, r store.Record, k keptObject) (string, error) {
	c.DeleteRecords = append(c.DeleteRecords, r.Ref())
	if k.Token != "" { // the token follows the commit
		gone, err := s.residentRecord(ctx, sc, r.Domain, r.Key, residence{Token: k.Token, ID: k.ID}, 0)
		if err != nil {
			return "", err
		}
		c.AddRecords = append(c.AddRecords, gone)
		c.DropSides = append(c.DropSides, store.SideRow{Domain: r.Domain, Side: store.Side{UID: r.Key, Kind: store.SideToken, Value: k.Token}})
	}
	return fmt.Sprintf("material removed; SHA-256 of its sealed form %x; destruction asked for %s by %s", sha256.Sum256(r.Value), k.Asked.Format(time.RFC3339), k.By), nil
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
