package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/payload"
)

func deriveKey(ctx context.Context, c *call, r *payload.DeriveKeyRequest) (*payload.DeriveKeyResponse, error) {
	uids, err := named(ctx, c, kmip.OperationDeriveKey, r.UniqueIdentifier)
	if err != nil {
		return nil, err
	}
	attrs, err := plain(ctx, c, kmip.OperationDeriveKey, r.Attributes, r.ProtectionStorageMasks)
	if err != nil {
		return nil, err
	}
	args := custody.DeriveArgs{Type: r.ObjectType, UIDs: uids, Method: r.DerivationMethod, Attrs: attrs}
	if r.DerivationParameters != nil {
		args.Parameters = *r.DerivationParameters
	}
	uid, err := c.server.Custody.DeriveKey(ctx, c.scope, args)
	if err != nil {
		return nil, err
	}
	c.made(kmip.UniqueIdentifierEnumerationDeriveKey, uid)
	return &payload.DeriveKeyResponse{UniqueIdentifier: uid}, nil
}
