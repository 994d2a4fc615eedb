package payload

import (
	"time"

	"github.com/claviger/claviger/kmip"
)

// ReKeyRequest asks for a replacement of a symmetric key (§6.1.46).
type ReKeyRequest struct {
	UniqueIdentifier       kmip.Reference
	Offset                 *time.Duration
	Attributes             Template
	ProtectionStorageMasks *ObjectMasks
}

// ReKeyResponse names the replacement.
type ReKeyResponse struct {
	UniqueIdentifier string
}
