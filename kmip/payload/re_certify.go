package payload

import (
	"time"

	"github.com/claviger/claviger/kmip"
)

// ReCertifyRequest asks for a certificate in the place of one (§6.1.45).
type ReCertifyRequest struct {
	UniqueIdentifier                   kmip.Reference
	CertificateRequestUniqueIdentifier kmip.Reference
	CertificateRequestType             kmip.CertificateRequestType
	CertificateRequestValue            []byte
	Offset                             *time.Duration
	Attributes                         Template
	ProtectionStorageMasks             *ObjectMasks
}

// ReCertifyResponse names the new certificate.
type ReCertifyResponse struct {
	UniqueIdentifier string
}
