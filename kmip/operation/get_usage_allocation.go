package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

func getUsageAllocation(ctx context.Context, c *call, r *payload.GetUsageAllocationRequest) (*payload.GetUsageAllocationResponse, error) {
	uid, err := resolve(ctx, c, kmip.OperationGetUsageAllocation, r.UniqueIdentifier)
	if err != nil {
		return nil, err
	}
	if err := c.server.Custody.GetUsageAllocation(ctx, c.scope, uid, *r.UsageLimitsCount); err != nil {
		return nil, err
	}
	return &payload.GetUsageAllocationResponse{UniqueIdentifier: uid}, nil
}
