package payload

// CreateKeyPairRequest asks for a new key pair (§6.1.9).
type CreateKeyPairRequest struct {
	CommonAttributes              Template
	PrivateKeyAttributes          Template
	PublicKeyAttributes           Template
	CommonProtectionStorageMasks  *ObjectMasks
	PrivateProtectionStorageMasks *ObjectMasks
	PublicProtectionStorageMasks  *ObjectMasks
}

// CreateKeyPairResponse names the two objects.
type CreateKeyPairResponse struct {
	PrivateKeyUniqueIdentifier string
	PublicKeyUniqueIdentifier  string
}
