package payload

import "github.com/claviger/claviger/kmip"

// QueryRequest asks what the server can do (§6.1.40).
type QueryRequest struct {
	QueryFunction []kmip.QueryFunction
	ObjectGroups  *kmip.Item
}

// QueryResponse answers the functions that were asked for.
type QueryResponse struct {
	Operation                []kmip.Operation
	ObjectType               []kmip.ObjectType
	VendorIdentification     string
	ServerInformation        *kmip.Item
	ApplicationNamespace     []string
	ExtensionInformation     []kmip.Item
	AttestationType          []kmip.AttestationType
	RNGParameters            []kmip.Item
	ProfileInformation       []ProfileInformation
	ValidationInformation    []kmip.Item
	CapabilityInformation    *CapabilityInformation
	ClientRegistrationMethod []kmip.ClientRegistrationMethod
	DefaultsInformation      *DefaultsInformation
	ProtectionStorageMasks   *ObjectMasks
	CredentialInformation    *CredentialInformation
}

// CredentialInformation lists the types of credentials that are accepted (KMIP
// 3.0).
type CredentialInformation struct {
	CredentialType []kmip.CredentialType
}

// ProfileInformation names a profile that the server supports (§7.33).
type ProfileInformation struct {
	ProfileName    kmip.ProfileName
	ServerURI      string
	ServerPort     *int32
	ProfileVersion *kmip.Item
}

// CapabilityInformation lists capabilities (§7.4).
type CapabilityInformation struct {
	StreamingCapability     *bool
	AsynchronousCapability  *bool
	AttestationCapability   *bool
	BatchUndoCapability     *bool
	BatchContinueCapability *bool
	UnwrapMode              kmip.UnwrapMode
	DestroyAction           kmip.DestroyAction
	ShreddingAlgorithm      kmip.ShreddingAlgorithm
	RNGMode                 kmip.RNGMode
	QuantumSafeCapability   *bool
}
