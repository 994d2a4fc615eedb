package payload

import "github.com/claviger/claviger/kmip"

// AdjustAttributeRequest changes the value of an attribute relative to what it
// is (§6.1.3).
type AdjustAttributeRequest struct {
	UniqueIdentifier   kmip.Reference
	AttributeReference []kmip.AttributeID
	AdjustmentType     kmip.AdjustmentType
	AdjustmentValue    *kmip.Item
}

// AdjustAttributeResponse names the object.
type AdjustAttributeResponse struct {
	UniqueIdentifier string
}
