package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

// setEndpointRole turns the connection around (§6.1.54): the server becomes the
// client, and tells its peer what happens to objects. Only a door that can do
// that offers it.
func setEndpointRole(ctx context.Context, c *call, r *payload.SetEndpointRoleRequest) (*payload.SetEndpointRoleResponse, error) {
	op := kmip.OperationSetEndpointRole
	switch {
	case r.EndpointRole != kmip.EndpointRoleClient && r.EndpointRole != kmip.EndpointRoleServer:
		return nil, refused(ctx, c, op, kmip.Fail(kmip.KindInvalidField, "Endpoint Role is Client or Server"))
	case r.EndpointRole == kmip.EndpointRoleClient && c.turn == nil:
		return nil, refused(ctx, c, op, kmip.Fail(kmip.KindUnsupportedFeature, "this connection cannot be turned around"))
	case r.EndpointRole == kmip.EndpointRoleClient && c.keepsData:
		return nil, refused(ctx, c, op, kmip.Fail(kmip.KindInvalidMessage, "Set Endpoint Role stands alone in its message"))
	}
	if err := c.server.Custody.Permit(ctx, c.scope, op.String()); err != nil {
		return nil, err
	}
	if r.EndpointRole == kmip.EndpointRoleClient {
		if err := c.turn(); err != nil {
			return nil, refused(ctx, c, op, err)
		}
	}
	return &payload.SetEndpointRoleResponse{EndpointRole: r.EndpointRole}, nil
}
