package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/payload"
)

func check(ctx context.Context, c *call, r *payload.CheckRequest) (*payload.CheckResponse, error) {
	uid, err := resolve(ctx, c, kmip.OperationCheck, r.UniqueIdentifier)
	if err != nil {
		return nil, err
	}
	q := custody.CheckQuery{UsageCount: r.UsageLimitsCount, LeaseTime: r.LeaseTime}
	if r.CryptographicUsageMask != nil {
		mask := kmip.CryptographicUsageMask(*r.CryptographicUsageMask) //nolint:gosec // a mask: the bits count
		q.UsageMask = &mask
	}
	if err := c.server.Custody.Check(ctx, c.scope, uid, q); err != nil {
		c.placeholder = "" // a refused Check empties it
		return nil, err
	}
	return &payload.CheckResponse{UniqueIdentifier: uid}, nil
}
