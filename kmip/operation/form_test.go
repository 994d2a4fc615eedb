package operation_test

import (
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/dialect"
	"github.com/claviger/claviger/kmip/payload"
	"github.com/claviger/claviger/kmip/wire"
)

func formOf(v kmip.Version) custody.Form { return dialect.FormOf(v) }

// messages keeps messages in TTLV.
type messages struct{}

func (messages) EncodeRequest(r *payload.Request) []byte {
	return wire.Append(nil, dialect.EncodeRequest(r))
}

func (messages) DecodeRequest(b []byte) (*payload.Request, error) {
	i, err := wire.Parse(b, wire.DefaultLimits())
	if err != nil {
		return nil, err
	}
	return dialect.DecodeRequest(i)
}

func (messages) EncodeResponse(r *payload.Response) []byte {
	return wire.Append(nil, dialect.EncodeResponse(r))
}

func (messages) DecodeResponse(b []byte) (*payload.Response, error) {
	i, err := wire.Parse(b, wire.DefaultLimits())
	if err != nil {
		return nil, err
	}
	return dialect.DecodeResponse(i)
}
