package server

import (
	"github.com/claviger/claviger/kmip/dialect"
	"github.com/claviger/claviger/kmip/payload"
	"github.com/claviger/claviger/kmip/wire"
)

// Messages writes and reads messages in TTLV, in the version that they are of.
type Messages struct{ Limits wire.Limits }

// EncodeRequest writes a request.
func (m Messages) EncodeRequest(r *payload.Request) []byte {
	return wire.Append(nil, dialect.EncodeRequest(r))
}

// DecodeRequest reads what EncodeRequest wrote.
func (m Messages) DecodeRequest(b []byte) (*payload.Request, error) {
	tree, err := wire.Parse(b, m.Limits)
	if err != nil {
		return nil, err
	}
	return dialect.DecodeRequest(tree)
}

// EncodeResponse writes a response.
func (m Messages) EncodeResponse(r *payload.Response) []byte {
	return wire.Append(nil, dialect.EncodeResponse(r))
}

// DecodeResponse reads what EncodeResponse wrote.
func (m Messages) DecodeResponse(b []byte) (*payload.Response, error) {
	tree, err := wire.Parse(b, m.Limits)
	if err != nil {
		return nil, err
	}
	return dialect.DecodeResponse(tree)
}
