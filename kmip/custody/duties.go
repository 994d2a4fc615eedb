package custody

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/claviger/claviger/store"
)

// dutyInterval is how often a node looks for what has expired.
const dutyInterval = 10 * time.Second

// duty is something that custody does without being asked. Every node may do it.
type duty struct {
	do     func(context.Context) error
	failed string // what did not happen, for the log
}

func (s *Service) duties() []duty {
	return []duty{
		{s.takeJobs, "jobs could not be taken over"},
		{s.removeResidents, "keys that no object has any more could not be removed from a token"},
		{s.sealer.Complete, "a token lacks copies of domain keys"},
		{s.CompleteDestructions, "destructions whose waiting period is over could not be completed"},
		{s.WarnEnding, "objects in use that are about to be deactivated could not be looked for"},
		{s.removeExpired, "expired records could not be removed"},
		{s.EndApprovals, "requests for approval could not be ended"},
		{s.EndBreakGlass, "break-glass could not be closed"},
		{s.RotateDue, "objects could not be rotated"},
	}
}

// Run does the duties again and again until ctx ends, and beside them what must not
// wait for them or make them wait: it keeps the policies fresh, and the revocation
// lists of other authorities.
func (s *Service) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { s.watchPolicies(ctx) })
	wg.Go(func() { every(ctx, dutyInterval, func() { s.FetchRevocationLists(ctx) }) })
	every(ctx, dutyInterval, func() {
		s.streams.expire(s.now())
		s.tendExpiry(ctx)
		for _, d := range s.duties() {
			if err := d.do(ctx); err != nil && ctx.Err() == nil {
				s.log.WarnContext(ctx, "a duty could not be done; it will be tried again", "what", d.failed, "error", err)
			}
		}
	})
	s.streams.close()
	s.stopJobs()
}

// every does something at once and at every interval until ctx ends.
func every(ctx context.Context, interval time.Duration, do func()) {
	t := time.NewTicker(interval)
	defer t.Stop()
	for {
		do()
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
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
		if r.Kind == recordDestruction || r.Kind == recordApproval { // they have an end of their own, with an entry in the audit
			continue
		}
		err := s.store.Commit(ctx, store.Change{DeleteRecords: []store.RecordRef{r.Ref()}})
		if err != nil && !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return nil
}
