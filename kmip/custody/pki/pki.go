// Package pki makes the certificates of an installation: its own authority,
// and certificates for servers, clients and administrators. It is pure: keys
// and certificates come in and go out as values, and nothing is stored.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"

	"software.sslmate.com/src/go-pkcs12"
)

// Lifetimes of certificates.
const (
	AuthorityLifetime = 10 * 365 * 24 * time.Hour
	LeafLifetime      = 397 * 24 * time.Hour
)

// backdate tolerates clocks of clients that run behind.
const backdate = 5 * time.Minute

// Authority is a certification authority with its key.
type Authority struct {
	Certificate *x509.Certificate
	key         crypto.Signer
}

// Issued is a certificate with its private key.
type Issued struct {
	Certificate *x509.Certificate
	Key         *ecdsa.PrivateKey
}

// Fingerprint is the SHA-256 of a certificate in DER form.
func Fingerprint(c *x509.Certificate) []byte {
	sum := sha256.Sum256(c.Raw)
	return sum[:]
}

// NewAuthority makes an authority with a new key.
func NewAuthority(name string, now time.Time) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := serialNumber()
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name, Organization: []string{"Claviger"}},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(AuthorityLifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &Authority{Certificate: cert, key: key}, nil
}

// LoadAuthority reads an authority from its certificate in DER form and its
// key as unencrypted PKCS#8.
func LoadAuthority(certDER, keyPKCS8 []byte) (*Authority, error) {
	cert, err := x509.ParseCertificate(certDER)
	if err != nil {
		return nil, fmt.Errorf("certificate of the authority: %w", err)
	}
	key, err := x509.ParsePKCS8PrivateKey(keyPKCS8)
	if err != nil {
		return nil, fmt.Errorf("key of the authority: %w", err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("key of the authority: a %T cannot sign", key)
	}
	return &Authority{Certificate: cert, key: signer}, nil
}

// Signer is the key of the authority.
func (a *Authority) Signer() crypto.Signer { return a.key }

// KeyPKCS8 returns the key of the authority; it is secret.
func (a *Authority) KeyPKCS8() ([]byte, error) { return x509.MarshalPKCS8PrivateKey(a.key) }

// IssueClient makes a certificate for TLS client authentication.
func (a *Authority) IssueClient(name string, unit []string, now time.Time) (*Issued, error) {
	return a.issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: name, OrganizationalUnit: unit},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, now)
}

// IssueClientUntil is IssueClient with an end that comes earlier.
func (a *Authority) IssueClientUntil(name string, unit []string, now, until time.Time) (*Issued, error) {
	return a.issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: name, OrganizationalUnit: unit},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		NotAfter:    until,
	}, now)
}

// IssueClientFor makes a certificate for TLS client authentication of a key that
// the client has.
func (a *Authority) IssueClientFor(key crypto.PublicKey, name string, unit []string, now time.Time) (*x509.Certificate, error) {
	return a.sign(&x509.Certificate{
		Subject:     pkix.Name{CommonName: name, OrganizationalUnit: unit},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, key, now)
}

// IssueServer makes a certificate for a server with the given host names and
// addresses; localhost and the loopback addresses are always among them.
func (a *Authority) IssueServer(names []string, now time.Time) (*Issued, error) {
	return a.issue(serverTemplate(names), now)
}

// IssueServerFor is IssueServer for an RSA key, which may also transport keys: for
// peers that know nothing else.
func (a *Authority) IssueServerFor(key *rsa.PublicKey, names []string, now time.Time) (*x509.Certificate, error) {
	t := serverTemplate(names)
	t.KeyUsage = x509.KeyUsageKeyEncipherment
	return a.sign(t, key, now)
}

func serverTemplate(names []string) *x509.Certificate {
	t := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "claviger"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	for i, n := range names {
		if i == 0 {
			t.Subject.CommonName = n
		}
		if ip := net.ParseIP(n); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else if n != "localhost" {
			t.DNSNames = append(t.DNSNames, n)
		}
	}
	return t
}

func (a *Authority) issue(t *x509.Certificate, now time.Time) (*Issued, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	cert, err := a.sign(t, key.Public(), now)
	if err != nil {
		return nil, err
	}
	return &Issued{Certificate: cert, Key: key}, nil
}

func (a *Authority) sign(t *x509.Certificate, key crypto.PublicKey, now time.Time) (*x509.Certificate, error) {
	var err error
	if t.SerialNumber, err = serialNumber(); err != nil {
		return nil, err
	}
	t.NotBefore = now.Add(-backdate)
	if t.NotAfter.IsZero() {
		t.NotAfter = now.Add(LeafLifetime)
	}
	if t.NotAfter.After(a.Certificate.NotAfter) {
		t.NotAfter = a.Certificate.NotAfter
	}
	t.KeyUsage |= x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, t, a.Certificate, key, a.key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func serialNumber() (*big.Int, error) {
	return rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
}

// CertificatePEM writes a certificate.
func CertificatePEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

// KeyPEM writes the key as unencrypted PKCS#8; it is secret.
func (i *Issued) KeyPEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(i.Key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// PKCS12 writes certificate, key and authority under a password.
func (i *Issued) PKCS12(authority *x509.Certificate, password string) ([]byte, error) {
	return pkcs12.Modern.Encode(i.Key, i.Certificate, []*x509.Certificate{authority}, password)
}
