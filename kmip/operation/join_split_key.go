package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/payload"
)

func joinSplitKey(ctx context.Context, c *call, r *payload.JoinSplitKeyRequest) (*payload.JoinSplitKeyResponse, error) {
	uids, err := named(ctx, c, kmip.OperationJoinSplitKey, r.UniqueIdentifier)
	if err != nil {
		return nil, err
	}
	attrs, err := plain(ctx, c, kmip.OperationJoinSplitKey, r.Attributes, r.ProtectionStorageMasks)
	if err != nil {
		return nil, err
	}
	uid, err := c.server.Custody.JoinSplitKey(ctx, c.scope, custody.JoinArgs{Type: r.ObjectType, UIDs: uids, SecretDataType: r.SecretDataType, Attrs: attrs})
	if err != nil {
		return nil, err
	}
	c.made(kmip.UniqueIdentifierEnumerationJoinSplitKey, uid)
	return &payload.JoinSplitKeyResponse{ObjectType: r.ObjectType, UniqueIdentifier: uid}, nil
}
