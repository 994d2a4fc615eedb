package payload

import "github.com/claviger/claviger/kmip"

// LocateRequest searches objects (§6.1.28).
type LocateRequest struct {
	MaximumItems      *int32
	OffsetItems       *int32
	StorageStatusMask *int32
	ObjectGroupMember kmip.ObjectGroupMember
	ObjectClassMask   *int32
	Attributes        AttributeList
}

// LocateResponse lists what was found.
type LocateResponse struct {
	LocatedItems     *int32
	UniqueIdentifier []string
}
