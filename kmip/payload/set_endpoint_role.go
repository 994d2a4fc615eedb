package payload

import "github.com/claviger/claviger/kmip"

// SetEndpointRoleRequest asks to become the client or the server of a
// connection (§6.1.54).
type SetEndpointRoleRequest struct {
	EndpointRole kmip.EndpointRole
}

// SetEndpointRoleResponse tells which role was taken.
type SetEndpointRoleResponse struct {
	EndpointRole kmip.EndpointRole
}
