package payload

import "github.com/claviger/claviger/kmip"

// CreateCredentialRequest makes a credential of a user (KMIP 3.0). One of the
// structures after Attributes is there.
type CreateCredentialRequest struct {
	CredentialType           kmip.CredentialType
	Attributes               Template
	PasswordCredential       *kmip.Item
	DeviceCredential         *kmip.Item
	HashedPasswordCredential *kmip.Item
	OTPCredential            *kmip.Item
	Certificate              *kmip.Item
}

// CreateCredentialResponse names it.
type CreateCredentialResponse struct {
	UniqueIdentifier string
}
