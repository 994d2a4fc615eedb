package payload

import (
	"time"

	"github.com/claviger/claviger/kmip"
)

// CheckRequest asks whether an object may be used in a way (§6.1.7).
type CheckRequest struct {
	UniqueIdentifier       kmip.Reference
	UsageLimitsCount       *int64
	CryptographicUsageMask *int32
	LeaseTime              *time.Duration
}

// CheckResponse says that it may.
type CheckResponse struct {
	UniqueIdentifier string
}
