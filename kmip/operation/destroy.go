package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

func destroy(ctx context.Context, c *call, r *payload.DestroyRequest) (*payload.DestroyResponse, error) {
	uid, err := resolve(ctx, c, kmip.OperationDestroy, r.UniqueIdentifier)
	if err != nil {
		return nil, err
	}
	if err := c.server.Custody.Destroy(ctx, c.scope, uid); err != nil {
		return nil, err
	}
	return &payload.DestroyResponse{UniqueIdentifier: uid}, nil
}
