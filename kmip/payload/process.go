package payload

// ProcessRequest asks to process an asynchronous request now (§6.1.39).
type ProcessRequest struct {
	AsynchronousCorrelationValue []byte
}

// ProcessResponse is empty.
type ProcessResponse struct{}
