package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

func reKey(ctx context.Context, c *call, r *payload.ReKeyRequest) (*payload.ReKeyResponse, error) {
	uid, err := resolve(ctx, c, kmip.OperationReKey, r.UniqueIdentifier)
	if err != nil {
		return nil, err
	}
	attrs, err := plain(ctx, c, kmip.OperationReKey, r.Attributes, r.ProtectionStorageMasks)
	if err != nil {
		return nil, err
	}
	fresh, err := c.server.Custody.ReKey(ctx, c.scope, uid, r.Offset, attrs)
	if err != nil {
		return nil, err
	}
	c.made(kmip.UniqueIdentifierEnumerationReKey, fresh)
	return &payload.ReKeyResponse{UniqueIdentifier: fresh}, nil
}
