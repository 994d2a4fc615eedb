package payload

import "github.com/claviger/claviger/kmip"

// DiscoverVersionsRequest lists the client's versions (§6.1.16).
type DiscoverVersionsRequest struct {
	ProtocolVersion []kmip.Version
}

// DiscoverVersionsResponse lists those that both know, the server's
// preference first.
type DiscoverVersionsResponse struct {
	ProtocolVersion []kmip.Version
}
