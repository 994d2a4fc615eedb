package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

func register(ctx context.Context, c *call, r *payload.RegisterRequest) (*payload.RegisterResponse, error) {
	attrs, err := plain(ctx, c, kmip.OperationRegister, r.Attributes, r.ProtectionStorageMasks)
	if err != nil {
		return nil, err
	}
	uid, err := c.server.Custody.Register(ctx, c.scope, r.ObjectType, attrs, r.Object)
	if err != nil {
		return nil, err
	}
	c.made(kmip.UniqueIdentifierEnumerationRegister, uid)
	return &payload.RegisterResponse{UniqueIdentifier: uid}, nil
}
