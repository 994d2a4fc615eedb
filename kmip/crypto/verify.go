package crypto

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"

	"github.com/claviger/claviger/kmip"
)

// VerifySignature tells whether a signature is that of the data under a public
// key, a certificate's or a private key's other half. PSS takes any salt length
// unless one is given. An error means that the question could not be answered.
func VerifySignature(r SignatureRequest, signature []byte) (bool, error) {
	key, err := verificationKey(&r)
	if err != nil {
		return false, err
	}
	return verifyWith(key, &r, signature)
}

// verifyWith verifies with a parsed public key; that of the request is not read.
func verifyWith(key crypto.PublicKey, r *SignatureRequest, signature []byte) (bool, error) {
	switch k := key.(type) {
	case *rsa.PublicKey, *ecdsa.PublicKey, digestVerifier:
		return verifyDigested(k, r, signature)
	case ed25519.PublicKey:
		if err := r.wholeData(); err != nil {
			return false, err
		}
		return ed25519.Verify(k, r.Data, signature), nil
	case messageVerifier:
		if err := r.wholeData(); err != nil {
			return false, err
		}
		return k.verifyMessage(r.Data, signature), nil
	}
	return false, kmip.Fail(kmip.KindParametersUnsupported, "keys of this algorithm cannot verify here")
}

// verifyDigested verifies with a key that takes what was hashed.
func verifyDigested(key any, r *SignatureRequest, signature []byte) (bool, error) {
	s, err := schemeOf(&r.Parameters, key)
	if err != nil {
		return false, err
	}
	sum, err := r.digest(s.hash)
	if err != nil {
		return false, err
	}
	switch k := key.(type) {
	case *rsa.PublicKey:
		switch s.padding {
		case kmip.PaddingMethodPKCS1V15:
			return rsa.VerifyPKCS1v15(k, s.hash, sum, signature) == nil, nil
		case kmip.PaddingMethodPSS:
			opts, err := pssOptions(s, &r.Parameters)
			if err != nil {
				return false, err
			}
			return rsa.VerifyPSS(k, s.hash, sum, signature, opts) == nil, nil
		}
		return false, errRSAPadding(s.padding)
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(k, sum, signature), nil
	default:
		return key.(digestVerifier).verifyDigest(sum, signature), nil
	}
}

func verificationKey(r *SignatureRequest) (crypto.PublicKey, error) {
	public, err := ParsePublic(r.Format, r.Algorithm, r.Key.Reveal(), r.Transparent)
	if err == nil {
		return public, nil
	}
	private, perr := ParsePrivate(r.Format, r.Algorithm, r.Key.Reveal(), r.Transparent)
	if perr != nil {
		return nil, err
	}
	half, ok := private.(interface{ Public() crypto.PublicKey })
	if !ok {
		return nil, err
	}
	return half.Public(), nil
}
