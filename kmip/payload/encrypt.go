package payload

import "github.com/claviger/claviger/kmip"

// EncryptRequest encrypts data (§6.1.17).
type EncryptRequest struct {
	UniqueIdentifier                      kmip.Reference
	CryptographicParameters               *kmip.Item
	Data                                  Data
	IVCounterNonce                        []byte
	CorrelationValue                      []byte
	InitIndicator                         *bool
	FinalIndicator                        *bool
	AuthenticatedEncryptionAdditionalData []byte
}

// EncryptResponse carries the ciphertext; IVCounterNonce only when the server
// made it.
type EncryptResponse struct {
	UniqueIdentifier           string
	Data                       []byte
	IVCounterNonce             []byte
	CorrelationValue           []byte
	AuthenticatedEncryptionTag []byte
}
