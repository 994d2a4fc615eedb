package crypto

import (
	"crypto"
	"crypto/rsa"
	"math/big"

	"github.com/claviger/claviger/kmip"
)

// encryptRSA encrypts with a public key, or with the public half of a private
// one: OAEP, PKCS #1 v1.5 (RFC 8017 §7), or without padding, where the data is a
// number smaller than the modulus.
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
	case kmip.PaddingMethodNone:
		data, err = modExp(new(big.Int).SetBytes(r.Data), big.NewInt(int64(key.E)), key.N)
	default:
		return CipherResult{}, errRSAPadding(r.Parameters.PaddingMethod)
	}
	if err != nil {
		return CipherResult{}, kmip.FailFrom(err, kmip.KindCryptographicFailure, "the data cannot be encrypted with this key")
	}
	return CipherResult{Data: data}, nil
}

// decryptRSA decrypts with a private key what encryptRSA makes. Whatever is
// wrong with the data, the answer is one.
//
// PKCS #1 v1.5 tells by that answer whether its padding is right, and whoever
// may ask often enough can decrypt by it (Bleichenbacher). Here that is no more
// than what he is asked to be given: the answer to the right padding is the plain
// text, and who may ask is decided by the Cryptographic Usage Mask and the
// policy. But a key for this, or for no padding, should not sign as well: to
// decrypt without padding is to sign without padding. A suite may forbid both.
func decryptRSA(r *CipherRequest) (CipherResult, error) {
	padding := r.Parameters.PaddingMethod
	var opts crypto.DecrypterOpts
	switch padding {
	case kmip.PaddingMethodOAEP:
		oaep, err := oaepOptions(&r.Parameters)
		if err != nil {
			return CipherResult{}, err
		}
		opts = oaep
	case kmip.PaddingMethodPKCS1V15:
		//lint:ignore SA1019 the protocol has it; see above
		opts = &rsa.PKCS1v15DecryptOptions{} //nolint:staticcheck // the protocol has it; see above
	case kmip.PaddingMethodNone:
	default:
		return CipherResult{}, errRSAPadding(padding)
	}
	parsed, err := ParsePrivate(r.Format, r.Algorithm, r.Key.Reveal(), r.Transparent)
	if err != nil {
		return CipherResult{}, err
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return CipherResult{}, kmip.Fail(kmip.KindInvalidField, "the key is not an RSA key")
	}
	var data []byte
	if padding == kmip.PaddingMethodNone {
		data, err = modExp(new(big.Int).SetBytes(r.Data), key.D, key.N)
	} else {
		data, err = key.Decrypt(r.rand(), r.Data, opts)
	}
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
