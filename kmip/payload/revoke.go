package payload

import (
	"time"

	"github.com/claviger/claviger/kmip"
)

// RevokeRequest deactivates an object or declares it compromised (§6.1.44).
type RevokeRequest struct {
	UniqueIdentifier         kmip.Reference
	RevocationReason         *RevocationReason
	CompromiseOccurrenceDate time.Time
}

// RevocationReason says why (§4.47).
type RevocationReason struct {
	RevocationReasonCode kmip.RevocationReasonCode
	RevocationMessage    string
}

// RevokeResponse names the object.
type RevokeResponse struct {
	UniqueIdentifier string
}
