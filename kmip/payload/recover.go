package payload

import "github.com/claviger/claviger/kmip"

// RecoverRequest brings it back (§6.1.39).
type RecoverRequest struct {
	UniqueIdentifier kmip.Reference
}

// RecoverResponse names the object.
type RecoverResponse struct {
	UniqueIdentifier string
}
