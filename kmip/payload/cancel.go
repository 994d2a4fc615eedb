package payload

import "github.com/claviger/claviger/kmip"

// CancelRequest asks to give up an asynchronous request (§6.1.5).
type CancelRequest struct {
	AsynchronousCorrelationValue []byte
}

// CancelResponse tells what came of it.
type CancelResponse struct {
	AsynchronousCorrelationValue []byte
	CancellationResult           kmip.CancellationResult
}
