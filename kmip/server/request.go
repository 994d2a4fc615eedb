package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/dialect"
	"github.com/claviger/claviger/kmip/operation"
	"github.com/claviger/claviger/kmip/payload"
	"github.com/claviger/claviger/kmip/wire"
)

// caller is whoever sends messages through one of the doors: the connection
// with its certificate, and how its messages are written. It is the one place
// that turns the bytes of a request into those of a response.
type caller struct {
	s        *Server
	peer     string // network address
	tls      session
	encoding wire.Encoding
	// mayTurn tells that the roles of the connection can be exchanged, and turned
	// that they were.
	mayTurn bool
	met     func(custody.Visitor) // told of a client that may come; nil where nobody asks
	// comes is how the peer comes, once it is known.
	comes  *custody.Presented
	turned *turned
}

// session is a TLS connection that has a certificate of the client.
type session interface{ ConnectionState() tls.ConnectionState }

// respond answers a message, which it overwrites. It uses the memory of out
// and replaces it when that is too small.
//
// Secrets: the result may hold key material; the caller overwrites it.
func (c *caller) respond(message, out []byte) []byte {
	defer clear(message)
	ctx, cancel := context.WithTimeout(c.s.base, c.s.c.Timeouts.Request)
	defer cancel()
	resp, limit := c.process(ctx, message)
	defer operation.Release(resp)
	return c.encode(resp, limit, out)
}

// process turns the bytes of a request into a response, and says how large the
// response may be (0: any size).
func (c *caller) process(ctx context.Context, message []byte) (*payload.Response, int) {
	now := time.Now().UTC()
	correlation := correlationValue()
	tree, err := c.encoding.Parse(message, c.s.c.Limits)
	if err != nil {
		v := peekVersion(message, c.encoding)
		return c.unreadable(ctx, correlation, v, now, kmip.FailFrom(err, kmip.KindCodec, "the message is not well-formed "+c.encoding.String())), 0
	}
	req, err := dialect.DecodeRequest(tree)
	defer operation.Forget(req) // also of a request that is not run
	if err != nil {
		return c.unreadable(ctx, correlation, req.Version, now, err), int(req.MaximumResponseSize)
	}
	return c.run(ctx, correlation, req), int(req.MaximumResponseSize)
}

// run authenticates the caller and runs the batch.
func (c *caller) run(ctx context.Context, correlation string, req *payload.Request) *payload.Response {
	svc := c.s.c.Custody
	v, known, err := svc.Identify(ctx, c.presented())
	p := v.Principal
	if err == nil {
		if c.met != nil {
			c.met(v)
		}
		err = svc.Spend(v, len(req.Items))
	}
	if err != nil && (known || kmip.KindOf(err) != kmip.KindNotAuthenticated) {
		return c.turnAway(ctx, svc.Begin(p, p.Domain, "kmip", c.peer, correlation), v.Client, req, err)
	}
	var by proven
	if known {
		if by, err = authenticate(ctx, svc, p, req.Credentials); err != nil {
			return c.refuse(ctx, svc.Begin(p, p.Domain, "kmip", c.peer, correlation), req, err)
		}
		if err := svc.CheckCredential(v, by.shown); err != nil {
			return c.turnAway(ctx, svc.Begin(p, p.Domain, "kmip", c.peer, correlation), v.Client, req, err)
		}
		p = by.principal
	}
	sc := svc.Begin(p, p.Domain, "kmip", c.peer, correlation)
	sc.TLS = c.tlsVersion()
	if !known {
		sc.Stranger(custody.FingerprintOf(c.tls.ConnectionState().PeerCertificates[0]))
	}
	sc.Use(by.grant)
	var turn func() error
	if c.mayTurn {
		turn = func() error {
			after, err := svc.Watched(ctx, sc) // before the answer: the peer hears of all that follows it
			if err == nil {
				c.turned = &turned{req.Version, p, by.grant, after}
			}
			return err
		}
	}
	resp := c.s.c.Operations.Batch(ctx, sc, known, req, turn)
	resp.ServerHashedPassword = by.hashed
	return resp
}

// tlsVersion is that of the connection, as policy has it.
func (c *caller) tlsVersion() string {
	return strings.TrimPrefix(tls.VersionName(c.tls.ConnectionState().Version), "TLS ")
}

// presented is how the peer comes.
func (c *caller) presented() custody.Presented {
	if c.comes == nil {
		p := custody.Present(c.tls.ConnectionState().PeerCertificates, c.peer)
		c.comes = &p
	}
	return *c.comes
}

// turnAway answers a request of a client that may not come as it does.
func (c *caller) turnAway(ctx context.Context, sc *custody.Scope, client string, req *payload.Request, err error) *payload.Response {
	c.s.c.Custody.TurnAway(ctx, sc, req.Items[0].Operation.String(), client, err)
	return refused(req, err)
}

// refuse answers a request whose caller could not be authenticated.
func (c *caller) refuse(ctx context.Context, sc *custody.Scope, req *payload.Request, err error) *payload.Response {
	c.s.c.Custody.Refuse(ctx, sc, req.Items[0].Operation.String(), "", err)
	return refused(req, err)
}

func refused(req *payload.Request, err error) *payload.Response {
	first := req.Items[0]
	resp := dialect.Failed(req.Version, time.Now().UTC(), err)
	resp.Items[0].Operation, resp.Items[0].UniqueBatchItemID = first.Operation, first.UniqueBatchItemID
	return resp
}

// unreadable answers a message that has no operation that could be named.
func (c *caller) unreadable(ctx context.Context, correlation string, v kmip.Version, now time.Time, err error) *payload.Response {
	c.s.c.Log.WarnContext(ctx, "message refused", "peer", c.peer, "error", err)
	c.s.c.Custody.Refuse(ctx, c.s.c.Custody.Begin(custody.Principal{}, "", "kmip", c.peer, correlation), "message", "", err)
	return dialect.Failed(v, now, err)
}

// unread answers a message that was refused before it was read.
func (c *caller) unread(err error, out []byte) []byte {
	ctx, cancel := context.WithTimeout(c.s.base, c.s.c.Timeouts.Request)
	defer cancel()
	failure := kmip.FailFrom(err, kmip.KindInvalidMessage, "the message is not one, or larger than this server takes")
	return c.encode(c.unreadable(ctx, correlationValue(), kmip.V10, time.Now().UTC(), failure), 0, out)
}

// encode writes the response, brought below the limit. The limit is one on
// TTLV, whatever the encoding (Additional Message Encodings 1.0 §4, §6).
func (c *caller) encode(resp *payload.Response, limit int, out []byte) []byte {
	tree := dialect.EncodeResponse(resp)
	if limit > 0 && wire.Size(tree) > limit {
		operation.TooLarge(resp, func(i payload.ResponseItem) int {
			one := &payload.Response{Version: resp.Version, TimeStamp: resp.TimeStamp, Items: []payload.ResponseItem{i}}
			return wire.Size(dialect.EncodeResponse(one))
		}, func() bool {
			tree = dialect.EncodeResponse(resp)
			return wire.Size(tree) <= limit
		})
	}
	if n := c.encoding.Size(tree); n > cap(out) {
		clear(out)
		out = make([]byte, 0, n) // a buffer that grew by itself would leave copies of secrets
	}
	return c.encoding.Append(out[:0], tree)
}

// correlationValue identifies a request in response, log and audit (§9.9).
func correlationValue() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// peekVersion looks for the Protocol Version where it stands in every message
// that clients write, to answer a message that does not parse in its version.
func peekVersion(b []byte, e wire.Encoding) kmip.Version {
	peek := peekItem
	if e != wire.TTLV {
		peek = peekText
	}
	const majorAt, minorAt = 24, 40
	major, ok1 := peek(b, majorAt, kmip.TagProtocolVersionMajor)
	minor, ok2 := peek(b, minorAt, kmip.TagProtocolVersionMinor)
	if !ok1 || !ok2 || major > 255 || minor > 255 {
		return kmip.V10
	}
	if v := kmip.Version(major<<8 | minor); v.Supported() { //nolint:gosec // both below 256
		return v
	}
	return kmip.V10
}

// peekItem reads the Integer of a tag at an offset.
func peekItem(b []byte, at int, tag kmip.Tag) (uint32, bool) {
	if len(b) < at+16 {
		return 0, false
	}
	head := binary.BigEndian.Uint32(b[at:])
	return binary.BigEndian.Uint32(b[at+8:]), head == uint32(tag)<<8|uint32(kmip.TypeInteger)
}

// peekText reads the digit of the value that follows the name of a tag. All
// versions have numbers of one digit.
func peekText(b []byte, _ int, tag kmip.Tag) (uint32, bool) {
	_, rest, found := bytes.Cut(b, []byte(tag.String()))
	if found {
		_, rest, found = bytes.Cut(rest[:min(len(rest), 80)], []byte("value"))
	}
	rest = bytes.TrimLeft(rest, "\"' =:\t\r\n")
	if !found || len(rest) == 0 || rest[0] < '0' || rest[0] > '9' {
		return 0, false
	}
	return uint32(rest[0] - '0'), true
}
