package payload

// PollRequest asks for the response to an asynchronous request (§6.1.38). The
// answer is the response of that operation.
type PollRequest struct {
	AsynchronousCorrelationValue []byte
}

// PollResponse is never sent: see PollRequest.
type PollResponse struct{}
