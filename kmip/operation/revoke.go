package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

func revoke(ctx context.Context, c *call, r *payload.RevokeRequest) (*payload.RevokeResponse, error) {
	uid, err := resolve(ctx, c, kmip.OperationRevoke, r.UniqueIdentifier)
	if err != nil {
		return nil, err
	}
	var reason kmip.RevocationReason
	if r.RevocationReason != nil {
		reason = kmip.RevocationReason{Code: r.RevocationReason.RevocationReasonCode, Message: r.RevocationReason.RevocationMessage}
	}
	if err := c.server.Custody.Revoke(ctx, c.scope, uid, reason, r.CompromiseOccurrenceDate); err != nil {
		return nil, err
	}
	return &payload.RevokeResponse{UniqueIdentifier: uid}, nil
}
