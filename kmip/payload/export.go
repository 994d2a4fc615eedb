package payload

import "github.com/claviger/claviger/kmip"

// ExportRequest asks for an object with all its attributes (§6.1.18).
type ExportRequest struct {
	UniqueIdentifier         kmip.Reference
	KeyFormatType            kmip.KeyFormatType
	KeyWrapType              kmip.KeyWrapType
	KeyCompressionType       kmip.KeyCompressionType
	KeyWrappingSpecification *kmip.Item
}

// ExportResponse carries them; its owner destroys the secret when the message
// has been written.
type ExportResponse struct {
	ObjectType       kmip.ObjectType
	UniqueIdentifier string
	Attributes       AttributeList
	Object           *kmip.Object
}
