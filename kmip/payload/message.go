package payload

import (
	"time"

	"github.com/claviger/claviger/kmip"
)

// Request is a request message (§8.1).
type Request struct {
	Version                kmip.Version
	MaximumResponseSize    int32 // bytes; 0 when not given
	ClientCorrelationValue string
	AsynchronousIndicator  kmip.AsynchronousIndicator
	Credentials            []Credential
	ErrorContinuation      kmip.BatchErrorContinuationOption // Stop when not given
	TimeStamp              time.Time
	// AttestationCapable tells that the client can attest its state.
	AttestationCapable bool
	Items              []RequestItem
}

// RequestItem is a batch item of a request.
type RequestItem struct {
	Operation kmip.Operation
	// Ephemeral says what the response is not to return (§8.3); 0 for nothing.
	Ephemeral         kmip.Ephemeral
	UniqueBatchItemID []byte
	// Payload is a pointer to the request struct of the operation; nil when the
	// operation has none here.
	Payload any
	// Err says why the item cannot be processed; the others can.
	Err error
}

// Response is a response message (§8.2).
type Response struct {
	Version                kmip.Version
	TimeStamp              time.Time
	ServerCorrelationValue string
	// Nonce and AttestationTypes ask for an attestation (§9.1).
	Nonce            *kmip.Item
	AttestationTypes []kmip.AttestationType
	// ServerHashedPassword proves to a client that sent a Hashed Password that the
	// server knows it.
	ServerHashedPassword []byte
	Items                []ResponseItem
}

// ResponseItem is a batch item of a response.
type ResponseItem struct {
	Operation         kmip.Operation // 0 when the request could not be read
	UniqueBatchItemID []byte
	Status            kmip.ResultStatus
	Err               error // why the item failed
	Payload           any
	// AsynchronousCorrelationValue names a request that is pending.
	AsynchronousCorrelationValue []byte
	// Reason and Message are what a client read from a response.
	Reason  kmip.ResultReason
	Message string
}

// Credential is one credential of the Authentication field (§9.4, §7.8).
type Credential struct {
	Type     kmip.CredentialType
	Username string    // empty for credentials that have none
	Password []byte    // aliases the message
	HasPass  bool      // a Password was given, if only an empty one
	Value    kmip.Item // the Credential Value, for the fields of the other types
}
