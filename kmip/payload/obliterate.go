package payload

import "github.com/claviger/claviger/kmip"

// ObliterateRequest removes an object with its metadata (KMIP 3.0).
type ObliterateRequest struct {
	UniqueIdentifier kmip.Reference
}

// ObliterateResponse is empty.
type ObliterateResponse struct{}
