package payload

import "github.com/claviger/claviger/kmip"

// GetAttributesRequest asks for attributes; all when none is named (§6.1.20).
type GetAttributesRequest struct {
	UniqueIdentifier   kmip.Reference
	AttributeReference []kmip.AttributeID
}

// GetAttributesResponse holds those that are set.
type GetAttributesResponse struct {
	UniqueIdentifier string
	Attributes       AttributeList
}
