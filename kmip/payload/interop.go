package payload

import "github.com/claviger/claviger/kmip"

// InteropRequest marks the beginning or end of a test case (§6.1.26).
type InteropRequest struct {
	InteropFunction   kmip.InteropFunction
	InteropIdentifier string
}

// InteropResponse is empty.
type InteropResponse struct{}
