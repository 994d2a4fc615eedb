package payload

import "github.com/claviger/claviger/kmip"

// CertifyRequest asks for a certificate of a public key (§6.1.6): a managed
// one, or that of a certificate request.
type CertifyRequest struct {
	UniqueIdentifier        kmip.Reference
	CertificateRequestType  kmip.CertificateRequestType
	CertificateRequestValue []byte
	Attributes              Template
	ProtectionStorageMasks  *ObjectMasks
}

// CertifyResponse names the certificate.
type CertifyResponse struct {
	UniqueIdentifier string
}
