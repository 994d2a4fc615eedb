package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

func addAttribute(ctx context.Context, c *call, r *payload.AddAttributeRequest) (*payload.AddAttributeResponse, error) {
	uid, err := resolve(ctx, c, kmip.OperationAddAttribute, r.UniqueIdentifier)
	if err != nil {
		return nil, err
	}
	if r.NewAttribute.Index != nil && *r.NewAttribute.Index != 0 {
		return nil, refused(ctx, c, kmip.OperationAddAttribute, kmip.Fail(kmip.KindAttributeIndex, "Add Attribute takes no Attribute Index"))
	}
	added, err := c.server.Custody.AddAttribute(ctx, c.scope, uid, r.NewAttribute.Attribute)
	if err != nil {
		return nil, err
	}
	return &payload.AddAttributeResponse{UniqueIdentifier: uid, NewAttribute: &payload.Instance{Attribute: added}}, nil
}
