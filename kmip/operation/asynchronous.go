package operation

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/payload"
)

// Messages writes and reads messages in the form in which asynchronous requests
// and their responses are kept.
type Messages interface {
	EncodeRequest(r *payload.Request) []byte
	DecodeRequest(b []byte) (*payload.Request, error)
	EncodeResponse(r *payload.Response) []byte
	DecodeResponse(b []byte) (*payload.Response, error)
}

// submit keeps an item to be processed later, if the client demands it, or allows
// it for an operation that takes long (§9.2). It returns nil when the item is to
// be processed now.
func (s *Server) submit(ctx context.Context, c *call, e *entry, item *payload.RequestItem, r *payload.Request) (*answer, error) {
	wanted := r.AsynchronousIndicator
	if e.immediate || wanted != kmip.AsynchronousIndicatorMandatory && (wanted != kmip.AsynchronousIndicatorOptional || !e.slow || s.Messages == nil) {
		return nil, nil //nolint:nilnil // documented
	}
	if s.Messages == nil {
		return nil, refused(ctx, c, item.Operation, kmip.Fail(kmip.KindUnsupportedFeature, "asynchronous processing is not supported"))
	}
	message := c.encode(item)
	defer clear(message)
	correlation, err := s.Custody.Submit(ctx, c.scope, item.Operation, message)
	if err != nil {
		return nil, err
	}
	return pending(correlation), nil
}

// Bounds of processing: how many requests at once, how long one may take, and
// how often a node looks for those that another has left.
const (
	processAtOnce  = 4
	processTimeout = 90 * time.Second
	processLook    = time.Second
)

// Work processes asynchronous requests until ctx ends. Every node may run it.
func (s *Server) Work(ctx context.Context) {
	t := time.NewTicker(processLook)
	defer t.Stop()
	for {
		claimed, err := s.Custody.Claim(ctx)
		if err != nil && ctx.Err() == nil {
			s.Custody.Warn(ctx, fmt.Errorf("asynchronous requests cannot be read: %w", err))
		}
		var g errgroup.Group
		g.SetLimit(processAtOnce)
		for _, c := range claimed {
			g.Go(func() error {
				if err := s.complete(ctx, c); err != nil && ctx.Err() == nil {
					s.Custody.Warn(ctx, fmt.Errorf("asynchronous request was not completed; it will be tried again: %w", err))
				}
				return nil
			})
		}
		_ = g.Wait()
		select {
		case <-ctx.Done():
			return
		case <-s.Custody.Work():
		case <-t.C:
		}
	}
}

// complete processes a claimed request: what it does and its response become
// durable together, or nothing does.
func (s *Server) complete(ctx context.Context, claimed *custody.Claimed) error {
	ctx, cancel := context.WithTimeout(ctx, processTimeout)
	defer cancel()
	var err error
	for range undoAttempts {
		if err = s.attempt(ctx, claimed); !custody.IsConflict(err) {
			return err
		}
		claimed.Again()
	}
	return err
}

func (s *Server) attempt(ctx context.Context, claimed *custody.Claimed) error {
	req, err := s.Messages.DecodeRequest(claimed.Message)
	if err != nil {
		return err
	}
	defer Forget(req)
	c := &call{server: s, scope: claimed.Scope, version: req.Version}
	defer c.forget()
	claimed.Scope.Form = s.Form(req.Version)
	item := &req.Items[0]
	out := payload.ResponseItem{Operation: item.Operation}
	if out.Err = s.Custody.Admit(ctx, claimed); out.Err == nil {
		out.Payload, out.Err = s.guarded(ctx, c, s.table.index[item.Operation], item)
	}
	if out.Err != nil {
		out.Status, out.Payload = kmip.ResultStatusOperationFailed, nil
		if parked, err := s.Custody.Park(ctx, claimed, out.Err); parked || err != nil {
			return err
		}
	}
	c.withhold(item.Ephemeral, &out)
	resp := &payload.Response{Version: req.Version, TimeStamp: s.Now().UTC(), Items: []payload.ResponseItem{out}}
	defer Release(resp)
	message := s.Messages.EncodeResponse(resp)
	defer clear(message)
	return s.Custody.Complete(ctx, claimed, out.Err, message)
}
