package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

func obliterate(ctx context.Context, c *call, r *payload.ObliterateRequest) (*payload.ObliterateResponse, error) {
	uid, err := resolve(ctx, c, kmip.OperationObliterate, r.UniqueIdentifier)
	if err != nil {
		return nil, err
	}
	if err := c.server.Custody.Obliterate(ctx, c.scope, uid); err != nil {
		return nil, err
	}
	return &payload.ObliterateResponse{}, nil
}
