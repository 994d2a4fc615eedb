// Package client is a KMIP client: it speaks TTLV over mutual TLS in any
// version that the dialect knows. It serves the command line, tests and the
// import from other servers, and shares wire, dialect and payload with the
// server; custody it does not know.
package client

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/dialect"
	"github.com/claviger/claviger/kmip/payload"
	"github.com/claviger/claviger/kmip/wire"
)

// DefaultTimeout bounds dialling, and each request, when Config has none.
const DefaultTimeout = 30 * time.Second

// Config says how to reach a server. Address and TLS are required.
type Config struct {
	Address string // host:port
	TLS     *tls.Config
	Version kmip.Version  // 1.4 when 0
	Timeout time.Duration // of dialling and of each request; DefaultTimeout when 0
	// Credential is sent with every request when Username is set.
	Credential payload.Credential
	// Continuation says what becomes of a batch after an item that failed; Stop when 0.
	Continuation kmip.BatchErrorContinuationOption
	// Trace, when set, sees every message that was sent or received. It must
	// not keep the item: print it by wire.Dump, which hides secrets.
	Trace func(direction string, message kmip.Item)
}

// Client is a connection to a server. It is for one request after the other:
// several goroutines may share it, and wait for each other. After an error that
// is not an *Error the connection is of no use any more; Close it.
type Client struct {
	conf Config

	mu     sync.Mutex
	conn   net.Conn // guarded by mu while a request runs
	broken error    // guarded by mu
}

// errBroken follows a request whose answer may still be under way.
var errBroken = errors.New("kmip: the connection has failed before; dial again")

// Dial connects to a server.
func Dial(ctx context.Context, c Config) (*Client, error) {
	if c.TLS == nil {
		return nil, errors.New("kmip: a TLS configuration is needed")
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	d := tls.Dialer{Config: c.TLS}
	conn, err := d.DialContext(ctx, "tcp", c.Address)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", c.Address, err)
	}
	return New(conn, c), nil
}

// New makes a client of a connection that is there, which it owns from then on.
func New(conn net.Conn, c Config) *Client {
	if c.Version == 0 {
		c.Version = kmip.V14
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	return &Client{conf: c, conn: conn}
}

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }

// Do sends the items as one request and returns the response. What became of
// each item is in the response: an item that failed is no error of Do.
//
// Secrets: byte slices of the response are the caller's; objects in it are to
// be destroyed by the caller.
func (c *Client) Do(ctx context.Context, items ...payload.RequestItem) (*payload.Response, error) {
	if len(items) == 0 {
		return nil, errors.New("kmip: a request needs an item")
	}
	r := &payload.Request{Version: c.conf.Version, Items: items, ErrorContinuation: c.conf.Continuation}
	if c.conf.Credential.Username != "" {
		r.Credentials = []payload.Credential{c.conf.Credential}
	}
	if len(items) > 1 {
		for n := range r.Items {
			if r.Items[n].UniqueBatchItemID == nil {
				r.Items[n].UniqueBatchItemID = binary.BigEndian.AppendUint32(nil, uint32(n+1))
			}
		}
	}
	resp, err := c.exchange(ctx, dialect.EncodeRequest(r))
	if err != nil {
		return nil, err
	}
	if len(resp.Items) > len(items) || len(resp.Items) == 0 {
		return nil, fmt.Errorf("kmip: the server answered %d items to a request of %d", len(resp.Items), len(items))
	}
	return resp, nil
}

// exchange writes a message and reads the answer.
func (c *Client) exchange(ctx context.Context, message kmip.Item) (*payload.Response, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken != nil {
		return nil, c.broken
	}
	c.trace("request", message)
	answer, err := c.roundTrip(ctx, message)
	if err != nil {
		c.broken = errBroken
		return nil, err
	}
	tree, err := wire.Parse(answer, wire.DefaultLimits())
	if err != nil {
		c.broken = errBroken
		return nil, fmt.Errorf("read the response: %w", err)
	}
	c.trace("response", tree)
	resp, err := dialect.DecodeResponse(tree) // whose payloads alias answer: it is theirs from here on
	if err != nil {
		return nil, fmt.Errorf("read the response: %w", err)
	}
	return resp, nil
}

func (c *Client) trace(direction string, message kmip.Item) {
	if c.conf.Trace != nil {
		c.conf.Trace(direction, message)
	}
}

func (c *Client) roundTrip(ctx context.Context, message kmip.Item) ([]byte, error) {
	deadline := time.Now().Add(c.conf.Timeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	if err := c.conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	b := wire.Append(make([]byte, 0, wire.Size(message)), message)
	defer clear(b)
	if _, err := c.conn.Write(b); err != nil {
		return nil, cause(ctx, "send the request", err)
	}
	answer, err := wire.ReadMessage(c.conn, nil, wire.DefaultLimits())
	if err != nil {
		return nil, cause(ctx, "read the response", err)
	}
	return answer, nil
}

// cause prefers the end of the context over the deadline that it led to.
func cause(ctx context.Context, verb string, err error) error {
	if d, ok := ctx.Deadline(); ok && !time.Now().Before(d) {
		<-ctx.Done() // the connection saw the same deadline a moment earlier
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return fmt.Errorf("%s: %w", verb, err)
}
