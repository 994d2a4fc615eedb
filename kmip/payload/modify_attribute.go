package payload

import "github.com/claviger/claviger/kmip"

// ModifyAttributeRequest changes an instance (§6.1.34).
type ModifyAttributeRequest struct {
	UniqueIdentifier kmip.Reference
	CurrentAttribute *Instance
	NewAttribute     *Instance
	// ByIndex tells that no index means the first instance, as in KMIP 1.x.
	ByIndex bool `kmip:"-"`
}

// ModifyAttributeResponse shows what is there now, in KMIP 1.x.
type ModifyAttributeResponse struct {
	UniqueIdentifier string
	NewAttribute     *Instance
}
