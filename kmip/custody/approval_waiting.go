package custody

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/store"
)

// recordParked is an asynchronous request that waits for approval; nobody processes
// it before. It ends with the request for approval.
const recordParked = "async.parked"

// maxParked bounds how many asynchronous requests wait for the same approval.
const maxParked = 16

// Await keeps a request that was denied for want of approval, to be processed when it
// is approved, and returns its Asynchronous Correlation Value: that of the same
// request if it waits already. denied is what the use case returned.
func (s *Service) Await(ctx context.Context, sc *Scope, denied error, op kmip.Operation, message []byte) ([]byte, error) {
	id, ok := NeedsApproval(denied)
	if !ok || sc.undo != nil || sc.grant != nil { // what is undone, or comes by ticket, is never put off
		return nil, denied
	}
	var correlation []byte
	for range planAttempts {
		r, p, err := s.findApproval(ctx, id)
		if errors.Is(err, store.ErrNotFound) || err == nil && s.stillOpen(r, p) != nil {
			return nil, denied
		}
		if err != nil {
			return nil, s.translate(ctx, err)
		}
		if len(p.Waiting) > 0 && p.asks(sc.Principal) {
			return hex.DecodeString(p.Waiting[0])
		}
		correlation = make([]byte, correlationBytes)
		_, _ = rand.Read(correlation) // never fails
		key := hex.EncodeToString(correlation)
		v, err := s.viewApproval(ctx, p)
		if err != nil {
			return nil, s.translate(ctx, err)
		}
		kept := store.Record{Domain: sc.Domain, Kind: recordParked, Key: key, Revision: 1, Created: sc.Now}
		if v.Approved() { // just now
			kept.Kind, kept.Expires = recordWaiting, sc.Now.Add(waitingLife)
		}
		kept, err = s.sealRecord(ctx, kept, pendingRequest{
			Principal: sc.Principal, Source: sc.Source, TLS: sc.TLS, Request: sc.Request, Operation: op, Message: message, Submitted: sc.Now, Approval: id,
		})
		if err != nil {
			return nil, s.translate(ctx, err)
		}
		c := store.Change{AddRecords: []store.Record{kept}}
		if err = s.attach(ctx, &c, r, p, key); err == nil {
			err = s.store.Commit(ctx, c)
		}
		if err == nil {
			s.wakeWorker()
			return correlation, nil
		}
		if !errors.Is(err, store.ErrConflict) {
			return nil, s.translate(ctx, err)
		}
	}
	return nil, denied
}

// Park lets a claimed request that was denied for want of approval wait for it.
// When the request for approval has ended meanwhile, it returns false and the denial
// is the result.
func (s *Service) Park(ctx context.Context, c *Claimed, denied error) (bool, error) {
	id, ok := NeedsApproval(denied)
	if !ok {
		return false, nil
	}
	r, p, err := s.findApproval(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && (s.stillOpen(r, p) != nil || len(p.Waiting) >= maxParked) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if v, err := s.viewApproval(ctx, p); err != nil {
		return false, err
	} else if v.Approved() { // just now: once more
		return false, store.ErrConflict
	}
	waiting := c.pending
	waiting.Claimed, waiting.Approval = time.Time{}, id
	parked, err := s.sealRecord(ctx, store.Record{Domain: c.record.Domain, Kind: recordParked, Key: c.record.Key, Revision: 1, Created: c.record.Created}, waiting)
	if err != nil {
		return false, err
	}
	change := store.Change{AddRecords: []store.Record{parked}, DeleteRecords: []store.RecordRef{c.record.Ref()}}
	if err := s.attach(ctx, &change, r, p, c.record.Key); err != nil {
		return false, err
	}
	return true, s.store.Commit(ctx, change)
}

// attach plans that an asynchronous request waits for a request for approval.
func (s *Service) attach(ctx context.Context, c *store.Change, r store.Record, p storedApproval, key string) error {
	p.Waiting = append(slices.Clone(p.Waiting), key)
	r.Revision++
	r, err := s.sealRecord(ctx, r, p)
	c.UpdateRecords = append(c.UpdateRecords, r)
	return err
}

// wake plans that the asynchronous requests that wait for an approval are processed.
func (s *Service) wake(ctx context.Context, c *store.Change, p *storedApproval) (bool, error) {
	woken := false
	for _, key := range p.Waiting {
		r, err := s.store.Record(ctx, p.subject.Domain, recordParked, key)
		if errors.Is(err, store.ErrNotFound) { // cancelled
			continue
		}
		if err != nil {
			return false, err
		}
		var w pendingRequest
		if err := s.openRecord(ctx, r, &w); err != nil {
			return false, err
		}
		waiting, err := s.sealRecord(ctx, store.Record{
			Domain: r.Domain, Kind: recordWaiting, Key: key, Revision: 1, Created: r.Created, Expires: s.now().Add(waitingLife),
		}, w)
		if err != nil {
			return false, err
		}
		c.DeleteRecords = append(c.DeleteRecords, r.Ref())
		c.AddRecords = append(c.AddRecords, waiting)
		woken = true
	}
	p.Waiting = nil
	return woken, nil
}

// refuseWaiting plans that the asynchronous requests that wait for an approval fail.
func (s *Service) refuseWaiting(ctx context.Context, c *store.Change, p storedApproval, state ApprovalState) error {
	for _, key := range p.Waiting {
		r, err := s.store.Record(ctx, p.subject.Domain, recordParked, key)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		var w pendingRequest
		if err := s.openRecord(ctx, r, &w); err != nil {
			return err
		}
		w.Message, w.Failed, w.Failure = nil, true, kmip.KindPermissionDenied.String()
		w.Refusal = "request " + p.subject.ID + " for approval was " + string(state)
		if state == ApprovalExpired {
			w.Refusal = "request " + p.subject.ID + " for approval has expired"
		}
		if err := s.finishRecord(ctx, c, r, w); err != nil {
			return err
		}
	}
	return nil
}

// withdraw plans that an asynchronous request no longer waits for approval, and that
// the request for approval ends when nothing else waits for it.
func (s *Service) withdraw(ctx context.Context, sc *Scope, c *store.Change, r store.Record, w pendingRequest) error {
	a, p, err := s.findApproval(ctx, w.Approval)
	if errors.Is(err, store.ErrNotFound) || err == nil && a.Kind != recordApproval {
		return nil
	}
	if err != nil {
		return err
	}
	p.Waiting = slices.DeleteFunc(p.Waiting, func(key string) bool { return key == r.Key })
	if len(p.Waiting) == 0 {
		return s.endApproval(ctx, c, a, p, ApprovalCancelled, sc.Principal.Actor(), "")
	}
	a.Revision++
	a, err = s.sealRecord(ctx, a, p)
	c.UpdateRecords = append(c.UpdateRecords, a)
	return err
}

// wakeWorker wakes the one who processes asynchronous requests.
func (s *Service) wakeWorker() {
	select {
	case s.work <- struct{}{}:
	default:
	}
}
