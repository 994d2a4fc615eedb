package payload

import "github.com/claviger/claviger/kmip"

// RegisterRequest hands an object over (§6.1.43).
type RegisterRequest struct {
	ObjectType             kmip.ObjectType
	Attributes             Template
	Object                 *kmip.Object
	ProtectionStorageMasks *ObjectMasks
}

// RegisterResponse names the object.
type RegisterResponse struct {
	UniqueIdentifier string
}
