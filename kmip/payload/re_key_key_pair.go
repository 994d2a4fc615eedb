package payload

import (
	"time"

	"github.com/claviger/claviger/kmip"
)

// ReKeyKeyPairRequest asks for a replacement of a key pair (§6.1.47).
type ReKeyKeyPairRequest struct {
	PrivateKeyUniqueIdentifier    kmip.Reference
	Offset                        *time.Duration
	CommonAttributes              Template
	PrivateKeyAttributes          Template
	PublicKeyAttributes           Template
	CommonProtectionStorageMasks  *ObjectMasks
	PrivateProtectionStorageMasks *ObjectMasks
	PublicProtectionStorageMasks  *ObjectMasks
}

// ReKeyKeyPairResponse names the replacements.
type ReKeyKeyPairResponse struct {
	PrivateKeyUniqueIdentifier string
	PublicKeyUniqueIdentifier  string
}
