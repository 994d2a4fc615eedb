package payload

import "github.com/claviger/claviger/kmip"

// JoinSplitKeyRequest makes a key of parts (§6.1.27).
type JoinSplitKeyRequest struct {
	ObjectType             kmip.ObjectType
	UniqueIdentifier       []kmip.Reference
	SecretDataType         kmip.SecretDataType
	Attributes             Template
	ProtectionStorageMasks *ObjectMasks
}

// JoinSplitKeyResponse names the key.
type JoinSplitKeyResponse struct {
	ObjectType       kmip.ObjectType
	UniqueIdentifier string
}
