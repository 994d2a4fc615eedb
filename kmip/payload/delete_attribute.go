package payload

import "github.com/claviger/claviger/kmip"

// DeleteAttributeRequest deletes instances (§6.1.13): in KMIP 1.x the one with
// AttributeIndex, from 2.0 the one equal to CurrentAttribute or all of the
// referenced attribute.
type DeleteAttributeRequest struct {
	UniqueIdentifier   kmip.Reference
	CurrentAttribute   *Instance
	AttributeReference []kmip.AttributeID
	AttributeIndex     *int32
	// ByIndex tells that no index means the first instance, as in KMIP 1.x.
	ByIndex bool `kmip:"-"`
}

// DeleteAttributeResponse shows what was deleted, in KMIP 1.x.
type DeleteAttributeResponse struct {
	UniqueIdentifier string
	NewAttribute     *Instance
}
