package payload

// GetConstraintsRequest asks for the constraints (§6.1.22).
type GetConstraintsRequest struct{}

// GetConstraintsResponse lists them.
type GetConstraintsResponse struct {
	Constraints *Constraints
}
