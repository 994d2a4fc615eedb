package payload

import "github.com/claviger/claviger/kmip"

// GetRequest asks for an object (§6.1.19).
type GetRequest struct {
	UniqueIdentifier         kmip.Reference
	KeyFormatType            kmip.KeyFormatType
	KeyWrapType              kmip.KeyWrapType
	KeyCompressionType       kmip.KeyCompressionType
	KeyWrappingSpecification *kmip.Item
}

// GetResponse carries the object; its owner destroys the secret when the
// message has been written.
type GetResponse struct {
	ObjectType       kmip.ObjectType
	UniqueIdentifier string
	Object           *kmip.Object
}
