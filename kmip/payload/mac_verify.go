package payload

import "github.com/claviger/claviger/kmip"

// MACVerifyRequest verifies a message authentication code (§6.1.33).
type MACVerifyRequest struct {
	UniqueIdentifier        kmip.Reference
	CryptographicParameters *kmip.Item
	Data                    Data
	MACData                 []byte
	CorrelationValue        []byte
	InitIndicator           *bool
	FinalIndicator          *bool
}

// MACVerifyResponse tells whether it is valid.
type MACVerifyResponse struct {
	UniqueIdentifier  string
	ValidityIndicator kmip.ValidityIndicator
	CorrelationValue  []byte
}
