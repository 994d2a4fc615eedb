package crypto

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
)

// RequestInfo is what a request for a certificate says.
type RequestInfo struct {
	Type      kmip.CertificateRequestType
	Subject   []byte      // DER of the distinguished name
	PublicKey KeyMaterial // X.509 SubjectPublicKeyInfo; the caller's to destroy
	Algorithm kmip.CryptographicAlgorithm
	Bits      int32  // Cryptographic Length
	DER       []byte // the request without PEM
}

// maxRequestBytes bounds a request for a certificate: a key and names.
const maxRequestBytes = 64 << 10

// ParseRequest reads a request for a certificate and verifies that it is signed
// with the key that it is for.
//
// KMIP 2.1 §6.1.6 (Certify), §11.8 (Certificate Request Type): PKCS#10 (RFC
// 2986), the same as PEM (RFC 7468 §7), and CRMF (RFC 4211) of one message with
// a proof of possession by signature.
//
// Returns KindInvalidField if it is no such request or the signature is wrong,
// KindParametersUnsupported if the signature cannot be verified here,
// KindUnsupportedFeature for the type PGP.
func ParseRequest(t kmip.CertificateRequestType, value []byte) (RequestInfo, error) {
	if len(value) > maxRequestBytes {
		return RequestInfo{}, errRequest(nil)
	}
	var info RequestInfo
	var err error
	switch t {
	case kmip.CertificateRequestTypePKCS10:
		info, err = parsePKCS10(value)
	case kmip.CertificateRequestTypePEM:
		block, _ := pem.Decode(value)
		if block == nil || block.Type != "CERTIFICATE REQUEST" && block.Type != "NEW CERTIFICATE REQUEST" {
			return RequestInfo{}, errRequest(nil)
		}
		info, err = parsePKCS10(block.Bytes)
	case kmip.CertificateRequestTypeCRMF:
		info, err = parseCRMF(value)
	default:
		return RequestInfo{}, kmip.Fail(kmip.KindUnsupportedFeature, "Certificate Request Type %v is not supported", t)
	}
	if err != nil {
		return RequestInfo{}, err
	}
	info.Type = t
	return info, nil
}

// pkcs10Request is CertificationRequest (RFC 2986 §4.2).
type pkcs10Request struct {
	Info      asn1.RawValue
	Algorithm pkix.AlgorithmIdentifier
	Signature asn1.BitString
}

// pkcs10Info is CertificationRequestInfo (RFC 2986 §4.1).
type pkcs10Info struct {
	Version    int
	Subject    asn1.RawValue
	PublicKey  asn1.RawValue
	Attributes asn1.RawValue `asn1:"optional"` // [0]; some leave an empty one out
}

func parsePKCS10(der []byte) (RequestInfo, error) {
	var request pkcs10Request
	var info pkcs10Info
	if err := unmarshal(der, &request); err != nil {
		return RequestInfo{}, errRequest(err)
	}
	if err := unmarshal(request.Info.FullBytes, &info); err != nil {
		return RequestInfo{}, errRequest(err)
	}
	return checkRequest(der, info.Subject.FullBytes, info.PublicKey.FullBytes, request.Algorithm, request.Info.FullBytes, request.Signature)
}

// checkRequest verifies the signature of a request, and makes what it says.
func checkRequest(der, subject, spki []byte, alg pkix.AlgorithmIdentifier, signed []byte, signature asn1.BitString) (RequestInfo, error) {
	var name pkix.RDNSequence
	if err := unmarshal(subject, &name); err != nil {
		return RequestInfo{}, errRequest(err)
	}
	key, err := ParsePublic(kmip.KeyFormatTypeX509, 0, spki, nil)
	if err != nil {
		return RequestInfo{}, err
	}
	valid, err := verifyX509(alg, key, signed, signature.RightAlign())
	if err != nil {
		return RequestInfo{}, err
	}
	if !valid {
		return RequestInfo{}, kmip.Fail(kmip.KindInvalidField, "the request for a certificate is not signed with its own key")
	}
	return RequestInfo{
		Subject:   append([]byte(nil), subject...),
		PublicKey: KeyMaterial{Format: kmip.KeyFormatTypeX509, Bytes: secret.Copy(spki), LengthBits: Length(key)},
		Algorithm: AlgorithmOf(key),
		Bits:      Length(key),
		DER:       append([]byte(nil), der...),
	}, nil
}

// unmarshal reads one value of ASN.1 in DER with nothing behind it.
func unmarshal(der []byte, value any) error {
	rest, err := asn1.Unmarshal(der, value)
	if err == nil && len(rest) > 0 {
		err = asn1.SyntaxError{Msg: "bytes after the value"}
	}
	return err
}

func errRequest(cause error) error {
	return kmip.FailFrom(cause, kmip.KindInvalidField, "the Certificate Request is not a request of its type")
}
