package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

func adjustAttribute(ctx context.Context, c *call, r *payload.AdjustAttributeRequest) (*payload.AdjustAttributeResponse, error) {
	uid, err := resolve(ctx, c, kmip.OperationAdjustAttribute, r.UniqueIdentifier)
	if err != nil {
		return nil, err
	}
	if len(r.AttributeReference) != 1 {
		return nil, refused(ctx, c, kmip.OperationAdjustAttribute, kmip.Fail(kmip.KindInvalidMessage, "Adjust Attribute names one attribute"))
	}
	if err := c.server.Custody.AdjustAttribute(ctx, c.scope, uid, r.AttributeReference[0], r.AdjustmentType, r.AdjustmentValue); err != nil {
		return nil, err
	}
	return &payload.AdjustAttributeResponse{UniqueIdentifier: uid}, nil
}
