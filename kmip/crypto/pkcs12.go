package crypto

import (
	"crypto"
	"crypto/x509"
	"errors"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
)

// PKCS12 is what a PKCS#12 container holds.
type PKCS12 struct {
	Private      KeyMaterial // PKCS#8; the caller's to destroy
	Algorithm    kmip.CryptographicAlgorithm
	Chain        [][]byte // certificates in DER, that of the key first
	FriendlyName string   // of the key; empty if it has none
}

const (
	// maxPKCS12Bytes bounds what is read: a key and a chain.
	maxPKCS12Bytes = 512 << 10
	// pkcs12Iterations are those of the derivations that protect what is made:
	// about 0.1 s together.
	pkcs12Iterations = 100_000
)

// EncodePKCS12 puts a private key and its certificate chain, that of the key
// first, into a PKCS#12 container (RFC 7292) under a password: PBES2 with
// AES-256, PBKDF2 and HMAC-SHA-256. The name stands at the key, where OpenSSL
// and Java look for it.
//
// KMIP 2.1 §6.1.19 (Get), §4.39 (PKCS#12 Friendly Name).
//
// Returns KindInvalidField without a password or a certificate, if the
// certificate is not that of the key, or if key or certificates do not parse,
// and KindKeyFormat for keys that crypto/x509 cannot write as PKCS#8. The
// result is the caller's to destroy.
func EncodePKCS12(private KeyInput, chain [][]byte, password string, friendlyName string) (*secret.Bytes, error) {
	if password == "" || len(password) > maxPasswordBytes {
		return nil, kmip.Fail(kmip.KindInvalidField, "PKCS#12 needs a password of 1 to %d bytes", maxPasswordBytes)
	}
	if len(friendlyName) > maxNameBytes {
		return nil, kmip.Fail(kmip.KindInvalidField, "PKCS#12 Friendly Name is too long")
	}
	key, err := private.private()
	if err != nil {
		return nil, err
	}
	m, err := ConvertPrivate(key, kmip.KeyFormatTypePKCS8)
	if err != nil {
		return nil, err
	}
	defer m.Bytes.Destroy()
	if key, err = x509.ParsePKCS8PrivateKey(m.Bytes.Reveal()); err != nil {
		return nil, errFormat(kmip.KeyFormatTypePKCS12)
	}
	certs, err := parseChain(chain)
	if err != nil {
		return nil, err
	}
	if !isPair(key, certs[0].PublicKey) {
		return nil, kmip.Fail(kmip.KindInvalidField, "the first certificate is not that of the private key")
	}
	der, err := pkcs12.Modern2023.WithIterations(pkcs12Iterations).Encode(key, certs[0], certs[1:], password)
	if err == nil {
		der, err = withFriendlyName(der, friendlyName, password)
	}
	if err != nil {
		return nil, kmip.FailFrom(err, kmip.KindCryptographicFailure, "the PKCS#12 cannot be made")
	}
	return secret.New(der), nil
}

// maxPasswordBytes bounds a password of a container.
const maxPasswordBytes = 1024

// DecodePKCS12 reads a PKCS#12 container of one private key and at least one
// certificate, in DER. Key and certificates may be encrypted with AES by PBES2,
// as today, or with 3DES or RC2, as before; there must be a MAC, and the key
// must stand outside of the encrypted certificates, as all that is known write
// it.
//
// KMIP 2.1 §4.39: Key Format Type PKCS#12 in Register.
//
// Returns KindInvalidField if the password is wrong, and says so; or if it is
// no such container; KindKeyFormat if the key is of a type that is not read.
func DecodePKCS12(der []byte, password string) (p PKCS12, err error) {
	defer func() {
		if recover() != nil { // the library reads what a client sent
			p, err = PKCS12{}, errPKCS12(nil)
		}
	}()
	if len(der) > maxPKCS12Bytes || len(password) > maxPasswordBytes {
		return PKCS12{}, errPKCS12(nil)
	}
	name, err := inspectPKCS12(der, password)
	if err != nil {
		return PKCS12{}, errPKCS12(err)
	}
	key, leaf, authorities, err := pkcs12.DecodeChain(der, password)
	if err != nil {
		return PKCS12{}, errPKCS12(err)
	}
	m, err := ConvertPrivate(key, kmip.KeyFormatTypePKCS8)
	if err != nil {
		return PKCS12{}, err
	}
	p = PKCS12{Private: m, Algorithm: AlgorithmOf(key), FriendlyName: name}
	certs := append([]*x509.Certificate{leaf}, authorities...)
	for i, c := range certs {
		if isPair(key, c.PublicKey) {
			certs[0], certs[i] = certs[i], certs[0]
			break
		}
	}
	for _, c := range certs {
		p.Chain = append(p.Chain, c.Raw)
	}
	return p, nil
}

// isPair reports whether a public key is the other half of a private key.
func isPair(private any, public crypto.PublicKey) bool {
	half, ok := private.(interface{ Public() crypto.PublicKey })
	if !ok {
		return false
	}
	own, ok := half.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && own.Equal(public)
}

// errPKCS12 is the answer to a container that cannot be read.
func errPKCS12(cause error) error {
	if errors.Is(cause, pkcs12.ErrIncorrectPassword) || errors.Is(cause, pkcs12.ErrDecryption) {
		return kmip.FailFrom(cause, kmip.KindInvalidField, "the password of the PKCS#12 is wrong")
	}
	var f *kmip.Failure
	if errors.As(cause, &f) {
		return f
	}
	return kmip.FailFrom(cause, kmip.KindInvalidField, "the Key Material is not a PKCS#12 that can be read")
}
