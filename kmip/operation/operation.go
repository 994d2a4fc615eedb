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
	// turn turns the connection around; nil where that is not possible.
	turn func()
	// placeholder is the ID Placeholder (§6.1); empty when there is none.
	placeholder string
	// results are the identifiers that operations of this request gave, by the
	// kind of result (§11.58), and all of them in order.
	results map[kmip.UniqueIdentifierEnumeration][]string
	all     []string
	// lastData and allData are the Data that operations of this request gave, when
	// it has several items (keepsData).
	keepsData bool
	lastData  map[kmip.DataEnumeration][]byte
	allData   [][]byte
	// item is where the identifiers of the current item begin in all.
	item int
}

// gave remembers what an operation returned.
func (c *call) gave(kind kmip.UniqueIdentifierEnumeration, uids ...string) {
	if c.results == nil {
		c.results = map[kmip.UniqueIdentifierEnumeration][]string{}
	}
	c.results[kind] = uids
	c.all = append(c.all, uids...)
}

// made remembers a new object, which becomes the ID Placeholder.
func (c *call) made(kind kmip.UniqueIdentifierEnumeration, uid string) {
	c.gave(kind, uid)
	c.placeholder = uid
}

// uid resolves the Unique Identifier of a request (§4.58).
func (c *call) uid(r kmip.Reference) (string, error) {
	switch {
	case r.Text != "":
		return r.Text, nil
	case r.IsNth:
		n := int(r.Nth)
		if n < 0 {
			n += c.item
		}
		if n < 0 || n >= len(c.all) {
			return "", kmip.Fail(kmip.KindNoPlaceholder, "the response has no identifier %d", r.Nth)
		}
		return c.all[n], nil
	case r.Enum != 0 && r.Enum != kmip.UniqueIdentifierEnumerationIDPlaceholder:
		switch uids := c.results[r.Enum]; len(uids) {
		case 0:
			return "", kmip.Fail(kmip.KindNoPlaceholder, "no earlier item of the request gave a result of %s", r.Enum)
		case 1:
			return uids[0], nil
		default:
			return "", kmip.Fail(kmip.KindUnsupportedFeature, "the result of %s has several identifiers; name one", r.Enum)
		}
	}
	if c.placeholder == "" {
		return "", kmip.Fail(kmip.KindNoPlaceholder, "no Unique Identifier was given and the ID Placeholder is empty")
	}
	return c.placeholder, nil
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
