package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/payload"
)

func get(ctx context.Context, c *call, r *payload.GetRequest) (*payload.GetResponse, error) {
	uid, err := resolve(ctx, c, kmip.OperationGet, r.UniqueIdentifier)
	if err != nil {
		return nil, err
	}
	o, err := c.server.Custody.Get(ctx, c.scope, uid, custody.GetOptions{
		Format: r.KeyFormatType, Compression: r.KeyCompressionType, WrapType: r.KeyWrapType, Wrapping: r.KeyWrappingSpecification,
	})
	if err != nil {
		return nil, err
	}
	return &payload.GetResponse{ObjectType: o.Type, UniqueIdentifier: uid, Object: o}, nil
}
