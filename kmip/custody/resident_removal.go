package custody

import (
	"context"
	"errors"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

// ActionTokenRemove is recorded when a key is removed from the token that it lived in.
const ActionTokenRemove = "key.remove-from-token"

// removeResidents removes from tokens what no object has any more, and what was
// announced and never came to be.
func (s *Service) removeResidents(ctx context.Context) error {
	list, err := s.store.Records(ctx, store.RecordQuery{Domain: SystemDomain, Kind: recordResident, Limit: 1000})
	if err != nil {
		return err
	}
	var failed error
	for _, r := range list {
		var gone removal
		err := s.openRecord(ctx, r, &gone)
		if err == nil && !s.now().Before(gone.After) {
			err = s.removeResident(ctx, r, gone)
		}
		failed = errors.Join(failed, err)
	}
	return failed
}

// removeResident removes a key from its token, if this node has the token and the
// object does not have the key: a record that was put back into the database takes no
// key away.
func (s *Service) removeResident(ctx context.Context, r store.Record, gone removal) error {
	token, err := s.sealer.ObjectToken(gone.Where.Token)
	if err != nil {
		return nil //nolint:nilerr // for a node that has the token
	}
	has, err := s.hasResident(ctx, gone)
	if err != nil {
		return err
	}
	c := store.Change{DeleteRecords: []store.RecordRef{r.Ref()}}
	if has {
		s.log.ErrorContext(ctx, "a record would have a key removed from its token that its object has; it was put into the database and is dropped",
			"domain", gone.Domain, "object", gone.UID)
	} else {
		if err := token.DestroyObject(ctx, gone.Where.ID); err != nil && !errors.Is(err, hsm.ErrNotFound) {
			return err
		}
		sc := s.Begin(Principal{Principal: policy.Principal{Kind: policy.KindSystem, Name: "tokens"}}, gone.Domain, "system", "", "")
		e := s.entry(sc, ActionTokenRemove, gone.UID, nil)
		e.Detail = "token " + gone.Where.Token + ", key " + gone.Where.ID
		c.Audit = append(c.Audit, e)
	}
	if err := s.store.Commit(ctx, c); !errors.Is(err, store.ErrConflict) {
		return err
	}
	return nil // another node was faster
}

// hasResident reports whether the object of a removal has the key, or will have it
// again when its destruction is cancelled. What cannot be told is a failure.
func (s *Service) hasResident(ctx context.Context, gone removal) (bool, error) {
	row, err := s.store.Object(ctx, gone.Domain, gone.UID)
	if errors.Is(err, store.ErrNotFound) {
		return s.keepsResident(ctx, gone)
	}
	if err != nil {
		return false, err
	}
	sc := s.internal(gone.Domain)
	m, err := s.authenticate(ctx, sc, row)
	if err != nil {
		return false, err
	}
	if m.destroyed() {
		return s.keepsResident(ctx, gone)
	}
	if !m.resident() {
		return false, nil
	}
	where, err := s.whereabouts(ctx, m)
	return err == nil && where.key() == gone.Where.key(), err
}

// keepsResident reports whether a destruction that is pending keeps the key.
func (s *Service) keepsResident(ctx context.Context, gone removal) (bool, error) {
	_, k, material, err := s.pendingDestruction(ctx, gone.Domain, gone.UID)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	material.Destroy()
	return k.Token == gone.Where.Token && k.ID == gone.Where.ID, nil
}
