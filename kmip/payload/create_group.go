package payload

// CreateGroupRequest makes a group (KMIP 3.0).
type CreateGroupRequest struct {
	Attributes Template
}

// CreateGroupResponse names it.
type CreateGroupResponse struct {
	UniqueIdentifier string
}
