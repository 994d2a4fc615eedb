package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

func getAttributes(ctx context.Context, c *call, r *payload.GetAttributesRequest) (*payload.GetAttributesResponse, error) {
	uid, err := resolve(ctx, c, kmip.OperationGetAttributes, r.UniqueIdentifier)
	if err != nil {
		return nil, err
	}
	attrs, err := c.server.Custody.GetAttributes(ctx, c.scope, uid, r.AttributeReference)
	if err != nil {
		return nil, err
	}
	return &payload.GetAttributesResponse{UniqueIdentifier: uid, Attributes: payload.AttributeList{Attributes: attrs}}, nil
}
