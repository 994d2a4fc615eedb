package payload

import "github.com/claviger/claviger/kmip"

// SetDefaultsRequest sets the default attributes of new objects; without
// Defaults Information it clears them (§6.1.53).
type SetDefaultsRequest struct {
	DefaultsInformation *DefaultsInformation
}

// SetDefaultsResponse is empty.
type SetDefaultsResponse struct{}

// DefaultsInformation lists default attributes by type of object (§7.9).
type DefaultsInformation struct {
	ObjectDefaults []ObjectDefaults
}

// ObjectDefaults are the default attributes of some types of objects (§7.23).
type ObjectDefaults struct {
	ObjectType   kmip.ObjectType
	ObjectTypes  *ObjectTypes
	ObjectGroups *kmip.Item
	Attributes   Template
}

// ObjectTypes lists types of objects (§7.25).
type ObjectTypes struct {
	ObjectType []kmip.ObjectType
}
