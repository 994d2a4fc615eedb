package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/payload"
)

func modifyAttribute(ctx context.Context, c *call, r *payload.ModifyAttributeRequest) (*payload.ModifyAttributeResponse, error) {
	uid, err := resolve(ctx, c, kmip.OperationModifyAttribute, r.UniqueIdentifier)
	if err != nil {
		return nil, err
	}
	which := custody.Change{Index: r.NewAttribute.Index, First: r.ByIndex}
	if r.CurrentAttribute != nil {
		which.Current = &r.CurrentAttribute.Attribute
	}
	changed, err := c.server.Custody.ModifyAttribute(ctx, c.scope, uid, r.NewAttribute.Attribute, which)
	if err != nil {
		return nil, err
	}
	return &payload.ModifyAttributeResponse{UniqueIdentifier: uid, NewAttribute: &payload.Instance{Attribute: changed, Index: r.NewAttribute.Index}}, nil
}
