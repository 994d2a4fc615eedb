package payload

import "github.com/claviger/claviger/kmip"

// DestroyRequest destroys the value of an object (§6.1.15).
type DestroyRequest struct {
	UniqueIdentifier kmip.Reference
}

// DestroyResponse names the object.
type DestroyResponse struct {
	UniqueIdentifier string
}
