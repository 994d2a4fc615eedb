package crypto

import (
	"crypto/rsa"

	"github.com/claviger/claviger/kmip"
)

// encryptRSA encrypts with a public key, or with the public half of a private
// one: OAEP, or PKCS #1 v1.5 (RFC 8017 §7).
func encryptRSA(r *CipherRequest) (CipherResult, error) {
	key, err := rsaPublicKey(r)
	if err != nil {
		return CipherResult{}, err
	}
	var data []byte
	switch r.Parameters.PaddingMethod {
	case kmip.PaddingMethodOAEP:
		opts, optsErr := oaepOptions(&r.Parameters)
		if optsErr != nil {
			return CipherResult{}, optsErr
		}
		data, err = rsa.EncryptOAEPWithOptions(r.rand(), key, r.Data, opts)
	case kmip.PaddingMethodPKCS1V15:
		//lint:ignore SA1019 the protocol has it; decryption is the dangerous half
		data, err = rsa.EncryptPKCS1v15(r.rand(), key, r.Data) //nolint:staticcheck // the protocol has it; decryption is the dangerous half
	default:
		return CipherResult{}, errRSAPadding(r.Parameters.PaddingMethod)
	}
	if err != nil {
		return CipherResult{}, kmip.FailFrom(err, kmip.KindCryptographicFailure, "the data cannot be encrypted with this key")
	}
	return CipherResult{Data: data}, nil
}

// decryptRSA decrypts with a private key. PKCS #1 v1.5 is not there: whoever
// may ask whether its padding is right can decrypt without the key.
func decryptRSA(r *CipherRequest) (CipherResult, error) {
	if r.Parameters.PaddingMethod != kmip.PaddingMethodOAEP {
		return CipherResult{}, errRSAPadding(r.Parameters.PaddingMethod)
	}
	opts, err := oaepOptions(&r.Parameters)
	if err != nil {
		return CipherResult{}, err
	}
	parsed, err := ParsePrivate(r.Format, r.Algorithm, r.Key.Reveal(), r.Transparent)
	if err != nil {
		return CipherResult{}, err
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return CipherResult{}, kmip.Fail(kmip.KindInvalidField, "the key is not an RSA key")
	}
	data, err := key.Decrypt(r.rand(), r.Data, opts)
	if err != nil {
		return CipherResult{}, errDecrypt()
	}
	return CipherResult{Data: data}, nil
}

// rsaPublicKey parses the key of an encryption, which may be either half. In
// PKCS#1 only trying tells which.
func rsaPublicKey(r *CipherRequest) (*rsa.PublicKey, error) {
	if public, err := ParsePublic(r.Format, r.Algorithm, r.Key.Reveal(), r.Transparent); err == nil {
		if key, ok := public.(*rsa.PublicKey); ok {
			return key, nil
		}
	}
	private, err := ParsePrivate(r.Format, r.Algorithm, r.Key.Reveal(), r.Transparent)
	if err != nil {
		return nil, err
	}
	key, ok := private.(*rsa.PrivateKey)
	if !ok {
		return nil, kmip.Fail(kmip.KindInvalidField, "the key is not an RSA key")
	}
	return &key.PublicKey, nil
}

// oaepOptions reads the parameters of OAEP.
//
// KMIP 2.1 §4.16. SHA-1 when no Hashing Algorithm is given. The text defaults
// Mask Generator Hashing Algorithm to SHA-1 too; here it defaults to Hashing
// Algorithm, as RFC 8017 implementations do and clients that leave it out
// expect.
func oaepOptions(p *kmip.CryptographicParameters) (*rsa.OAEPOptions, error) {
	if p.MaskGenerator != 0 && p.MaskGenerator != kmip.MaskGeneratorMGF1 {
		return nil, kmip.Fail(kmip.KindParametersUnsupported, "Mask Generator %v is not supported", p.MaskGenerator)
	}
	name := p.HashingAlgorithm
	if name == 0 {
		name = kmip.HashingAlgorithmSHA1
	}
	hash, err := hashOf(name)
	if err != nil {
		return nil, err
	}
	opts := &rsa.OAEPOptions{Hash: hash, MGFHash: hash, Label: p.PSource}
	if p.MaskGeneratorHashingAlgorithm != 0 {
		if opts.MGFHash, err = hashOf(p.MaskGeneratorHashingAlgorithm); err != nil {
			return nil, err
		}
	}
	return opts, nil
}

func errRSAPadding(m kmip.PaddingMethod) error {
	if m == 0 {
		return kmip.Fail(kmip.KindParametersMissing, "a Padding Method is needed with RSA")
	}
	return kmip.Fail(kmip.KindParametersUnsupported, "Padding Method %v is not supported here with RSA", m)
}
