package payload

import "github.com/claviger/claviger/kmip"

// ActivateRequest makes an object Active (§6.1.1).
type ActivateRequest struct {
	UniqueIdentifier kmip.Reference
}

// ActivateResponse names the object.
type ActivateResponse struct {
	UniqueIdentifier string
}
