package operation

import (
	"context"

	"github.com/claviger/claviger/kmip/payload"
)

func getConstraints(ctx context.Context, c *call, _ *payload.GetConstraintsRequest) (*payload.GetConstraintsResponse, error) {
	list, err := c.server.Custody.Constraints(ctx, c.scope)
	if err != nil {
		return nil, err
	}
	out := &payload.Constraints{}
	for _, f := range list {
		k := payload.Constraint{ObjectGroups: groupsItem(f.Groups), Attributes: payload.Template{Attributes: f.Attributes}}
		if len(f.Types) > 0 {
			k.ObjectTypes = &payload.ObjectTypes{ObjectType: f.Types}
		}
		out.Constraint = append(out.Constraint, k)
	}
	return &payload.GetConstraintsResponse{Constraints: out}, nil
}
