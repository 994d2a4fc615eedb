// Package operation adapts the operations of the protocol to the use cases of
// custody: payload in, arguments, result, payload out. One file for each
// operation; table.go is the list of them that the server runs on and that
// Query answers from; batch.go runs the items of a request in order. Nothing
// here reads the store, the HSM or a policy.
package operation

import (
	"context"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/payload"
)

// Server is what operations need to know of the server that runs them.
type Server struct {
	Custody *custody.Service
	Name    string // server name, for Query
	Version string // product version, for Query
	Interop bool   // the operation Interop, which only tests need
	// Messages is how asynchronous requests are kept; nil where none are processed.
	Messages Messages
	// Form is what custody may know of a version of the protocol. Required.
	Form func(kmip.Version) custody.Form
	Now  func() time.Time

	table *table
}

// New completes a Server with its table of operations.
func New(s Server) *Server {
	s.table = newTable(s.Interop)
	if s.Now == nil {
		s.Now = time.Now
	}
	return &s
}

// call is the frame of the items of one request.
type call struct {
	server *Server
	scope  *custody.Scope
	// version is that of the request, and current the item that is being run.
	version kmip.Version
	current *payload.RequestItem
	// turn turns the connection around; nil where that is not possible.
	turn func() error
	// placeholder is the ID Placeholder (§6.1); empty when there is none.
	placeholder string
	// results are the identifiers that operations of this request gave, by the
	// kind of result (§11.58), and all of them in order.
	results map[kmip.UniqueIdentifierEnumeration][]string
	// again tells that an item is being repeated for another object, repeated
	// counts the objects of such items.
	again    bool
	repeated int
	all      []string
	// lastData and allData are the Data that operations of this request gave, when
	// it has several items (keepsData).
	keepsData bool
	lastData  map[kmip.DataEnumeration][]byte
	allData   [][]byte
	// withheld is Data that the response does not return.
	withheld [][]byte
	// item is where the identifiers of the current item begin in all.
	item int
}

// handler runs one operation on its payload.
type handler func(ctx context.Context, c *call, request any) (any, error)

// bind gives a typed operation the form of a handler.
func bind[Req, Resp any](run func(context.Context, *call, *Req) (*Resp, error)) handler {
	return func(ctx context.Context, c *call, request any) (any, error) {
		r, ok := request.(*Req)
		if !ok {
			return nil, kmip.Fail(kmip.KindInvalidMessage, "the payload does not belong to the operation")
		}
		resp, err := run(ctx, c, r)
		if err != nil {
			return nil, err
		}
		return resp, nil
	}
}
