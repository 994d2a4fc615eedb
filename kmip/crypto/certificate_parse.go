package crypto

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/asn1"
	"errors"
)

// certificateFields is Certificate (RFC 5280 §4.1).
type certificateFields struct {
	TBS       asn1.RawValue
	Algorithm asn1.RawValue
	Signature asn1.BitString
}

var errCertificate = errors.New("not an X.509 certificate of version 3")

// withKey replaces the SubjectPublicKeyInfo of a certificate, whose signature is
// wrong then, and returns the one it had.
func withKey(der, spki []byte) (c certificateFields, old []byte, err error) {
	const keyField = 6 // after version, serial number, signature, issuer, validity and subject
	var fields []asn1.RawValue
	if err := unmarshal(der, &c); err != nil {
		return c, nil, err
	}
	if err := unmarshal(c.TBS.FullBytes, &fields); err != nil {
		return c, nil, err
	}
	if len(fields) <= keyField || fields[0].Class != asn1.ClassContextSpecific {
		return c, nil, errCertificate
	}
	old = fields[keyField].FullBytes
	fields[keyField] = asn1.RawValue{FullBytes: spki}
	tbs, err := asn1.Marshal(fields)
	c.TBS = asn1.RawValue{FullBytes: tbs}
	return c, old, err
}

// parseCertificate reads a certificate. One with a key that this package knows
// and crypto/x509 refuses comes without its parsed key.
func parseCertificate(der []byte) (*x509.Certificate, error) {
	c, err := x509.ParseCertificate(der)
	if err == nil {
		return c, nil
	}
	stranger, marshalErr := x509.MarshalPKIXPublicKey(ed25519.PublicKey(make([]byte, ed25519.PublicKeySize)))
	if marshalErr != nil {
		return nil, err
	}
	fields, spki, replaceErr := withKey(der, stranger)
	if replaceErr != nil {
		return nil, err
	}
	if _, keyErr := parseSPKI(spki); keyErr != nil {
		return nil, err
	}
	c, readErr := x509.ParseCertificate(marshal(fields))
	if readErr != nil {
		return nil, err
	}
	var own certificateFields
	if err := unmarshal(der, &own); err != nil {
		return nil, err
	}
	c.Raw, c.RawTBSCertificate, c.RawSubjectPublicKeyInfo = der, own.TBS.FullBytes, spki
	c.PublicKey, c.PublicKeyAlgorithm = nil, x509.UnknownPublicKeyAlgorithm
	return c, nil
}
