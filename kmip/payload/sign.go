package payload

import "github.com/claviger/claviger/kmip"

// SignRequest signs data (§6.1.55).
type SignRequest struct {
	UniqueIdentifier        kmip.Reference
	CryptographicParameters *kmip.Item
	Data                    Data
	DigestedData            []byte
	CorrelationValue        []byte
	InitIndicator           *bool
	FinalIndicator          *bool
}

// SignResponse carries the signature.
type SignResponse struct {
	UniqueIdentifier string
	SignatureData    []byte
	CorrelationValue []byte
}
