package operation

import (
	"context"
	"slices"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/payload"
)

func deriveKey(ctx context.Context, c *call, r *payload.DeriveKeyRequest) (*payload.DeriveKeyResponse, error) {
	if slices.ContainsFunc(r.UniqueIdentifier, func(id kmip.Reference) bool { return id.Enum == kmip.UniqueIdentifierEnumerationIDPlaceholder }) {
		return nil, refused(ctx, c, kmip.OperationDeriveKey, kmip.Fail(kmip.KindInvalidField, "Derive Key does not take the ID Placeholder"))
	}
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
