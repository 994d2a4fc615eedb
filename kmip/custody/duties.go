package custody

import (
	"context"
	"errors"
	"time"

	"github.com/claviger/claviger/store"
)

// dutyInterval is how often a node looks for what has expired.
const dutyInterval = 10 * time.Second

// Run does what custody does without being asked: it removes records that have
// expired, ends destructions whose waiting period is over, and streams that nobody continues, and rotates objects whose time is
// over. It returns when ctx ends. Every
// node may run it.
func (s *Service) Run(ctx context.Context) {
	t := time.NewTicker(dutyInterval)
	defer t.Stop()
	for {
		s.tendHierarchy(ctx)
		select {
		case <-ctx.Done():
			s.streams.close()
			s.stopJobs()
			return
		case <-t.C:
		}
		s.streams.expire(s.now())
		if err := s.CompleteDestructions(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "destructions whose waiting period is over could not be completed; it will be tried again", "error", err)
		}
		if err := s.WarnEnding(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "objects in use that are about to be deactivated could not be looked for; it will be tried again", "error", err)
		}
		if err := s.removeExpired(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "expired records could not be removed", "error", err)
		}
		if err := s.RotateDue(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "objects could not be rotated; it will be tried again", "error", err)
		}
	}
}

// tendHierarchy takes over jobs that nobody works on, and makes the copies of
// domain keys that tokens lack because they were away.
func (s *Service) tendHierarchy(ctx context.Context) {
	if err := s.takeJobs(ctx); err != nil && ctx.Err() == nil {
		s.log.WarnContext(ctx, "jobs could not be taken over; it will be tried again", "error", err)
	}
	if err := s.removeResidents(ctx); err != nil && ctx.Err() == nil {
		s.log.WarnContext(ctx, "keys that no object has any more could not be removed from a token; it will be tried again", "error", err)
	}
	if err := s.sealer.Complete(ctx); err != nil && ctx.Err() == nil {
		s.log.WarnContext(ctx, "a token lacks copies of domain keys; it will be tried again", "error", err)
	}
}

// removeExpired deletes expired records, each on its own: another node may
// delete the same.
func (s *Service) removeExpired(ctx context.Context) error {
	list, err := s.store.Records(ctx, store.RecordQuery{Expired: s.now(), Limit: 1000})
	if err != nil {
		return err
	}
	for _, r := range list {
		if r.Kind == recordDestruction { // it has an end of its own
			continue
		}
		err := s.store.Commit(ctx, store.Change{DeleteRecords: []store.RecordRef{r.Ref()}})
		if err != nil && !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return nil
}
