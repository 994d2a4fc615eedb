package operation

import (
	"context"

	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/payload"
)

func setConstraints(ctx context.Context, c *call, r *payload.SetConstraintsRequest) (*payload.SetConstraintsResponse, error) {
	var list []custody.ForObjects
	for _, k := range r.Constraints.Constraint {
		list = append(list, custody.ForObjects{Types: types(k.ObjectTypes), Groups: groups(k.ObjectGroups), Attributes: k.Attributes.Attributes})
	}
	if err := c.server.Custody.SetConstraints(ctx, c.scope, list); err != nil {
		return nil, err
	}
	return &payload.SetConstraintsResponse{}, nil
}
