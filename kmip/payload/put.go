package payload

import "github.com/claviger/claviger/kmip"

// PutRequest hands an object to a client (§6.2.3): a message of the server.
type PutRequest struct {
	UniqueIdentifier         string
	PutFunction              kmip.PutFunction
	ReplacedUniqueIdentifier string
	Object                   *kmip.Object
	Attributes               AttributeList
}

// PutResponse is empty.
type PutResponse struct{}
