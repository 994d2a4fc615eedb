package operation

import (
	"context"

	"github.com/claviger/claviger/kmip/payload"
)

func createUser(ctx context.Context, c *call, r *payload.CreateUserRequest) (*payload.CreateUserResponse, error) {
	uid, err := c.server.Custody.MakeUser(ctx, c.scope, r.Attributes.Attributes)
	if err != nil {
		return nil, err
	}
	c.made(0, uid)
	return &payload.CreateUserResponse{UniqueIdentifier: uid}, nil
}
