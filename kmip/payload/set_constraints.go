package payload

import "github.com/claviger/claviger/kmip"

// SetConstraintsRequest sets what new objects must be like (§6.1.52).
type SetConstraintsRequest struct {
	Constraints *Constraints
}

// SetConstraintsResponse is empty.
type SetConstraintsResponse struct{}

// Constraints is a list of constraints (§7.7).
type Constraints struct {
	Constraint []Constraint
}

// Constraint bounds the attributes of some types of objects (§7.6).
type Constraint struct {
	ObjectTypes  *ObjectTypes
	ObjectGroups *kmip.Item
	Attributes   Template
}
