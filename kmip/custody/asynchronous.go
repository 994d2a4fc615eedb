package custody

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/store"
)

// Bounds of asynchronous requests.
const (
	maxWaiting    = 1000           // outstanding, of one domain
	waitingLife   = 24 * time.Hour // without a result
	doneLife      = 24 * time.Hour // with a result that nobody has asked for
	obtainedLife  = 15 * time.Minute
	claimLife     = 2 * time.Minute // after which another node takes over
	claimsAtOnce  = 32
	requestsShown = 1000
)

// pendingRequest is the form that the record of an asynchronous request keeps.
type pendingRequest struct {
	Principal Principal      `json:"principal"`
	Source    string         `json:"source"`
	TLS       string         `json:"tls,omitempty"`
	Request   string         `json:"request"` // correlation value of the log
	Operation kmip.Operation `json:"operation"`
	Message   []byte         `json:"message"` // as the door that took it encodes it
	Submitted time.Time      `json:"submitted"`
	Claimed   time.Time      `json:"claimed,omitzero"` // until when a node works on it
	Processed bool           `json:"processed,omitempty"`
	Cancelled bool           `json:"cancelled,omitempty"`
	Failed    bool           `json:"failed,omitempty"`
	Failure   string         `json:"failure,omitempty"` // kind, by its name
	Response  []byte         `json:"response,omitempty"`
	Obtained  bool           `json:"obtained,omitempty"`
	// Approval is the request for approval that it waits for, or waited for, and
	// Refusal why that was in vain.
	Approval string `json:"approval,omitempty"`
	Refusal  string `json:"refusal,omitempty"`
}

// AsynchronousRequest is one that a client has made (§7.2).
type AsynchronousRequest struct {
	Correlation []byte
	Operation   kmip.Operation
	Submitted   time.Time
	Stage       kmip.ProcessingStage
}

// Submit keeps a request to be processed later, and returns its Asynchronous
// Correlation Value. It survives a restart.
func (s *Service) Submit(ctx context.Context, sc *Scope, op kmip.Operation, message []byte) ([]byte, error) {
	correlation := make([]byte, correlationBytes)
	err := s.do(ctx, sc, op.String(), func() (outcome, error) {
		o := outcome{detail: "asynchronous: submitted"}
		switch {
		case sc.undo != nil:
			return o, kmip.Fail(kmip.KindBatchRefused, "an asynchronous request cannot be undone")
		case sc.grant != nil:
			return o, kmip.Fail(kmip.KindUnsupportedFeature, "requests by ticket are not processed asynchronously")
		}
		waiting, err := s.store.Records(ctx, store.RecordQuery{Domain: sc.Domain, Kind: recordWaiting, Limit: maxWaiting})
		if err != nil {
			return o, err
		}
		if len(waiting) >= maxWaiting {
			return o, kmip.Fail(kmip.KindTooMany, "too many asynchronous requests are outstanding")
		}
		_, _ = rand.Read(correlation) // never fails
		r := store.Record{
			Domain: sc.Domain, Kind: recordWaiting, Key: hex.EncodeToString(correlation), Revision: 1,
			Created: sc.Now, Expires: sc.Now.Add(waitingLife),
		}
		r, err = s.sealRecord(ctx, r, pendingRequest{
			Principal: sc.Principal, Source: sc.Source, TLS: sc.TLS, Request: sc.Request, Operation: op, Message: message, Submitted: sc.Now,
		})
		o.change.AddRecords = []store.Record{r}
		return o, err
	})
	if err != nil {
		return nil, err
	}
	select {
	case s.work <- struct{}{}: // wake the one who processes
	default:
	}
	return correlation, nil
}

// Work tells when there may be asynchronous requests to process.
func (s *Service) Work() <-chan struct{} { return s.work }

// asynchronous reads the record of an asynchronous request of the caller.
func (s *Service) asynchronous(ctx context.Context, sc *Scope, correlation []byte) (store.Record, pendingRequest, error) {
	unknown := kmip.Fail(kmip.KindAsynchronous, "no asynchronous request has this correlation value")
	var p pendingRequest
	if len(correlation) == 0 || len(correlation) > maxCorrelationBytes {
		return store.Record{}, p, unknown
	}
	for _, kind := range []string{recordWaiting, recordParked, recordDone, recordWaiting, recordParked, recordDone} { // it may move while we look
		r, err := s.store.Record(ctx, sc.Domain, kind, hex.EncodeToString(correlation))
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return r, p, err
		}
		if err := s.openRecord(ctx, r, &p); err != nil {
			return r, p, err
		}
		if !p.asks(sc) || s.over(r) {
			return store.Record{}, pendingRequest{}, unknown
		}
		return r, p, nil
	}
	return store.Record{}, p, unknown
}

// asks reports whether the caller is who made the request, through the same client: a
// result holds what was permitted to both. A ticket with some of the rights of its
// owner has no part in the owner's requests.
func (p *pendingRequest) asks(sc *Scope) bool {
	if sc.grant != nil && sc.grant.Limited || p.Principal.Actor() != sc.Principal.Actor() {
		return false
	}
	made, now := p.Principal.Beside, sc.Principal.Beside
	return made == nil && now == nil || made != nil && now != nil && made.Domain == now.Domain && made.Kind == now.Kind && made.Name == now.Name
}

// over reports whether the time of a record is over, though nobody has removed
// it yet.
func (s *Service) over(r store.Record) bool {
	return !r.Expires.IsZero() && !s.now().Before(r.Expires)
}

// Polled is what Poll finds.
type Polled struct {
	Done     bool
	Response []byte // as the processor encoded it
	// Failed tells that the request failed, and Kind how.
	Failed bool
	Kind   kmip.Kind
	// Refusal tells why a request was never processed for want of approval: there is
	// no Response then.
	Refusal   string
	Operation kmip.Operation
}

// Poll returns the response to an asynchronous request, if there is one (§6.1.38).
// A request that was cancelled fails.
func (s *Service) Poll(ctx context.Context, sc *Scope, correlation []byte) (Polled, error) {
	var found Polled
	err := s.do(ctx, sc, "Poll", func() (outcome, error) {
		var o outcome
		if err := s.authorizeNone(ctx, sc, "Poll"); err != nil {
			return o, err
		}
		r, p, err := s.asynchronous(ctx, sc, correlation)
		if err != nil {
			return o, err
		}
		switch {
		case p.Cancelled:
			return o, kmip.Fail(kmip.KindCancelled, "the request was cancelled")
		case r.Kind != recordDone:
			found = Polled{}
			return o, nil
		}
		found = Polled{Done: true, Response: p.Response, Failed: p.Failed, Kind: kmip.KindNamed(p.Failure), Refusal: p.Refusal, Operation: p.Operation}
		if p.Obtained {
			return o, nil
		}
		p.Obtained = true
		r.Revision++
		r.Expires = sc.Now.Add(obtainedLife)
		r, err = s.sealRecord(ctx, r, p)
		o.change.UpdateRecords = []store.Record{r}
		return o, err
	})
	return found, err
}

// Cancel gives up an asynchronous request that nobody has begun to process
// (§6.1.5). It never fails for want of one.
func (s *Service) Cancel(ctx context.Context, sc *Scope, correlation []byte) (kmip.CancellationResult, error) {
	result := kmip.CancellationResultUnavailable
	err := s.do(ctx, sc, "Cancel", func() (outcome, error) {
		var o outcome
		if err := s.authorizeNone(ctx, sc, "Cancel"); err != nil {
			return o, err
		}
		r, p, err := s.asynchronous(ctx, sc, correlation)
		switch {
		case kmip.KindOf(err) == kmip.KindAsynchronous:
			result = kmip.CancellationResultUnavailable
			return o, nil
		case err != nil:
			return o, err
		case p.Cancelled:
			result = kmip.CancellationResultCanceled
			return o, nil
		case r.Kind == recordDone && p.Failed:
			result = kmip.CancellationResultFailed
			return o, nil
		case r.Kind == recordDone:
			result = kmip.CancellationResultCompleted
			return o, nil
		case s.now().Before(p.Claimed):
			result = kmip.CancellationResultUnableToCancel
			return o, nil
		}
		result = kmip.CancellationResultCanceled
		if r.Kind == recordParked {
			if err := s.withdraw(ctx, sc, &o.change, r, p); err != nil {
				return o, err
			}
		}
		p.Cancelled, p.Message = true, nil
		return o, s.finishRecord(ctx, &o.change, r, p)
	})
	return result, err
}

// finishRecord plans that a waiting request is one with a result.
func (s *Service) finishRecord(ctx context.Context, c *store.Change, r store.Record, p pendingRequest) error {
	c.DeleteRecords = append(c.DeleteRecords, r.Ref())
	done := store.Record{Domain: r.Domain, Kind: recordDone, Key: r.Key, Revision: 1, Created: r.Created, Expires: s.now().Add(doneLife)}
	done, err := s.sealRecord(ctx, done, p)
	c.AddRecords = append(c.AddRecords, done)
	return err
}

// Outstanding lists the asynchronous requests of the caller whose results it has
// not obtained (§6.1.41): those with one of the correlation values, or of one of
// the operations, where these are given.
func (s *Service) Outstanding(ctx context.Context, sc *Scope, correlations [][]byte, operations []kmip.Operation) ([]AsynchronousRequest, error) {
	var list []AsynchronousRequest
	err := s.do(ctx, sc, "QueryAsynchronousRequests", func() (outcome, error) {
		list = nil
		if err := s.authorizeNone(ctx, sc, "QueryAsynchronousRequests"); err != nil {
			return outcome{}, err
		}
		for _, kind := range []string{recordWaiting, recordParked, recordDone} {
			records, err := s.store.Records(ctx, store.RecordQuery{Domain: sc.Domain, Kind: kind, Limit: requestsShown})
			if err != nil {
				return outcome{}, err
			}
			for _, r := range records {
				var p pendingRequest
				if err := s.openRecord(ctx, r, &p); err != nil {
					return outcome{}, err
				}
				correlation, err := hex.DecodeString(r.Key)
				if err != nil || s.over(r) || p.Obtained || p.Cancelled || !p.asks(sc) ||
					len(operations) > 0 && !slices.Contains(operations, p.Operation) ||
					len(correlations) > 0 && !slices.ContainsFunc(correlations, func(c []byte) bool { return bytes.Equal(c, correlation) }) {
					continue
				}
				a := AsynchronousRequest{Correlation: correlation, Operation: p.Operation, Submitted: p.Submitted, Stage: kmip.ProcessingStageSubmitted}
				switch {
				case kind == recordDone:
					a.Stage = kmip.ProcessingStageCompleted
				case s.now().Before(p.Claimed):
					a.Stage = kmip.ProcessingStageInProcess
				}
				list = append(list, a)
			}
		}
		return outcome{}, nil
	})
	return list, err
}

// Claimed is an asynchronous request that the caller has to process.
type Claimed struct {
	Scope     *Scope
	Operation kmip.Operation
	Message   []byte

	record  store.Record
	pending pendingRequest
}

// Claim takes requests that wait to be processed, of any domain. Each is the
// caller's until it is completed, or for a while.
func (s *Service) Claim(ctx context.Context) ([]*Claimed, error) {
	records, err := s.store.Records(ctx, store.RecordQuery{Kind: recordWaiting, Limit: claimsAtOnce})
	if err != nil {
		return nil, err
	}
	var claimed []*Claimed
	for _, r := range records {
		var p pendingRequest
		if err := s.openRecord(ctx, r, &p); err != nil {
			s.log.ErrorContext(ctx, "asynchronous request cannot be read", "domain", r.Domain, "error", err)
			continue
		}
		c, err := s.claim(ctx, r, p)
		if err != nil && !errors.Is(err, store.ErrConflict) {
			return claimed, err
		}
		if c != nil {
			claimed = append(claimed, c)
		}
	}
	return claimed, nil
}

// claim takes one request; it returns nil when somebody else has it.
func (s *Service) claim(ctx context.Context, r store.Record, p pendingRequest) (*Claimed, error) {
	if s.now().Before(p.Claimed) {
		return nil, nil //nolint:nilnil // documented
	}
	p.Claimed = s.now().Add(claimLife)
	r.Revision++
	r, err := s.sealRecord(ctx, r, p)
	if err != nil {
		return nil, err
	}
	if err := s.store.Commit(ctx, store.Change{UpdateRecords: []store.Record{r}}); err != nil {
		return nil, err
	}
	sc := s.Begin(p.Principal, r.Domain, "kmip", p.Source, p.Request)
	sc.TLS = p.TLS
	sc.Undoable() // what it does and that it is done are one change
	sc.undo.deferred = true
	return &Claimed{Scope: sc, Operation: p.Operation, Message: p.Message, record: r, pending: p}, nil
}

// ClaimOne takes one request of the caller to be processed at once (§6.1.39). One
// that was processed, or is being processed, is refused.
func (s *Service) ClaimOne(ctx context.Context, sc *Scope, correlation []byte) (*Claimed, error) {
	var claimed *Claimed
	err := s.do(ctx, sc, "Process", func() (outcome, error) {
		var o outcome
		if err := s.authorizeNone(ctx, sc, "Process"); err != nil {
			return o, err
		}
		r, p, err := s.asynchronous(ctx, sc, correlation)
		if err != nil {
			return o, err
		}
		if r.Kind == recordDone || p.Processed {
			return o, kmip.Fail(kmip.KindProcessed, "the request was processed already")
		}
		if r.Kind == recordParked {
			return o, kmip.Fail(kmip.KindPermissionDenied, "the request waits for approval; request %s is open", p.Approval)
		}
		p.Processed = true
		if claimed, err = s.claim(ctx, r, p); err != nil {
			return o, err
		}
		if claimed == nil {
			return o, kmip.Fail(kmip.KindProcessed, "the request is being processed already")
		}
		return o, nil
	})
	return claimed, err
}

// Admit tells whether the client, or user, of a claimed request is still
// admitted, and gives the request the roles that they have now.
func (s *Service) Admit(ctx context.Context, c *Claimed) error {
	p, err := s.Now(ctx, c.pending.Principal)
	if err == nil {
		c.Scope.Principal = p
	}
	return err
}

// Complete makes what a claimed request did durable together with its response.
// When others have changed the same objects, it returns a conflict and the
// request may be run again after Again.
// failure is why it failed; nil when it succeeded.
func (s *Service) Complete(ctx context.Context, c *Claimed, failure error, response []byte) error {
	p := c.pending
	p.Message, p.Response = nil, response
	var change store.Change
	if failure == nil {
		change = c.Scope.undo.merged()
	} else {
		p.Failed, p.Failure = true, kmip.KindOf(failure).String()
	}
	if err := s.finishRecord(ctx, &change, c.record, p); err != nil {
		return err
	}
	return s.store.Commit(ctx, change)
}

// Again drops what a claimed request has planned.
func (c *Claimed) Again() {
	c.Scope.Undoable()
	c.Scope.undo.deferred = true
}
