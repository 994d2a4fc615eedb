package payload

import "github.com/claviger/claviger/kmip"

// GetAttributeListRequest asks which attributes are set (§6.1.21).
type GetAttributeListRequest struct {
	UniqueIdentifier kmip.Reference
}

// GetAttributeListResponse names them.
type GetAttributeListResponse struct {
	UniqueIdentifier   string
	AttributeReference []kmip.AttributeID
}
