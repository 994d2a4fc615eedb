package crypto

import (
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
)

// CertificateKey returns the public key of an X.509 certificate in DER. Returns
// KindInvalidField if it is not one.
func CertificateKey(der []byte) (KeyMaterial, error) {
	c, err := parseCertificate(der)
	if err != nil {
		return KeyMaterial{}, kmip.FailFrom(err, kmip.KindInvalidField, "the Certificate Value is not an X.509 certificate")
	}
	lengthBits := int32(0)
	if key, err := parseSPKI(c.RawSubjectPublicKeyInfo); err == nil {
		lengthBits = Length(key)
	}
	return KeyMaterial{Format: kmip.KeyFormatTypeX509, Bytes: secret.Copy(c.RawSubjectPublicKeyInfo), LengthBits: lengthBits}, nil
}
