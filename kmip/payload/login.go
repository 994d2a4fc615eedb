package payload

import "github.com/claviger/claviger/kmip"

// LoginRequest asks for a ticket in the place of credentials (§6.1.30).
type LoginRequest struct {
	LeaseTime    *kmip.Item
	RequestCount *int32
	UsageLimits  *kmip.Item
}

// LoginResponse carries it.
type LoginResponse struct {
	Ticket *kmip.Item
}
