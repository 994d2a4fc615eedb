package payload

import "github.com/claviger/claviger/kmip"

// SetAttributeRequest creates or replaces an attribute of one instance (§6.1.51).
type SetAttributeRequest struct {
	UniqueIdentifier kmip.Reference
	NewAttribute     *Instance
}

// SetAttributeResponse names the object.
type SetAttributeResponse struct {
	UniqueIdentifier string
}
