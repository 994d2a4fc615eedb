package payload

import "github.com/claviger/claviger/kmip"

// GetUsageAllocationRequest takes from Usage Limits (§6.1.23).
type GetUsageAllocationRequest struct {
	UniqueIdentifier kmip.Reference
	UsageLimitsCount *int64
}

// GetUsageAllocationResponse names the object.
type GetUsageAllocationResponse struct {
	UniqueIdentifier string
}
