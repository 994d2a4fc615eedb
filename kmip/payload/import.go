package payload

import "github.com/claviger/claviger/kmip"

// ImportRequest takes an object over with its identifier and attributes (§6.1.25).
type ImportRequest struct {
	UniqueIdentifier kmip.Reference
	ObjectType       kmip.ObjectType
	ReplaceExisting  *bool
	KeyWrapType      kmip.KeyWrapType
	Attributes       AttributeList
	Object           *kmip.Object
}

// ImportResponse names the object.
type ImportResponse struct {
	UniqueIdentifier string
}
