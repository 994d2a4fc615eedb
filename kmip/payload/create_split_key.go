package payload

import "github.com/claviger/claviger/kmip"

// CreateSplitKeyRequest splits a key that is there, or a new one (§6.1.10).
type CreateSplitKeyRequest struct {
	ObjectType             kmip.ObjectType
	UniqueIdentifier       kmip.Reference
	SplitKeyParts          *int32
	SplitKeyThreshold      *int32
	SplitKeyMethod         kmip.SplitKeyMethod
	PrimeFieldSize         *kmip.Item
	Attributes             Template
	ProtectionStorageMasks *ObjectMasks
	// Polynomial is the modulus of GF(2^8) in the version, or that of the request.
	Polynomial kmip.SplitKeyPolynomial `kmip:"-"`
}

// CreateSplitKeyResponse names the parts, in the order of their Key Part
// Identifiers.
type CreateSplitKeyResponse struct {
	ObjectType       kmip.ObjectType
	UniqueIdentifier []string
}
