package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

func activate(ctx context.Context, c *call, r *payload.ActivateRequest) (*payload.ActivateResponse, error) {
	uid, err := resolve(ctx, c, kmip.OperationActivate, r.UniqueIdentifier)
	if err != nil {
		return nil, err
	}
	if err := c.server.Custody.Activate(ctx, c.scope, uid); err != nil {
		return nil, err
	}
	return &payload.ActivateResponse{UniqueIdentifier: uid}, nil
}
