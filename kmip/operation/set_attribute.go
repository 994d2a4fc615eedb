package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

func setAttribute(ctx context.Context, c *call, r *payload.SetAttributeRequest) (*payload.SetAttributeResponse, error) {
	uid, err := resolve(ctx, c, kmip.OperationSetAttribute, r.UniqueIdentifier)
	if err != nil {
		return nil, err
	}
	if err := c.server.Custody.SetAttribute(ctx, c.scope, uid, r.NewAttribute.Attribute); err != nil {
		return nil, err
	}
	return &payload.SetAttributeResponse{UniqueIdentifier: uid}, nil
}
