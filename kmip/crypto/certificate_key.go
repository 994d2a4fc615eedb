package crypto

import (
	"crypto/x509"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
)

// CertificateKey returns the public key of an X.509 certificate in DER. Returns
// KindInvalidField if it is not one.
func CertificateKey(der []byte) (KeyMaterial, error) {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return KeyMaterial{}, kmip.FailFrom(err, kmip.KindInvalidField, "the Certificate Value is not an X.509 certificate")
	}
	return KeyMaterial{Format: kmip.KeyFormatTypeX509, Bytes: secret.Copy(c.RawSubjectPublicKeyInfo), LengthBits: Length(c.PublicKey)}, nil
}
