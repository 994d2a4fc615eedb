package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

func deactivate(ctx context.Context, c *call, r *payload.DeactivateRequest) (*payload.DeactivateResponse, error) {
	uid, err := resolve(ctx, c, kmip.OperationDeactivate, r.UniqueIdentifier)
	if err != nil {
		return nil, err
	}
	var reason *kmip.Item
	if r.DeactivationReason != nil {
		i := kmip.Structure(kmip.TagDeactivationReason, kmip.Enumeration(kmip.TagDeactivationReasonCode, r.DeactivationReason.DeactivationReasonCode))
		if m := r.DeactivationReason.DeactivationMessage; m != "" {
			i.Items = append(i.Items, kmip.Text(kmip.TagDeactivationMessage, m))
		}
		reason = &i
	}
	if err := c.server.Custody.Deactivate(ctx, c.scope, uid, reason, r.DeactivationDate); err != nil {
		return nil, err
	}
	return &payload.DeactivateResponse{UniqueIdentifier: uid}, nil
}
