package custody

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/hsm/seal"
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

// RotateDomainKey begins a new generation of a domain's key, in another mode if
// one is given, and to move everything under it. Clients notice nothing.
func (s *Service) RotateDomainKey(ctx context.Context, sc *Scope, domain string, mode seal.Mode) (*Job, error) {
	return s.startJob(ctx, sc, policy.ActionDomainRotate, domain, func() (*Job, error) {
		if err := checkMode(mode); err != nil {
			return nil, err
		}
		if err := s.checkDomain(ctx, domain); err != nil {
			return nil, err
		}
		list, err := s.sealer.GenerationsOf(ctx, domain)
		if err != nil {
			return nil, err
		}
		j := &Job{Kind: JobDomainRotate, Domain: domain, Mode: mode}
		for _, g := range list {
			if !g.Gone {
				j.From = max(j.From, g.Number)
			}
			j.To = max(j.To, g.Number+1)
			if j.Mode == "" && !g.Gone {
				j.Mode = g.Mode
			}
		}
		if mode == "" && len(list) > 0 {
			j.Mode = list[len(list)-1].Mode
		}
		return j, nil
	})
}

func (s *Service) checkDomain(ctx context.Context, domain string) error {
	if domain == SystemDomain {
		return nil
	}
	_, err := s.store.Domain(ctx, domain)
	if errors.Is(err, store.ErrNotFound) {
		return kmip.Fail(kmip.KindObjectNotFound, "there is no domain %q", domain)
	}
	return err
}

// DomainGenerations describes the generations of a domain's key.
func (s *Service) DomainGenerations(ctx context.Context, sc *Scope, domain string) ([]seal.GenerationStatus, error) {
	var list []seal.GenerationStatus
	err := s.administer(ctx, sc, policy.ActionDomainList, domain, func() (store.Change, error) {
		err := s.checkDomain(ctx, domain)
		if err == nil {
			list, err = s.sealer.GenerationsOf(ctx, domain)
		}
		return store.Change{}, err
	})
	return list, err
}

// Sizes of the work: objects in a page, and how many pages may be under way.
const (
	resealPage  = 2000
	resealAhead = 2
)

// rotateDomain moves everything of a domain under the new generation, and ends
// the older ones once nothing is under them:
//
//	make the generation: from now on nodes seal under it
//	move objects and records, until a pass finds none
//	close the old generation: no node can put anything under it any more
//	move what came meanwhile; count: there is nothing; destroy the copies
//
// The old generations of the installation's own key stay, because entries of the
// audit are authenticated by them.
func (w *work) rotateDomain(ctx context.Context) error {
	s, j := w.s, w.job
	if err := s.sealer.EnsureGeneration(ctx, j.Domain, j.To, j.Mode); err != nil {
		return err
	}
	old, err := w.oldGenerations(ctx)
	if err != nil {
		return err
	}
	var total int64
	for _, g := range old {
		objects, records, err := s.store.SealedCount(ctx, j.Domain, g)
		if err != nil {
			return err
		}
		total += objects + records
	}
	w.update(func(j *Job) { j.Total = j.Done + total })
	var left int64
	for _, g := range old {
		n, err := w.leave(ctx, g)
		if err != nil {
			return fmt.Errorf("generation %d: %w", g, err)
		}
		left += n
	}
	if left > 0 {
		w.update(func(j *Job) {
			j.Left = left
			j.Detail = fmt.Sprintf("left: %d objects or records that do not authenticate or are changed all the time (the log names them); the generation that they are under is kept", left)
		})
	}
	return nil
}

// oldGenerations are those that are to be left, the oldest first.
func (w *work) oldGenerations(ctx context.Context) ([]int32, error) {
	list, err := w.s.sealer.GenerationsOf(ctx, w.job.Domain)
	if err != nil {
		return nil, err
	}
	var old []int32
	for _, g := range list {
		if g.Number < w.job.To && !g.Gone {
			old = append(old, g.Number)
		}
	}
	return old, nil
}

// leave moves everything that is under a generation, closes it and destroys its
// copies. It returns how many could not be moved.
func (w *work) leave(ctx context.Context, g int32) (left int64, err error) {
	ref := []store.GenerationRef{{Domain: w.job.Domain, Generation: g}}
	if err := w.moveAll(ctx, g); err != nil {
		return 0, err
	}
	if w.job.Domain == SystemDomain {
		if err := w.s.resealAuthority(ctx); err != nil {
			return 0, err
		}
	}
	if err := w.commit(ctx, "close", g, store.Change{CloseGenerations: ref}); err != nil {
		return 0, err
	}
	if left, err = w.moveRest(ctx, g); err != nil || left > 0 || w.job.Domain == SystemDomain {
		return left, err
	}
	return 0, w.commit(ctx, "destroy: 0 objects and 0 records are under it,", g, store.Change{DropGenerations: ref})
}

// Clients may change an object just when it is moved, which is then tried again.
const (
	restAttempts = 50
	restPause    = 100 * time.Millisecond
)

// moveRest moves what is under a closed generation, and counts what stays because
// it does not authenticate.
func (w *work) moveRest(ctx context.Context, g int32) (left int64, err error) {
	for range restAttempts {
		damaged := w.damaged.Load()
		if err := w.moveAll(ctx, g); err != nil {
			return 0, err
		}
		objects, records, err := w.s.store.SealedCount(ctx, w.job.Domain, g)
		if left = objects + records; err != nil || left == 0 || left == w.damaged.Load()-damaged {
			return left, err
		}
		select {
		case <-ctx.Done():
			return left, ctx.Err()
		case <-time.After(restPause):
		}
	}
	return left, nil
}

func (w *work) commit(ctx context.Context, what string, g int32, c store.Change) error {
	e := w.s.entry(w.s.jobScope(w.job), w.job.Kind, w.job.ID, nil)
	e.Detail = fmt.Sprintf("%s generation %d", what, g)
	c.Audit = append(c.Audit, e)
	return w.s.store.Commit(ctx, c)
}

// moveAll moves objects and records until a pass moves nothing more.
func (w *work) moveAll(ctx context.Context, g int32) error {
	for {
		objects, err := w.moveObjects(ctx, g)
		if err != nil {
			return err
		}
		records, err := w.moveRecords(ctx, g)
		if err != nil {
			return err
		}
		if objects+records == 0 {
			return nil
		}
	}
}

// moveObjects goes once over the objects under a generation. One that is changed
// by a client meanwhile is left for the next pass.
func (w *work) moveObjects(ctx context.Context, g int32) (int64, error) {
	var moved atomic.Int64
	grp, gctx := errgroup.WithContext(ctx)
	pages := make(chan []store.Object, resealAhead)
	grp.Go(func() error {
		defer close(pages)
		after := ""
		for {
			page, err := w.s.store.Sealed(gctx, w.job.Domain, g, after, resealPage)
			if err != nil || len(page) == 0 {
				return err
			}
			after = page[len(page)-1].UID
			select {
			case pages <- page:
			case <-gctx.Done():
				return gctx.Err()
			}
		}
	})
	for range resealAhead {
		grp.Go(func() error {
			for page := range pages {
				ready, err := w.resealPage(gctx, page)
				if err != nil {
					return err
				}
				n, err := w.s.store.Reseal(gctx, ready)
				if err != nil {
					return err
				}
				moved.Add(int64(n))
				w.update(func(j *Job) { j.Done += int64(n) })
			}
			return nil
		})
	}
	return moved.Load(), errors.Join(grp.Wait())
}

// resealPage seals objects under the new generation; those that do not
// authenticate stay as they are.
func (w *work) resealPage(ctx context.Context, page []store.Object) ([]store.Object, error) {
	ok := make([]bool, len(page))
	grp, gctx := errgroup.WithContext(ctx)
	grp.SetLimit(4 * runtime.GOMAXPROCS(0)) // in mode direct each waits for the token
	for i := range page {
		grp.Go(func() error {
			err := w.s.reseal(gctx, &page[i], w.job.To)
			if errors.Is(err, hsm.ErrIntegrity) {
				w.damaged.Add(1)
				w.s.log.ErrorContext(ctx, "an object does not authenticate and is not moved to the new key", "domain", page[i].Domain, "uid", page[i].UID, "error", err)
				return nil
			}
			ok[i] = err == nil
			return err
		})
	}
	if err := grp.Wait(); err != nil {
		return nil, err
	}
	ready := page[:0]
	for i, o := range page {
		if ok[i] {
			ready = append(ready, o)
		}
	}
	return ready, nil
}

// reseal brings a record under another generation: its material and its MAC.
func (s *Service) reseal(ctx context.Context, row *store.Object, to int32) error {
	if err := s.sealer.VerifyMAC(ctx, row.Domain, row.Generation, macMessage(*row), row.MAC); err != nil {
		return err
	}
	if row.Material != nil {
		plain, err := s.sealer.Open(ctx, row.Domain, row.Generation, binding(*row), row.Material)
		if err != nil {
			return err
		}
		row.Material, err = s.sealer.SealAt(ctx, row.Domain, to, binding(*row), plain)
		plain.Destroy()
		if err != nil {
			return err
		}
	}
	row.Generation = to
	row.Revision++
	mac, err := s.sealer.MAC(ctx, row.Domain, to, macMessage(*row))
	row.MAC = mac
	return err
}

// moveRecords goes once over the records under a generation.
func (w *work) moveRecords(ctx context.Context, g int32) (int64, error) {
	var moved int64
	for {
		list, err := w.s.store.Records(ctx, store.RecordQuery{Domain: w.job.Domain, Generation: g, Limit: 1000})
		if err != nil {
			return moved, err
		}
		before := moved
		for _, r := range list {
			ok, err := w.moveRecord(ctx, r)
			if err != nil {
				return moved, err
			}
			if ok {
				moved++
				w.update(func(j *Job) { j.Done++ })
			}
		}
		if len(list) < 1000 || moved == before {
			return moved, nil
		}
	}
}

func (w *work) moveRecord(ctx context.Context, r store.Record) (bool, error) {
	if r.Kind == recordJob && r.Key == w.job.ID {
		return false, w.save(ctx) // seals it anew
	}
	moved, err := w.s.resealRecord(ctx, r)
	if errors.Is(err, hsm.ErrIntegrity) {
		w.damaged.Add(1)
		w.s.log.ErrorContext(ctx, "a record does not authenticate and is not moved to the new key", "domain", r.Domain, "kind", r.Kind, "error", err)
		return false, nil
	}
	if err != nil {
		return false, err
	}
	err = w.s.store.Commit(ctx, store.Change{UpdateRecords: []store.Record{moved}})
	if errors.Is(err, store.ErrConflict) {
		return false, nil
	}
	return err == nil, err
}

// resealRecord brings a record under the current generation. It returns
// hsm.ErrIntegrity for one that does not authenticate.
func (s *Service) resealRecord(ctx context.Context, r store.Record) (store.Record, error) {
	if r.Kind == recordRoster {
		if err := s.store.verify(ctx, r); err != nil {
			return r, err
		}
		r.Revision++
		return s.store.seal(ctx, r)
	}
	if len(r.Value) < 4 {
		r.Value = make([]byte, 4) // nothing that could authenticate
	}
	p, err := s.sealer.Open(ctx, r.Domain, r.Generation, recordBinding(r), r.Value[4:])
	if err != nil {
		return r, err
	}
	defer p.Destroy()
	r.Revision++
	return s.sealRecordBytes(ctx, r, p)
}

// resealAuthority seals the key of the certification authority under the current
// generation.
func (s *Service) resealAuthority(ctx context.Context) error {
	key, err := s.openSetting(ctx, settingAuthorityKey)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	sealed, err := s.sealSetting(ctx, settingAuthorityKey, key)
	if err != nil {
		return err
	}
	return s.store.Commit(ctx, store.Change{PutSettings: []store.Setting{{Name: settingAuthorityKey, Value: sealed}}})
}
