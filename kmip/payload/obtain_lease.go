package payload

import (
	"time"

	"github.com/claviger/claviger/kmip"
)

// ObtainLeaseRequest asks for a lease (§6.1.35).
type ObtainLeaseRequest struct {
	UniqueIdentifier kmip.Reference
}

// ObtainLeaseResponse grants one.
type ObtainLeaseResponse struct {
	UniqueIdentifier string
	LeaseTime        *time.Duration
	LastChangeDate   time.Time
}
