package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

func obtainLease(ctx context.Context, c *call, r *payload.ObtainLeaseRequest) (*payload.ObtainLeaseResponse, error) {
	uid, err := resolve(ctx, c, kmip.OperationObtainLease, r.UniqueIdentifier)
	if err != nil {
		return nil, err
	}
	lease, err := c.server.Custody.ObtainLease(ctx, c.scope, uid)
	if err != nil {
		return nil, err
	}
	granted := lease.Time.Duration()
	return &payload.ObtainLeaseResponse{UniqueIdentifier: uid, LeaseTime: &granted, LastChangeDate: lease.LastChange.Time()}, nil
}
