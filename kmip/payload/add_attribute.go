package payload

import "github.com/claviger/claviger/kmip"

// AddAttributeRequest adds an instance (§6.1.2).
type AddAttributeRequest struct {
	UniqueIdentifier kmip.Reference
	NewAttribute     *Instance
}

// AddAttributeResponse shows what was added, in KMIP 1.x.
type AddAttributeResponse struct {
	UniqueIdentifier string
	NewAttribute     *Instance
}
