package server

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/dialect"
	"github.com/claviger/claviger/kmip/payload"
	"github.com/claviger/claviger/kmip/wire"
)

// turned is a connection whose roles were exchanged (§6.1.54): the server sends
// requests, and its peer answers.
type turned struct {
	version   kmip.Version
	principal custody.Principal
	grant     custody.Grant
	after     int64 // the last entry of the audit that the peer need not hear of
}

// watchInterval is how often the server looks for what to tell.
const watchInterval = time.Second

var errPeer = errors.New("the peer does not answer as a server does")

// tell notifies the peer of a turned connection of changes to objects (§6.2.2),
// and hands over the replacements of keys and certificates (§6.2.3), until the
// connection or the server ends. The peer answers each message before it gets
// the next. Revocation of the client ends it, too.
func (c *conn) tell(t *turned) error {
	ctx := c.s.base
	svc := c.s.c.Custody
	for {
		if err := c.idle(); err != nil || c.stopped() {
			return err
		}
		if _, _, err := svc.Identify(ctx, c.presented()); err != nil {
			return err
		}
		var err error
		if t.principal, err = svc.NowBy(ctx, t.principal, t.grant); err != nil { // its roles may have changed
			return err
		}
		sc := c.watcher(t)
		events, last, err := svc.Watch(ctx, sc, t.after)
		if err != nil {
			return err
		}
		for i := range events {
			if err := c.tellOf(ctx, sc, t, &events[i]); err != nil {
				for _, e := range events[i:] {
					e.Object.Destroy()
				}
				return err
			}
		}
		t.after = last
	}
}

// idle waits until it is time to look again, and tells when the peer has gone.
func (c *conn) idle() error {
	if err := c.stream.SetReadDeadline(time.Now().Add(watchInterval)); err != nil {
		return err
	}
	var b [1]byte
	_, err := c.stream.Read(b[:])
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return nil
	}
	if err == nil {
		err = errPeer // it speaks without being asked
	}
	return err
}

func (c *conn) watcher(t *turned) *custody.Scope {
	sc := c.s.c.Custody.Begin(t.principal, t.principal.Domain, "kmip", c.peer, correlationValue())
	sc.TLS = c.tlsVersion()
	sc.Use(t.grant)
	sc.Form = dialect.FormOf(t.version)
	return sc
}

// tellOf sends one message and waits for the answer to it.
func (c *conn) tellOf(ctx context.Context, sc *custody.Scope, t *turned, e *custody.Event) error {
	defer e.Object.Destroy()
	item := payload.RequestItem{Operation: kmip.OperationNotify, Payload: &payload.NotifyRequest{
		UniqueIdentifier: e.UID, Attributes: payload.AttributeList{Attributes: e.Changed}, AttributeReference: e.Deleted,
	}}
	if e.Object != nil {
		if err := c.s.c.Custody.Told(ctx, sc, e.UID); err != nil {
			return err
		}
		item = payload.RequestItem{Operation: kmip.OperationPut, Payload: &payload.PutRequest{
			UniqueIdentifier: e.UID, PutFunction: kmip.PutFunctionReplace, ReplacedUniqueIdentifier: e.Replaced,
			Object: e.Object, Attributes: payload.AttributeList{Attributes: e.Changed},
		}}
	}
	tree := dialect.EncodeRequest(&payload.Request{Version: t.version, TimeStamp: time.Now().UTC(), Items: []payload.RequestItem{item}})
	clear(c.out)
	c.out = wire.Append(make([]byte, 0, wire.Size(tree)), tree)
	if !c.send() {
		return errPeer
	}
	return c.answered(item.Operation)
}

// answered reads the peer's answer to a message. One that failed is logged: there
// is nothing else that the server could do about it.
func (c *conn) answered(op kmip.Operation) error {
	if err := c.stream.SetReadDeadline(time.Now().Add(c.s.c.Timeouts.Request)); err != nil {
		return err
	}
	message, err := wire.ReadMessage(c.stream, c.in, c.s.c.Limits)
	if err != nil {
		return err
	}
	defer clear(message)
	tree, err := wire.Parse(message, c.s.c.Limits)
	if err != nil {
		return err
	}
	resp, err := dialect.DecodeResponse(tree)
	if err != nil || len(resp.Items) != 1 {
		return errors.Join(errPeer, err)
	}
	if r := resp.Items[0]; r.Status != kmip.ResultStatusSuccess {
		c.s.c.Log.Warn("peer refused a message", "peer", c.peer, "operation", op.String(), "reason", r.Reason.String())
	}
	return nil
}
