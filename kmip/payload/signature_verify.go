package payload

import "github.com/claviger/claviger/kmip"

// SignatureVerifyRequest verifies a signature (§6.1.56).
type SignatureVerifyRequest struct {
	UniqueIdentifier        kmip.Reference
	CryptographicParameters *kmip.Item
	Data                    Data
	DigestedData            []byte
	SignatureData           []byte
	CorrelationValue        []byte
	InitIndicator           *bool
	FinalIndicator          *bool
}

// SignatureVerifyResponse tells whether it is valid.
type SignatureVerifyResponse struct {
	UniqueIdentifier  string
	ValidityIndicator kmip.ValidityIndicator
	Data              []byte
	CorrelationValue  []byte
}
