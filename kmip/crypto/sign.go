package crypto

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
)

// SignatureRequest is a signature to make or to verify (KMIP 2.1 §6.1.55,
// §6.1.56). Digested takes the place of Data when the client has hashed it.
type SignatureRequest struct {
	Algorithm   kmip.CryptographicAlgorithm // of the key
	Key         *secret.Bytes               // Key Material
	Format      kmip.KeyFormatType
	Transparent *kmip.Item
	Parameters  kmip.CryptographicParameters
	Data        []byte
	Digested    []byte
}

// scheme is how a signature is made: the hash, and for RSA the padding.
type scheme struct {
	hash    crypto.Hash
	padding kmip.PaddingMethod
}

// schemes are what the Digital Signature Algorithms stand for (KMIP 2.1 §11.16).
var schemes = map[kmip.DigitalSignatureAlgorithm]struct {
	algorithm kmip.CryptographicAlgorithm
	hash      kmip.HashingAlgorithm
	padding   kmip.PaddingMethod
}{
	kmip.DigitalSignatureAlgorithmMD5WithRSAEncryption:     {kmip.CryptographicAlgorithmRSA, kmip.HashingAlgorithmMD5, kmip.PaddingMethodPKCS1V15},
	kmip.DigitalSignatureAlgorithmSHA1WithRSAEncryption:    {kmip.CryptographicAlgorithmRSA, kmip.HashingAlgorithmSHA1, kmip.PaddingMethodPKCS1V15},
	kmip.DigitalSignatureAlgorithmSHA224WithRSAEncryption:  {kmip.CryptographicAlgorithmRSA, kmip.HashingAlgorithmSHA224, kmip.PaddingMethodPKCS1V15},
	kmip.DigitalSignatureAlgorithmSHA256WithRSAEncryption:  {kmip.CryptographicAlgorithmRSA, kmip.HashingAlgorithmSHA256, kmip.PaddingMethodPKCS1V15},
	kmip.DigitalSignatureAlgorithmSHA384WithRSAEncryption:  {kmip.CryptographicAlgorithmRSA, kmip.HashingAlgorithmSHA384, kmip.PaddingMethodPKCS1V15},
	kmip.DigitalSignatureAlgorithmSHA512WithRSAEncryption:  {kmip.CryptographicAlgorithmRSA, kmip.HashingAlgorithmSHA512, kmip.PaddingMethodPKCS1V15},
	kmip.DigitalSignatureAlgorithmSHA3256WithRSAEncryption: {kmip.CryptographicAlgorithmRSA, kmip.HashingAlgorithmSHA3256, kmip.PaddingMethodPKCS1V15},
	kmip.DigitalSignatureAlgorithmSHA3384WithRSAEncryption: {kmip.CryptographicAlgorithmRSA, kmip.HashingAlgorithmSHA3384, kmip.PaddingMethodPKCS1V15},
	kmip.DigitalSignatureAlgorithmSHA3512WithRSAEncryption: {kmip.CryptographicAlgorithmRSA, kmip.HashingAlgorithmSHA3512, kmip.PaddingMethodPKCS1V15},
	kmip.DigitalSignatureAlgorithmRSASSAPSS:                {kmip.CryptographicAlgorithmRSA, 0, kmip.PaddingMethodPSS},
	kmip.DigitalSignatureAlgorithmDSAWithSHA1:              {kmip.CryptographicAlgorithmDSA, kmip.HashingAlgorithmSHA1, 0},
	kmip.DigitalSignatureAlgorithmDSAWithSHA224:            {kmip.CryptographicAlgorithmDSA, kmip.HashingAlgorithmSHA224, 0},
	kmip.DigitalSignatureAlgorithmDSAWithSHA256:            {kmip.CryptographicAlgorithmDSA, kmip.HashingAlgorithmSHA256, 0},
	kmip.DigitalSignatureAlgorithmECDSAWithSHA1:            {kmip.CryptographicAlgorithmECDSA, kmip.HashingAlgorithmSHA1, 0},
	kmip.DigitalSignatureAlgorithmECDSAWithSHA224:          {kmip.CryptographicAlgorithmECDSA, kmip.HashingAlgorithmSHA224, 0},
	kmip.DigitalSignatureAlgorithmECDSAWithSHA256:          {kmip.CryptographicAlgorithmECDSA, kmip.HashingAlgorithmSHA256, 0},
	kmip.DigitalSignatureAlgorithmECDSAWithSHA384:          {kmip.CryptographicAlgorithmECDSA, kmip.HashingAlgorithmSHA384, 0},
	kmip.DigitalSignatureAlgorithmECDSAWithSHA512:          {kmip.CryptographicAlgorithmECDSA, kmip.HashingAlgorithmSHA512, 0},
}

// schemeOf reads the parameters for a key: Digital Signature Algorithm says
// all, or else Hashing Algorithm and Padding Method do.
func schemeOf(p *kmip.CryptographicParameters, key any) (scheme, error) {
	name, padding := p.HashingAlgorithm, p.PaddingMethod
	if a := p.DigitalSignatureAlgorithm; a != 0 {
		s, ok := schemes[a]
		if !ok {
			return scheme{}, kmip.Fail(kmip.KindParametersUnsupported, "Digital Signature Algorithm %v is not supported", a)
		}
		if s.algorithm != AlgorithmOf(key) {
			return scheme{}, kmip.Fail(kmip.KindParametersUnsupported, "Digital Signature Algorithm %v is not for keys of this algorithm", a)
		}
		if name == 0 || s.hash != 0 {
			name = s.hash
		}
		if padding == 0 || s.padding != 0 {
			padding = s.padding
		}
	}
	if name == 0 {
		name = kmip.HashingAlgorithmSHA256
	}
	h, err := hashOf(name)
	return scheme{h, padding}, err
}

// digest returns what is signed.
func (r *SignatureRequest) digest(h crypto.Hash) ([]byte, error) {
	if r.Digested != nil {
		if len(r.Digested) != h.Size() {
			return nil, kmip.Fail(kmip.KindInvalidField, "Digested Data has %d bytes, %v makes %d", len(r.Digested), h, h.Size())
		}
		return r.Digested, nil
	}
	d := h.New()
	_, _ = d.Write(r.Data) // never fails
	return d.Sum(nil), nil
}

// Keys of algorithms that are not of the standard library sign and verify what
// was hashed, as DSA does, or the data itself.
type (
	digestSigner interface {
		signDigest(sum []byte) ([]byte, error)
	}
	digestVerifier interface {
		verifyDigest(sum, signature []byte) bool
	}
	messageSigner interface {
		signMessage(data []byte) ([]byte, error)
	}
	messageVerifier interface {
		verifyMessage(data, signature []byte) bool
	}
)

// Sign makes a signature with a private key: RSA (PKCS #1 v1.5 and PSS), ECDSA
// and DSA (as ASN.1), Ed25519, Ed448, ML-DSA and SLH-DSA. A PSS salt has the
// given Salt Length, or all the room that there is. Ed25519 and what follows
// hash for themselves: they take no parameters and no Digested Data.
//
// Returns KindParametersMissing without a Padding Method for RSA,
// KindParametersUnsupported, KindInvalidField for a key that is none, and
// KindCryptographicFailure.
func Sign(r SignatureRequest) ([]byte, error) {
	key, err := ParsePrivate(r.Format, r.Algorithm, r.Key.Reveal(), r.Transparent)
	if err != nil {
		return nil, err
	}
	var signature []byte
	switch k := key.(type) {
	case *rsa.PrivateKey, *ecdsa.PrivateKey, digestSigner:
		signature, err = signDigested(k, &r)
	case ed25519.PrivateKey:
		if err = r.wholeData(); err == nil {
			signature = ed25519.Sign(k, r.Data)
		}
	case messageSigner:
		if err = r.wholeData(); err == nil {
			signature, err = k.signMessage(r.Data)
		}
	default:
		return nil, kmip.Fail(kmip.KindParametersUnsupported, "keys of this algorithm cannot sign here")
	}
	if err != nil && kmip.KindOf(err) == kmip.KindGeneral {
		return nil, kmip.FailFrom(err, kmip.KindCryptographicFailure, "the data cannot be signed with this key")
	}
	return signature, err
}

// signDigested signs with a key that takes what was hashed.
func signDigested(key any, r *SignatureRequest) ([]byte, error) {
	s, err := schemeOf(&r.Parameters, key)
	if err != nil {
		return nil, err
	}
	sum, err := r.digest(s.hash)
	if err != nil {
		return nil, err
	}
	switch k := key.(type) {
	case *rsa.PrivateKey:
		return signRSA(k, s, sum, &r.Parameters)
	case *ecdsa.PrivateKey:
		return ecdsa.SignASN1(rand.Reader, k, sum)
	default:
		return key.(digestSigner).signDigest(sum)
	}
}

// wholeData refuses Digested Data for algorithms that hash for themselves.
func (r *SignatureRequest) wholeData() error {
	if r.Digested != nil {
		return kmip.Fail(kmip.KindParametersUnsupported, "this algorithm signs the data, not Digested Data")
	}
	return nil
}

func signRSA(k *rsa.PrivateKey, s scheme, sum []byte, p *kmip.CryptographicParameters) ([]byte, error) {
	switch s.padding {
	case kmip.PaddingMethodPKCS1V15:
		return rsa.SignPKCS1v15(nil, k, s.hash, sum)
	case kmip.PaddingMethodPSS:
		opts, err := pssOptions(s, p)
		if err != nil {
			return nil, err
		}
		return rsa.SignPSS(rand.Reader, k, s.hash, sum, opts)
	}
	return nil, errRSAPadding(s.padding)
}

// pssOptions reads the parameters of PSS. The mask is made with the hash of the
// message; another one is not there.
func pssOptions(s scheme, p *kmip.CryptographicParameters) (*rsa.PSSOptions, error) {
	if p.MaskGenerator != 0 && p.MaskGenerator != kmip.MaskGeneratorMGF1 {
		return nil, kmip.Fail(kmip.KindParametersUnsupported, "Mask Generator %v is not supported", p.MaskGenerator)
	}
	if m := p.MaskGeneratorHashingAlgorithm; m != 0 {
		if h, err := hashOf(m); err != nil || h != s.hash {
			return nil, kmip.Fail(kmip.KindParametersUnsupported, "PSS with %v for the mask and %v for the data is not supported", m, s.hash)
		}
	}
	if p.TrailerField != nil && *p.TrailerField != 1 {
		return nil, kmip.Fail(kmip.KindParametersUnsupported, "Trailer Field %d is not supported", *p.TrailerField)
	}
	opts := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthAuto, Hash: s.hash}
	if p.SaltLength != nil {
		if *p.SaltLength < 0 {
			return nil, kmip.Fail(kmip.KindInvalidField, "Salt Length is negative")
		}
		if opts.SaltLength = int(*p.SaltLength); opts.SaltLength == 0 {
			return nil, kmip.Fail(kmip.KindParametersUnsupported, "PSS without a salt is not supported")
		}
	}
	return opts, nil
}
