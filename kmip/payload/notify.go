package payload

import "github.com/claviger/claviger/kmip"

// NotifyRequest tells a client which attributes of an object have changed
// (§6.2.2): a message of the server.
type NotifyRequest struct {
	UniqueIdentifier   string
	Attributes         AttributeList
	AttributeReference []kmip.AttributeID
}

// NotifyResponse is empty.
type NotifyResponse struct{}
