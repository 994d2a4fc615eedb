package payload

import (
	"time"

	"github.com/claviger/claviger/kmip"
)

// ValidateRequest asks whether certificates make a chain that is valid (§6.1.57).
type ValidateRequest struct {
	Certificate      []kmip.Item
	UniqueIdentifier []kmip.Reference
	ValidityDate     time.Time
}

// ValidateResponse tells.
type ValidateResponse struct {
	ValidityIndicator kmip.ValidityIndicator
}
