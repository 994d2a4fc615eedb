package payload

// CreateUserRequest makes a user (KMIP 3.0).
type CreateUserRequest struct {
	Attributes Template
}

// CreateUserResponse names it.
type CreateUserResponse struct {
	UniqueIdentifier string
}
