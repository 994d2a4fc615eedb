package payload

import "github.com/claviger/claviger/kmip"

// DeriveKeyRequest derives a key or secret data from others (§6.1.14).
type DeriveKeyRequest struct {
	ObjectType             kmip.ObjectType
	UniqueIdentifier       []kmip.Reference
	DerivationMethod       kmip.DerivationMethod
	DerivationParameters   *kmip.Item
	Attributes             Template
	ProtectionStorageMasks *ObjectMasks
}

// DeriveKeyResponse names what was derived.
type DeriveKeyResponse struct {
	UniqueIdentifier string
}
