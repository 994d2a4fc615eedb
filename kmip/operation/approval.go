package operation

import (
	"context"
	"encoding/binary"

	"github.com/claviger/claviger/kmip/payload"
)

// encode writes an item as a request of its own.
func (c *call) encode(item *payload.RequestItem) []byte {
	return c.server.Messages.EncodeRequest(&payload.Request{
		Version: c.version, Items: []payload.RequestItem{{Operation: item.Operation, Ephemeral: item.Ephemeral, Payload: item.Payload}},
	})
}

// Canonical implements custody.Arguments: the item in TTLV, in the version that the
// client speaks, and what it may refer to in the items before it.
func (c *call) Canonical() []byte {
	b := c.encode(c.current)
	for _, before := range append([][]byte{[]byte(c.placeholder)}, c.allData...) {
		b = binary.BigEndian.AppendUint64(b, uint64(len(before)))
		b = append(b, before...)
	}
	return b
}

// Shown implements custody.Arguments. What the request is about is told beside it;
// the rest may be secret.
func (c *call) Shown() string {
	return "KMIP " + c.version.String() + " " + c.current.Operation.String()
}

// Reason implements custody.Arguments: KMIP has no place for one.
func (c *call) Reason() string { return "" }

// await keeps an item that was denied for want of approval until it is approved,
// where the client allows asynchronous processing (KMIP 2.1 §7.2, §9.2; 1.4 §6.7).
// One that refers to the items before it cannot be processed later.
func (s *Server) await(ctx context.Context, c *call, item *payload.RequestItem, denied error) (any, error) {
	if s.Messages == nil || c.placeholder != "" || len(c.allData) > 0 {
		return nil, denied
	}
	message := c.encode(item)
	defer clear(message)
	correlation, err := s.Custody.Await(ctx, c.scope, denied, item.Operation, message)
	if err != nil {
		return nil, err
	}
	return pending(correlation), nil
}
