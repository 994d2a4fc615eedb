package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/payload"
)

func createSplitKey(ctx context.Context, c *call, r *payload.CreateSplitKeyRequest) (*payload.CreateSplitKeyResponse, error) {
	args := custody.SplitArgs{Type: r.ObjectType, Method: r.SplitKeyMethod, Parts: *r.SplitKeyParts, Threshold: *r.SplitKeyThreshold, Polynomial: r.Polynomial}
	var err error
	if r.UniqueIdentifier.Given() { // none means a new key, not the ID Placeholder
		if args.UID, err = resolve(ctx, c, kmip.OperationCreateSplitKey, r.UniqueIdentifier); err != nil {
			return nil, err
		}
	}
	if r.PrimeFieldSize != nil {
		args.PrimeField = r.PrimeFieldSize.Bytes
	}
	if args.Attrs, err = plain(ctx, c, kmip.OperationCreateSplitKey, r.Attributes, r.ProtectionStorageMasks); err != nil {
		return nil, err
	}
	uids, err := c.server.Custody.CreateSplitKey(ctx, c.scope, args)
	if err != nil {
		return nil, err
	}
	c.gave(kmip.UniqueIdentifierEnumerationCreateSplitKey, uids...)
	c.placeholder = uids[0]
	return &payload.CreateSplitKeyResponse{ObjectType: kmip.ObjectTypeSplitKey, UniqueIdentifier: uids}, nil
}
