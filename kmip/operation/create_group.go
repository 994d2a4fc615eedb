package operation

import (
	"context"

	"github.com/claviger/claviger/kmip/payload"
)

func createGroup(ctx context.Context, c *call, r *payload.CreateGroupRequest) (*payload.CreateGroupResponse, error) {
	uid, err := c.server.Custody.MakeGroup(ctx, c.scope, r.Attributes.Attributes)
	if err != nil {
		return nil, err
	}
	c.made(0, uid)
	return &payload.CreateGroupResponse{UniqueIdentifier: uid}, nil
}
