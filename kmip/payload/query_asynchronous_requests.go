package payload

import "github.com/claviger/claviger/kmip"

// QueryAsynchronousRequestsRequest asks for the outstanding requests of the
// caller (§6.1.41): all, those with some correlation values, or operations.
type QueryAsynchronousRequestsRequest struct {
	AsynchronousCorrelationValues *AsynchronousCorrelationValues
	Operations                    *Operations
}

// AsynchronousCorrelationValues is a list of them (§7.2).
type AsynchronousCorrelationValues struct {
	AsynchronousCorrelationValue [][]byte
}

// Operations is a list of operations (§7.24).
type Operations struct {
	Operation []kmip.Operation
}

// QueryAsynchronousRequestsResponse lists them.
type QueryAsynchronousRequestsResponse struct {
	AsynchronousRequest []AsynchronousRequest
}

// AsynchronousRequest is one of them (§7.1).
type AsynchronousRequest struct {
	AsynchronousCorrelationValue []byte
	Operation                    kmip.Operation
	SubmissionDate               kmip.Item // Date-Time Extended
	ProcessingStage              kmip.ProcessingStage
}
