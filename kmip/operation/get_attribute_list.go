package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

func getAttributeList(ctx context.Context, c *call, r *payload.GetAttributeListRequest) (*payload.GetAttributeListResponse, error) {
	uid, err := resolve(ctx, c, kmip.OperationGetAttributeList, r.UniqueIdentifier)
	if err != nil {
		return nil, err
	}
	ids, err := c.server.Custody.AttributeList(ctx, c.scope, uid)
	if err != nil {
		return nil, err
	}
	return &payload.GetAttributeListResponse{UniqueIdentifier: uid, AttributeReference: ids}, nil
}
