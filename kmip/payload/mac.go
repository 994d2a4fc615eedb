package payload

import "github.com/claviger/claviger/kmip"

// MACRequest computes a message authentication code (§6.1.32).
type MACRequest struct {
	UniqueIdentifier        kmip.Reference
	CryptographicParameters *kmip.Item
	Data                    Data
	CorrelationValue        []byte
	InitIndicator           *bool
	FinalIndicator          *bool
}

// MACResponse carries the code.
type MACResponse struct {
	UniqueIdentifier string
	MACData          []byte
	CorrelationValue []byte
}
