package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/payload"
)

func importObject(ctx context.Context, c *call, r *payload.ImportRequest) (*payload.ImportResponse, error) {
	uid, err := resolve(ctx, c, kmip.OperationImport, r.UniqueIdentifier)
	if err != nil {
		return nil, err
	}
	args := custody.ImportArgs{
		UID: uid, Type: r.ObjectType, Replace: r.ReplaceExisting != nil && *r.ReplaceExisting, WrapType: r.KeyWrapType,
		Attrs: r.Attributes.Attributes, Value: r.Object,
	}
	if args.Type == 0 && r.Object != nil { // KMIP 1.4 has no field for it
		args.Type = r.Object.Type
	}
	if err := c.server.Custody.Import(ctx, c.scope, args); err != nil {
		return nil, err
	}
	c.made(kmip.UniqueIdentifierEnumerationImport, uid)
	return &payload.ImportResponse{UniqueIdentifier: uid}, nil
}
