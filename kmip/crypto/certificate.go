package crypto

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"time"

	"github.com/claviger/claviger/kmip"
)

// CertificateInfo is what an X.509 certificate says that becomes attributes of
// its object (KMIP 2.1 §4.6, §4.62 to §4.64; 1.4 §3.10 to §3.14).
type CertificateInfo struct {
	LengthBytes         int32
	Subject, Issuer     []byte // distinguished names in DER
	SubjectName         NameFields
	IssuerName          NameFields
	SubjectAlternatives [][]byte // each a GeneralName in DER
	IssuerAlternatives  [][]byte
	SerialNumber        []byte // content of the INTEGER in DER
	NotBefore, NotAfter time.Time
	// SignatureAlgorithm is 0 where KMIP has no value for it.
	SignatureAlgorithm kmip.DigitalSignatureAlgorithm
	// PublicKeyAlgorithm and PublicKeyBits are 0 for keys that are not used here.
	PublicKeyAlgorithm kmip.CryptographicAlgorithm
	PublicKeyBits      int32
}

// NameFields are the texts of a distinguished name (KMIP 2.1 §4.6), in their
// order; a name may have several of each.
type NameFields struct {
	Text string // the whole name as RFC 2253 writes it

	CN, O, OU, Email, C, ST, L, UID, SerialNumber, Title, DC, DNQualifier []string
}

// InspectCertificate reads a certificate in DER. Returns KindInvalidField if it
// is not one.
func InspectCertificate(der []byte) (CertificateInfo, error) {
	c, err := parseCertificate(der)
	if err != nil {
		return CertificateInfo{}, kmip.FailFrom(err, kmip.KindInvalidField, "the Certificate Value is not an X.509 certificate")
	}
	info := CertificateInfo{
		LengthBytes:         int32(len(der)), //nolint:gosec // bounded by the message size
		Subject:             c.RawSubject,
		Issuer:              c.RawIssuer,
		SubjectName:         nameFields(c.Subject),
		IssuerName:          nameFields(c.Issuer),
		SubjectAlternatives: generalNames(c, oidSubjectAltName),
		IssuerAlternatives:  generalNames(c, oidIssuerAltName),
		SerialNumber:        integerContent(c.SerialNumber),
		NotBefore:           c.NotBefore,
		NotAfter:            c.NotAfter,
		SignatureAlgorithm:  signatureAlgorithms[c.SignatureAlgorithm],
	}
	if key, err := parseSPKI(c.RawSubjectPublicKeyInfo); err == nil {
		info.PublicKeyAlgorithm, info.PublicKeyBits = AlgorithmOf(key), Length(key)
	} else if c.PublicKeyAlgorithm == x509.DSA {
		info.PublicKeyAlgorithm = kmip.CryptographicAlgorithmDSA
	}
	return info, nil
}

// signatureAlgorithms are the Digital Signature Algorithms (KMIP 2.1 §11.16) of
// the algorithms that the standard library knows.
var signatureAlgorithms = map[x509.SignatureAlgorithm]kmip.DigitalSignatureAlgorithm{
	x509.MD5WithRSA:       kmip.DigitalSignatureAlgorithmMD5WithRSAEncryption,
	x509.SHA1WithRSA:      kmip.DigitalSignatureAlgorithmSHA1WithRSAEncryption,
	x509.SHA256WithRSA:    kmip.DigitalSignatureAlgorithmSHA256WithRSAEncryption,
	x509.SHA384WithRSA:    kmip.DigitalSignatureAlgorithmSHA384WithRSAEncryption,
	x509.SHA512WithRSA:    kmip.DigitalSignatureAlgorithmSHA512WithRSAEncryption,
	x509.SHA256WithRSAPSS: kmip.DigitalSignatureAlgorithmRSASSAPSS,
	x509.SHA384WithRSAPSS: kmip.DigitalSignatureAlgorithmRSASSAPSS,
	x509.SHA512WithRSAPSS: kmip.DigitalSignatureAlgorithmRSASSAPSS,
	x509.DSAWithSHA1:      kmip.DigitalSignatureAlgorithmDSAWithSHA1,
	x509.DSAWithSHA256:    kmip.DigitalSignatureAlgorithmDSAWithSHA256,
	x509.ECDSAWithSHA1:    kmip.DigitalSignatureAlgorithmECDSAWithSHA1,
	x509.ECDSAWithSHA256:  kmip.DigitalSignatureAlgorithmECDSAWithSHA256,
	x509.ECDSAWithSHA384:  kmip.DigitalSignatureAlgorithmECDSAWithSHA384,
	x509.ECDSAWithSHA512:  kmip.DigitalSignatureAlgorithmECDSAWithSHA512,
}

func nameFields(n pkix.Name) NameFields {
	f := NameFields{Text: n.String()}
	fields := map[string]*[]string{
		"2.5.4.3":                    &f.CN,
		"2.5.4.10":                   &f.O,
		"2.5.4.11":                   &f.OU,
		"1.2.840.113549.1.9.1":       &f.Email,
		"2.5.4.6":                    &f.C,
		"2.5.4.8":                    &f.ST,
		"2.5.4.7":                    &f.L,
		"0.9.2342.19200300.100.1.1":  &f.UID,
		"2.5.4.5":                    &f.SerialNumber,
		"2.5.4.12":                   &f.Title,
		"0.9.2342.19200300.100.1.25": &f.DC,
		"2.5.4.46":                   &f.DNQualifier,
	}
	for _, attribute := range n.Names {
		if field, ok := fields[attribute.Type.String()]; ok {
			*field = append(*field, fmt.Sprint(attribute.Value))
		}
	}
	return f
}

var (
	oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidIssuerAltName  = asn1.ObjectIdentifier{2, 5, 29, 18}
)

// generalNames returns the members of an extension of GeneralNames (RFC 5280
// §4.2.1.6); none if it is not there or broken.
func generalNames(c *x509.Certificate, oid asn1.ObjectIdentifier) [][]byte {
	var names [][]byte
	for _, e := range c.Extensions {
		if !e.Id.Equal(oid) {
			continue
		}
		var raw []asn1.RawValue
		if rest, err := asn1.Unmarshal(e.Value, &raw); err != nil || len(rest) > 0 {
			return nil
		}
		for _, name := range raw {
			names = append(names, name.FullBytes)
		}
	}
	return names
}

// integerContent is the content of an INTEGER in DER that is not negative.
func integerContent(n *big.Int) []byte { return n.FillBytes(make([]byte, n.BitLen()/8+1)) }
