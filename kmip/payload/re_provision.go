package payload

import "github.com/claviger/claviger/kmip"

// ReProvisionRequest replaces the certificate of a client (§6.1.48).
type ReProvisionRequest struct {
	CertificateRequest *kmip.Item
	Certificate        *kmip.Item
}

// ReProvisionResponse names the new certificate, if there is one.
type ReProvisionResponse struct {
	UniqueIdentifier string
}
