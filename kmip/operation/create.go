package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

func create(ctx context.Context, c *call, r *payload.CreateRequest) (*payload.CreateResponse, error) {
	attrs, err := stored(ctx, c, kmip.OperationCreate, r.Attributes, r.ProtectionStorageMasks, kmip.KindStorageMask)
	if err != nil {
		return nil, err
	}
	uid, err := c.server.Custody.Create(ctx, c.scope, r.ObjectType, attrs)
	if err != nil {
		return nil, err
	}
	c.made(kmip.UniqueIdentifierEnumerationCreate, uid)
	return &payload.CreateResponse{ObjectType: r.ObjectType, UniqueIdentifier: uid}, nil
}
