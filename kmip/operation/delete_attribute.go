package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/payload"
)

func deleteAttribute(ctx context.Context, c *call, r *payload.DeleteAttributeRequest) (*payload.DeleteAttributeResponse, error) {
	uid, err := resolve(ctx, c, kmip.OperationDeleteAttribute, r.UniqueIdentifier)
	if err != nil {
		return nil, err
	}
	which := custody.Change{Index: r.AttributeIndex, First: r.ByIndex}
	var id kmip.AttributeID
	switch {
	case r.CurrentAttribute != nil:
		which.Current, id = &r.CurrentAttribute.Attribute, r.CurrentAttribute.AttributeID
	case len(r.AttributeReference) == 1:
		id = r.AttributeReference[0]
	default:
		return nil, refused(ctx, c, kmip.OperationDeleteAttribute, kmip.Fail(kmip.KindMissingField, "Delete Attribute names one attribute"))
	}
	deleted, err := c.server.Custody.DeleteAttribute(ctx, c.scope, uid, id, which)
	if err != nil {
		return nil, err
	}
	return &payload.DeleteAttributeResponse{UniqueIdentifier: uid, NewAttribute: &payload.Instance{Attribute: deleted, Index: r.AttributeIndex}}, nil
}
