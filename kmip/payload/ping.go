package payload

// PingRequest asks for an answer (§6.1.37).
type PingRequest struct{}

// PingResponse is empty.
type PingResponse struct{}
