package payload

import "github.com/claviger/claviger/kmip"

// LogoutRequest ends a ticket (§6.1.31).
type LogoutRequest struct {
	Ticket *kmip.Item
}

// LogoutResponse is empty.
type LogoutResponse struct{}
