package operation

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/payload"
)

// undoAttempts bounds how often an undoable batch is run again because others
// changed the same objects.
const undoAttempts = 4

// Batch runs the items of a request in order (§9.6, §9.8) and returns the
// response. authenticated tells that the scope's principal is known. Secrets in
// the response are to be destroyed with Release once it has been written.
//
// turn turns the connection around; nil where that is not possible.
func (s *Server) Batch(ctx context.Context, sc *custody.Scope, authenticated bool, r *payload.Request, turn func() error) *payload.Response {
	defer Forget(r)
	sc.Form = s.Form(r.Version)
	undo := r.ErrorContinuation == kmip.BatchErrorContinuationOptionUndo && len(r.Items) > 1
	for attempt := 1; ; attempt++ {
		resp := &payload.Response{Version: r.Version, TimeStamp: s.Now().UTC()}
		if r.ClientCorrelationValue != "" {
			// Only to clients that know of correlation: others read by position.
			resp.ServerCorrelationValue = sc.Request
		}
		c := &call{server: s, scope: sc, version: r.Version, keepsData: len(r.Items) > 1, turn: turn}
		if undo {
			sc.Undoable()
		}
		failed := s.run(ctx, c, authenticated, r, resp)
		c.forget()
		if !undo {
			return resp
		}
		err := s.settle(ctx, sc, failed, attempt < undoAttempts)
		if errors.Is(err, errAgain) {
			Release(resp)
			continue
		}
		s.markUndone(resp, failed, err)
		return resp
	}
}

// run fills the response and reports whether an item failed.
func (s *Server) run(ctx context.Context, c *call, authenticated bool, r *payload.Request, resp *payload.Response) (failed bool) {
	changed := false
	for i := range r.Items {
		item := &r.Items[i]
		c.item = len(c.all)
		if r.ErrorContinuation == kmip.BatchErrorContinuationOptionUndo && changed && item.Operation == kmip.OperationLocate {
			item.Err = kmip.Fail(kmip.KindBatchRefused, "a batch that can be undone may not search after it has changed objects")
		}
		e := s.table.index[item.Operation]
		for n, one := range c.each(item, r.Version) {
			c.again = n > 0
			out := s.respond(ctx, c, e, authenticated, &one, r)
			resp.Items = append(resp.Items, out)
			if out.Err != nil {
				failed = true
				if r.ErrorContinuation != kmip.BatchErrorContinuationOptionContinue {
					return true
				}
			} else if e != nil && !e.readOnly {
				changed = true
			}
		}
	}
	return failed
}

// respond runs one item and makes the item of the response.
func (s *Server) respond(ctx context.Context, c *call, e *entry, authenticated bool, item *payload.RequestItem, r *payload.Request) payload.ResponseItem {
	out := payload.ResponseItem{Operation: item.Operation, UniqueBatchItemID: item.UniqueBatchItemID}
	out.Payload, out.Err = s.item(ctx, c, e, authenticated, item, r)
	if out.Err != nil {
		out.Status, out.Payload = kmip.ResultStatusOperationFailed, nil
	}
	if a, ok := out.Payload.(*answer); ok {
		return a.inPlaceOf(out)
	}
	c.withhold(item.Ephemeral, &out)
	return out
}

// item runs one item, or keeps it to be processed later.
func (s *Server) item(ctx context.Context, c *call, e *entry, authenticated bool, item *payload.RequestItem, r *payload.Request) (any, error) {
	var err error
	switch {
	case e == nil && item.Err == nil || e == nil && kmip.KindOf(item.Err) != kmip.KindInvalidMessage:
		err = kmip.Fail(kmip.KindUnsupportedOperation, "operation %s is not supported", item.Operation)
	case item.Err != nil:
		err = item.Err
	case !authenticated && !e.anonymous:
		err = kmip.Fail(kmip.KindNotAuthenticated, "the certificate belongs to no client of this server")
	case item.Ephemeral > kmip.EphemeralData:
		err = kmip.Fail(kmip.KindUnsupportedFeature, "an item cannot be ephemeral in its %s", item.Ephemeral)
	}
	if err != nil {
		s.Custody.Refuse(ctx, c.scope, item.Operation.String(), "", err)
		return nil, err
	}
	if a, err := s.submit(ctx, c, e, item, r); a != nil || err != nil {
		return a, err
	}
	result, err := s.guarded(ctx, c, e, item)
	if err != nil && r.AsynchronousIndicator == kmip.AsynchronousIndicatorOptional && !e.immediate {
		return s.await(ctx, c, item, err)
	}
	return result, err
}

// guarded runs one item. No panic leaves it.
func (s *Server) guarded(ctx context.Context, c *call, e *entry, item *payload.RequestItem) (result any, err error) {
	defer func() {
		if p := recover(); p != nil {
			result, err = nil, kmip.FailFrom(fmt.Errorf("panic: %v\n%s", p, debug.Stack()), kmip.KindGeneral, "the server could not complete the operation")
			c.server.Custody.Report(ctx, c.scope, item.Operation.String(), err)
		}
	}()
	if c.current = item; s.Messages != nil {
		c.scope.About(c)
	}
	return e.run(ctx, c, item.Payload)
}

// inPlaceOf makes the item of a response out of an answer. What Poll answers is
// of the operation that was asked for first.
func (a *answer) inPlaceOf(out payload.ResponseItem) payload.ResponseItem {
	item := a.ResponseItem
	if item.Operation == 0 {
		item.Operation = out.Operation
	}
	item.UniqueBatchItemID = out.UniqueBatchItemID
	return item
}

// errAgain tells that the batch is to be run again.
var errAgain = errors.New("operation: run the batch again")

// settle ends an undoable batch: all its changes, or none.
func (s *Server) settle(ctx context.Context, sc *custody.Scope, failed, again bool) error {
	var err error
	if !failed {
		if err = s.Custody.Finish(ctx, sc); err == nil {
			return nil
		}
		if again && custody.IsConflict(err) {
			return errAgain
		}
	}
	return errors.Join(err, s.Custody.Undo(ctx, sc, err))
}

// markUndone turns the items before a failure into undone ones (§9.6). err is
// what went wrong at the end, when the items as such had succeeded.
func (s *Server) markUndone(resp *payload.Response, failed bool, err error) {
	if !failed && err == nil {
		return
	}
	for i := range resp.Items {
		if resp.Items[i].Err == nil {
			resp.Items[i].Status = kmip.ResultStatusOperationUndone
		}
	}
	if !failed {
		last := &resp.Items[len(resp.Items)-1]
		last.Status, last.Err, last.Payload = kmip.ResultStatusOperationFailed, err, nil
	}
}

// Forget overwrites the secrets of a request, once nothing will run it again.
func Forget(r *payload.Request) {
	for _, item := range r.Items {
		switch p := item.Payload.(type) {
		case *payload.RegisterRequest:
			p.Object.Destroy()
		case *payload.ImportRequest:
			p.Object.Destroy()
		}
	}
}

// Release destroys the secrets that a response carries.
func Release(r *payload.Response) {
	for _, item := range r.Items {
		switch p := item.Payload.(type) {
		case *payload.GetResponse:
			p.Object.Destroy()
		case *payload.ExportResponse:
			p.Object.Destroy()
		case *payload.DecryptResponse:
			clear(p.Data)
		case *payload.RNGRetrieveResponse:
			clear(p.Data)
		}
	}
}

// TooLarge makes a response fit: the largest items become failures until
// fits says that it does (§9.12). It returns false when nothing helps.
func TooLarge(r *payload.Response, size func(payload.ResponseItem) int, fits func() bool) bool {
	for !fits() {
		largest, bytes := -1, 0
		for i, item := range r.Items {
			if n := size(item); item.Err == nil && n > bytes {
				largest, bytes = i, n
			}
		}
		if largest < 0 {
			return false
		}
		item := &r.Items[largest]
		Release(&payload.Response{Items: []payload.ResponseItem{*item}})
		item.Status, item.Payload = kmip.ResultStatusOperationFailed, nil
		item.Err = kmip.Fail(kmip.KindResponseTooLarge, "the response exceeds the Maximum Response Size")
	}
	return true
}
