package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"software.sslmate.com/src/go-pkcs12"
)

// Bounds of RSA keys of clients: below the first they are weak, above the second
// their signatures take long to check.
const (
	minRSABits = 2048
	maxRSABits = 8192
)

// maxRequestBytes bounds a certificate request.
const maxRequestBytes = 64 << 10

// Request reads a certificate request (PKCS#10, PEM or DER) and returns the key
// that it is for. Its signature must be by that key, which must be one that
// CheckKey takes. What the request says of names is not looked at: who it is for
// is known otherwise.
func Request(b []byte) (crypto.PublicKey, error) {
	if len(b) > maxRequestBytes {
		return nil, fmt.Errorf("the certificate request is larger than %d bytes", maxRequestBytes)
	}
	if block, _ := pem.Decode(b); block != nil {
		if block.Type != "CERTIFICATE REQUEST" && block.Type != "NEW CERTIFICATE REQUEST" {
			return nil, fmt.Errorf("a PEM block %q is no certificate request", block.Type)
		}
		b = block.Bytes
	}
	r, err := x509.ParseCertificateRequest(b)
	if err != nil {
		return nil, errors.New("the certificate request is not PKCS#10 in PEM or DER form")
	}
	if err := CheckKey(r.PublicKey); err != nil { // before its signature: a huge key costs much
		return nil, err
	}
	if err := r.CheckSignature(); err != nil {
		return nil, errors.New("the certificate request is not signed by its own key, or by an algorithm that is weak")
	}
	return r.PublicKey, nil
}

// CheckKey refuses keys that clients may not have: RSA below 2048 bits, and curves
// other than P-256, P-384, P-521 and Ed25519.
func CheckKey(key crypto.PublicKey) error {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if n := k.N.BitLen(); n < minRSABits || n > maxRSABits {
			return fmt.Errorf("an RSA key has %d to %d bits, not %d", minRSABits, maxRSABits, n)
		}
		if k.E < 65537 {
			return errors.New("the public exponent of the RSA key is below 65537")
		}
		return nil
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() && k.Curve != elliptic.P384() && k.Curve != elliptic.P521() {
			return errors.New("an ECDSA key is on P-256, P-384 or P-521")
		}
		return nil
	case ed25519.PublicKey:
		return nil
	}
	return errors.New("the key is none of RSA, ECDSA and Ed25519")
}

// PKCS12 writes a certificate with its key and its authority under a password.
func PKCS12(key crypto.PrivateKey, certificate, authority *x509.Certificate, password string) ([]byte, error) {
	return pkcs12.Modern.Encode(key, certificate, []*x509.Certificate{authority}, password)
}

// TrustStore writes an authority as a trust store that Java takes, under a password.
func TrustStore(authority *x509.Certificate, password string) ([]byte, error) {
	return pkcs12.Modern.EncodeTrustStore([]*x509.Certificate{authority}, password)
}
