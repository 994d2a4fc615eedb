package operation

import (
	"context"

	"github.com/claviger/claviger/kmip/payload"
)

func rngSeed(ctx context.Context, c *call, r *payload.RNGSeedRequest) (*payload.RNGSeedResponse, error) {
	used, err := c.server.Custody.RNGSeed(ctx, c.scope, r.Data)
	if err != nil {
		return nil, err
	}
	n := int32(used) //nolint:gosec // no more than the request had
	return &payload.RNGSeedResponse{DataLength: &n}, nil
}
