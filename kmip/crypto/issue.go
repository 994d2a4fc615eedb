package crypto

import (
	"crypto"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"math/big"
	"net"
	"time"

	"github.com/claviger/claviger/kmip"
)

// IssueRequest is a certificate to issue.
type IssueRequest struct {
	PublicKey           KeyInput // of the subject
	SubjectDER          []byte   // distinguished name; from the request, or given
	SubjectText         string   // used when SubjectDER is nil, e.g. "CN=a,O=b"; may be empty
	Alternatives        []string // DNS names or IP addresses, optional
	NotBefore, NotAfter time.Time
	Usage               kmip.CryptographicUsageMask
	IssuerCert          []byte // DER, CA
	IssuerKey           crypto.Signer
}

// maxAlternatives bounds the Subject Alternative Name of a certificate.
const maxAlternatives = 256

// IssueCertificate makes an X.509 certificate of version 3 (RFC 5280), in DER.
//
// KMIP 2.1 §6.1.6 (Certify), §12.1: Key Usage holds what the Cryptographic Usage
// Mask allows and a key of the algorithm can do; it is left out if that is
// nothing. The serial number is 128 random bits. The certificate is not one of
// an authority, whatever the mask says.
//
// Returns KindInvalidField for keys, names and issuers that are none or do not
// fit, KindAttributeValue for dates that are out of order, and
// KindCryptographicFailure if the issuer's key does not sign.
func IssueCertificate(r IssueRequest) (der []byte, err error) {
	public, err := r.PublicKey.public()
	if err != nil {
		return nil, err
	}
	spki, err := ConvertPublic(public, kmip.KeyFormatTypeX509)
	if err != nil {
		return nil, err
	}
	issuer, err := r.issuer()
	if err != nil {
		return nil, err
	}
	template, err := r.template(public, spki.Bytes.Reveal())
	if err != nil {
		return nil, err
	}
	key, replace := public, false
	switch public.(type) {
	case otherKey, *ecdh.PublicKey: // crypto/x509 cannot write it
		key, replace = issuer.PublicKey, true
	}
	der, err = x509.CreateCertificate(rand.Reader, template, issuer, key, r.IssuerKey)
	if err == nil && replace {
		der, err = replaceKey(der, spki.Bytes.Reveal(), issuer, r.IssuerKey)
	}
	if err != nil {
		return nil, kmip.FailFrom(err, kmip.KindCryptographicFailure, "the certificate cannot be signed")
	}
	return der, nil
}

// issuer reads the certificate of the issuer, which must be an authority and
// have the key that signs.
func (r *IssueRequest) issuer() (*x509.Certificate, error) {
	issuer, err := x509.ParseCertificate(r.IssuerCert)
	if err != nil {
		return nil, kmip.FailFrom(err, kmip.KindInvalidField, "the issuer's certificate is not an X.509 certificate")
	}
	if !issuer.BasicConstraintsValid || !issuer.IsCA || issuer.KeyUsage != 0 && issuer.KeyUsage&x509.KeyUsageCertSign == 0 {
		return nil, kmip.Fail(kmip.KindInvalidField, "the issuer's certificate is not that of an authority")
	}
	own, ok := issuer.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if r.IssuerKey == nil || !ok || !own.Equal(r.IssuerKey.Public()) {
		return nil, kmip.Fail(kmip.KindInvalidField, "the issuer's key is not that of its certificate")
	}
	return issuer, nil
}

func (r *IssueRequest) template(public any, spki []byte) (*x509.Certificate, error) {
	if !r.NotAfter.After(r.NotBefore) || r.NotBefore.Year() < 1950 || r.NotAfter.Year() > 9999 {
		return nil, kmip.Fail(kmip.KindAttributeValue, "the certificate would end before it begins")
	}
	subject := r.SubjectDER
	if subject == nil {
		var err error
		if subject, err = parseName(r.SubjectText); err != nil {
			return nil, err
		}
	} else if err := unmarshal(subject, &[]asn1.RawValue{}); err != nil {
		return nil, kmip.FailFrom(err, kmip.KindInvalidField, "the subject is not a distinguished name in DER")
	}
	serial := make([]byte, 16)
	if _, err := rand.Read(serial); err != nil {
		return nil, errGenerate(err)
	}
	serial[0] |= 1 // never zero; the bits left are random
	id := sha256.Sum256(spki)
	t := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial),
		RawSubject:   subject,
		NotBefore:    r.NotBefore,
		NotAfter:     r.NotAfter,
		KeyUsage:     keyUsage(r.Usage, public),
		SubjectKeyId: id[:20], // RFC 7093 §2, but of the whole SubjectPublicKeyInfo (method 4)

		BasicConstraintsValid: true,
	}
	if len(r.Alternatives) > maxAlternatives {
		return nil, kmip.Fail(kmip.KindTooMany, "a certificate has at most %d alternative names", maxAlternatives)
	}
	for _, name := range r.Alternatives {
		if ip := net.ParseIP(name); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else if isDNSName(name) {
			t.DNSNames = append(t.DNSNames, name)
		} else {
			return nil, kmip.Fail(kmip.KindInvalidField, "an alternative name is neither a DNS name nor an IP address")
		}
	}
	return t, nil
}

func isDNSName(name string) bool {
	for _, r := range name {
		if r <= ' ' || r > '~' {
			return false
		}
	}
	return name != "" && len(name) <= 253
}

// usages are the bits of Key Usage (RFC 5280 §4.2.1.3) that the bits of
// Cryptographic Usage Mask stand for.
var usages = []struct {
	mask  kmip.CryptographicUsageMask
	usage x509.KeyUsage
}{
	{kmip.CryptographicUsageMaskSign | kmip.CryptographicUsageMaskVerify | kmip.CryptographicUsageMaskAuthenticate, x509.KeyUsageDigitalSignature},
	{kmip.CryptographicUsageMaskContentCommitmentNonRepudiation, x509.KeyUsageContentCommitment},
	{kmip.CryptographicUsageMaskEncrypt | kmip.CryptographicUsageMaskDecrypt, x509.KeyUsageDataEncipherment},
	{kmip.CryptographicUsageMaskWrapKey | kmip.CryptographicUsageMaskUnwrapKey, x509.KeyUsageKeyEncipherment},
	{kmip.CryptographicUsageMaskKeyAgreement | kmip.CryptographicUsageMaskDeriveKey, x509.KeyUsageKeyAgreement},
}

// keyUsage is what mask and algorithm allow.
func keyUsage(mask kmip.CryptographicUsageMask, public any) x509.KeyUsage {
	const signs = x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment
	var usage, able x509.KeyUsage
	for _, u := range usages {
		if mask&(u.mask|kmip.CryptographicUsageMaskUnrestricted) != 0 {
			usage |= u.usage
		}
	}
	switch AlgorithmOf(public) {
	case kmip.CryptographicAlgorithmRSA:
		able = signs | x509.KeyUsageDataEncipherment | x509.KeyUsageKeyEncipherment
	case kmip.CryptographicAlgorithmECDSA:
		able = signs | x509.KeyUsageKeyAgreement
	case kmip.CryptographicAlgorithmECDH, kmip.CryptographicAlgorithmDH:
		able = x509.KeyUsageKeyAgreement
	case kmip.CryptographicAlgorithmMLKEM512, kmip.CryptographicAlgorithmMLKEM768, kmip.CryptographicAlgorithmMLKEM1024:
		able = x509.KeyUsageKeyEncipherment
	default:
		able = signs
	}
	return usage & able
}

// replaceKey puts another SubjectPublicKeyInfo into a certificate and signs it
// again: the issuer's algorithm is that of the certificate.
func replaceKey(der, spki []byte, issuer *x509.Certificate, key crypto.Signer) ([]byte, error) {
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	certificate, _, err := withKey(der, spki)
	if err != nil {
		return nil, err
	}
	tbs := certificate.TBS.FullBytes
	var hash crypto.Hash
	switch parsed.SignatureAlgorithm {
	case x509.SHA256WithRSA, x509.ECDSAWithSHA256:
		hash = crypto.SHA256
	case x509.ECDSAWithSHA384:
		hash = crypto.SHA384
	case x509.ECDSAWithSHA512:
		hash = crypto.SHA512
	case x509.PureEd25519:
	default:
		return nil, x509.ErrUnsupportedAlgorithm
	}
	signed := tbs
	if hash != 0 {
		h := hash.New()
		_, _ = h.Write(tbs) // never fails
		signed = h.Sum(nil)
	}
	signature, err := key.Sign(rand.Reader, signed, hash)
	if err != nil {
		return nil, err
	}
	if err := issuer.CheckSignature(parsed.SignatureAlgorithm, tbs, signature); err != nil {
		return nil, err
	}
	certificate.Signature = asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}
	return asn1.Marshal(certificate)
}
