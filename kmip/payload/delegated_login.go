package payload

import "github.com/claviger/claviger/kmip"

// DelegatedLoginRequest asks for a ticket with some of the rights of the caller
// (§6.1.12).
type DelegatedLoginRequest struct {
	LeaseTime    *kmip.Item
	RequestCount *int32
	UsageLimits  *kmip.Item
	Rights       *kmip.Item
}

// DelegatedLoginResponse carries it.
type DelegatedLoginResponse struct {
	Ticket *kmip.Item
}
