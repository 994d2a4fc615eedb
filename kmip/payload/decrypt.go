package payload

import "github.com/claviger/claviger/kmip"

// DecryptRequest decrypts data (§6.1.11).
type DecryptRequest struct {
	UniqueIdentifier                      kmip.Reference
	CryptographicParameters               *kmip.Item
	Data                                  Data
	IVCounterNonce                        []byte
	CorrelationValue                      []byte
	InitIndicator                         *bool
	FinalIndicator                        *bool
	AuthenticatedEncryptionAdditionalData []byte
	AuthenticatedEncryptionTag            []byte
	// TagInData tells that the version has no field for the tag: it stands at
	// the end of Data.
	TagInData bool `kmip:"-"`
}

// DecryptResponse carries the plaintext.
type DecryptResponse struct {
	UniqueIdentifier string
	Data             []byte
	CorrelationValue []byte
}
