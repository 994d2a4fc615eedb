package payload

import (
	"time"

	"github.com/claviger/claviger/kmip"
)

// DeactivateRequest deactivates an object (KMIP 3.0).
type DeactivateRequest struct {
	UniqueIdentifier   kmip.Reference
	DeactivationReason *DeactivationReason
	DeactivationDate   time.Time
}

// DeactivationReason says why.
type DeactivationReason struct {
	DeactivationReasonCode kmip.DeactivationReasonCode
	DeactivationMessage    string
}

// DeactivateResponse names the object.
type DeactivateResponse struct {
	UniqueIdentifier string
}
