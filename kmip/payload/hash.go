package payload

import "github.com/claviger/claviger/kmip"

// HashRequest hashes data (§6.1.24).
type HashRequest struct {
	CryptographicParameters *kmip.Item
	Data                    Data
	CorrelationValue        []byte
	InitIndicator           *bool
	FinalIndicator          *bool
}

// HashResponse carries the hash.
type HashResponse struct {
	Data             []byte
	CorrelationValue []byte
}
