package server

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/dialect"
	"github.com/claviger/claviger/kmip/operation"
	"github.com/claviger/claviger/kmip/payload"
	"github.com/claviger/claviger/kmip/wire"
)

// handle answers one message. It returns false when the connection must end.
func (c *conn) handle(message []byte) bool {
	defer clear(message)
	ctx, cancel := context.WithTimeout(c.s.base, c.s.c.Timeouts.Request)
	defer cancel()
	resp, limit := c.process(ctx, message)
	defer operation.Release(resp)
	return c.write(resp, limit)
}

// process turns the bytes of a request into a response, and says how large the
// response may be (0: any size).
func (c *conn) process(ctx context.Context, message []byte) (*payload.Response, int) {
	now := time.Now().UTC()
	correlation := correlationValue()
	tree, err := wire.Parse(message, c.s.c.Limits)
	if err != nil {
		v := peekVersion(message)
		return c.unreadable(ctx, correlation, v, now, kmip.FailFrom(err, kmip.KindCodec, "the message is not well-formed TTLV")), 0
	}
	req, err := dialect.DecodeRequest(tree)
	defer operation.Forget(req) // also of a request that is not run
	if err != nil {
		return c.unreadable(ctx, correlation, req.Version, now, err), int(req.MaximumResponseSize)
	}
	return c.run(ctx, correlation, req), int(req.MaximumResponseSize)
}

// run authenticates the caller and runs the batch.
func (c *conn) run(ctx context.Context, correlation string, req *payload.Request) *payload.Response {
	svc := c.s.c.Custody
	cert := c.tls.ConnectionState().PeerCertificates[0]
	p, err := svc.AuthenticateClient(ctx, cert)
	known := err == nil
	if err != nil && kmip.KindOf(err) != kmip.KindNotAuthenticated {
		return c.refuse(ctx, svc.Begin(custody.Principal{}, "", "kmip", c.peer, correlation), req, err)
	}
	for _, cr := range req.Credentials {
		if !known {
			break
		}
		if cr.Type != kmip.CredentialTypeUsernameAndPassword {
			err = kmip.Fail(kmip.KindNotAuthenticated, "credentials of type %s are not supported", cr.Type)
		} else if user, uerr := svc.AuthenticateUser(ctx, p, cr.Username, cr.Password); uerr != nil {
			err = uerr
		} else {
			p = user
		}
		if err != nil {
			return c.refuse(ctx, svc.Begin(p, p.Domain, "kmip", c.peer, correlation), req, err)
		}
	}
	return c.s.c.Operations.Batch(ctx, svc.Begin(p, p.Domain, "kmip", c.peer, correlation), known, req)
}

// refuse answers a request whose caller could not be authenticated.
func (c *conn) refuse(ctx context.Context, sc *custody.Scope, req *payload.Request, err error) *payload.Response {
	first := req.Items[0]
	c.s.c.Custody.Refuse(ctx, sc, first.Operation.String(), "", err)
	resp := dialect.Failed(req.Version, time.Now().UTC(), err)
	resp.Items[0].Operation, resp.Items[0].UniqueBatchItemID = first.Operation, first.UniqueBatchItemID
	return resp
}

// unreadable answers a message that has no operation that could be named.
func (c *conn) unreadable(ctx context.Context, correlation string, v kmip.Version, now time.Time, err error) *payload.Response {
	c.s.c.Log.WarnContext(ctx, "message refused", "peer", c.peer, "error", err)
	c.s.c.Custody.Refuse(ctx, c.s.c.Custody.Begin(custody.Principal{}, "", "kmip", c.peer, correlation), "message", "", err)
	return dialect.Failed(v, now, err)
}

// answerUnread answers a message that was refused before it was read.
func (c *conn) answerUnread(err error) {
	ctx, cancel := context.WithTimeout(c.s.base, c.s.c.Timeouts.Request)
	defer cancel()
	failure := kmip.FailFrom(err, kmip.KindInvalidMessage, "the message is not one, or larger than this server takes")
	c.write(c.unreadable(ctx, correlationValue(), kmip.V10, time.Now().UTC(), failure), 0)
}

// write sends the response in one write, brought below the limit.
func (c *conn) write(resp *payload.Response, limit int) bool {
	encode := func() {
		clear(c.out)
		tree := dialect.EncodeResponse(resp)
		if n := wire.Size(tree); n > cap(c.out) {
			c.out = make([]byte, 0, n) // a buffer that grew by itself would leave copies of secrets
		}
		c.out = wire.Append(c.out[:0], tree)
	}
	encode()
	defer func() { clear(c.out) }()
	if limit > 0 && len(c.out) > limit {
		operation.TooLarge(resp, func(i payload.ResponseItem) int {
			one := &payload.Response{Version: resp.Version, TimeStamp: resp.TimeStamp, Items: []payload.ResponseItem{i}}
			return wire.Size(dialect.EncodeResponse(one))
		}, func() bool {
			encode()
			return len(c.out) <= limit
		})
	}
	if err := c.tls.SetWriteDeadline(time.Now().Add(c.s.c.Timeouts.Write)); err != nil {
		return false
	}
	_, err := c.tls.Write(c.out)
	return err == nil
}

// correlationValue identifies a request in response, log and audit (§9.9).
func correlationValue() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// peekVersion looks for the Protocol Version where it stands in every message
// that clients write, to answer a message that does not parse in its version.
func peekVersion(b []byte) kmip.Version {
	const majorAt, minorAt = 24, 40
	item := func(at int, tag kmip.Tag) (uint32, bool) {
		if len(b) < at+16 {
			return 0, false
		}
		head := binary.BigEndian.Uint32(b[at:])
		return binary.BigEndian.Uint32(b[at+8:]), head == uint32(tag)<<8|uint32(kmip.TypeInteger)
	}
	major, ok1 := item(majorAt, kmip.TagProtocolVersionMajor)
	minor, ok2 := item(minorAt, kmip.TagProtocolVersionMinor)
	if !ok1 || !ok2 || major > 255 || minor > 255 {
		return kmip.V10
	}
	if v := kmip.Version(major<<8 | minor); v.Supported() { //nolint:gosec // both below 256
		return v
	}
	return kmip.V10
}
