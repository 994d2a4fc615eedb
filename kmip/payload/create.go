package payload

import "github.com/claviger/claviger/kmip"

// CreateRequest asks for a new symmetric key (§6.1.8).
type CreateRequest struct {
	ObjectType             kmip.ObjectType
	Attributes             Template
	ProtectionStorageMasks *ObjectMasks
}

// CreateResponse names the new object.
type CreateResponse struct {
	ObjectType       kmip.ObjectType
	UniqueIdentifier string
}
