package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

func recoverObject(ctx context.Context, c *call, r *payload.RecoverRequest) (*payload.RecoverResponse, error) {
	uid, err := resolve(ctx, c, kmip.OperationRecover, r.UniqueIdentifier)
	if err != nil {
		return nil, err
	}
	if err := c.server.Custody.Recover(ctx, c.scope, uid); err != nil {
		return nil, err
	}
	c.placeholder = uid
	return &payload.RecoverResponse{UniqueIdentifier: uid}, nil
}
