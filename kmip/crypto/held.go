package crypto

import (
	"crypto"
	"crypto/rsa"

	"github.com/claviger/claviger/kmip"
)

// A key may be held where it cannot be had, in a token: then this package says
// what is to be done with it, by the same rules as for keys that it is given, and
// somebody else has it done.

// HeldCipher is an encryption or decryption by a key that is held elsewhere.
type HeldCipher struct {
	Mode    kmip.BlockCipherMode // 0 for RSA
	Padding kmip.PaddingMethod
	Hash    crypto.Hash // OAEP, also for the mask
	IV      []byte
	// Made tells that the IV was made here, for the answer.
	Made     bool
	TagBytes int // GCM
}

const aesBlockBytes = 16

// PlanCipher reads the parameters of an encryption or decryption for a held key.
// Returns KindParametersUnsupported for what no token is asked for: AES takes
// GCM, CBC, CTR with the whole block as counter, and ECB; RSA takes OAEP and
// PKCS #1 v1.5.
func PlanCipher(r CipherRequest, encrypt bool) (HeldCipher, error) {
	p := &r.Parameters
	if r.Algorithm == kmip.CryptographicAlgorithmRSA {
		return planRSA(p)
	}
	if r.Algorithm != kmip.CryptographicAlgorithmAES {
		return HeldCipher{}, kmip.Fail(kmip.KindParametersUnsupported, "a token does not encrypt with %v here", r.Algorithm)
	}
	h := HeldCipher{Mode: p.BlockCipherMode, Padding: p.PaddingMethod, IV: r.IV}
	size := aesBlockBytes
	switch p.BlockCipherMode {
	case 0:
		return h, kmip.Fail(kmip.KindParametersMissing, "a Block Cipher Mode is needed")
	case kmip.BlockCipherModeGCM:
		size = gcmIVBytes
		n, err := tagOf(&r, encrypt)
		if err != nil {
			return h, err
		}
		if n != fullTagBytes {
			return h, kmip.Fail(kmip.KindParametersUnsupported, "a key in a token makes full tags only")
		}
		h.TagBytes = n
	case kmip.BlockCipherModeCBC:
		if p.PaddingMethod != 0 && p.PaddingMethod != kmip.PaddingMethodNone && p.PaddingMethod != kmip.PaddingMethodPKCS5 {
			return h, kmip.Fail(kmip.KindParametersUnsupported, "Padding Method %v is not supported by a key in a token", p.PaddingMethod)
		}
	case kmip.BlockCipherModeECB:
		size = 0
		if err := checkNoPadding(&r); err != nil {
			return h, err
		}
	case kmip.BlockCipherModeCTR:
		if p.CounterLength != nil || p.InitialCounterValue != nil {
			return h, kmip.Fail(kmip.KindParametersUnsupported, "a key in a token takes the whole block as counter")
		}
	default:
		return h, errUnsupported(p.BlockCipherMode, r.Algorithm)
	}
	if h.Padding != kmip.PaddingMethodPKCS5 && len(r.Data)%aesBlockBytes != 0 &&
		(p.BlockCipherMode == kmip.BlockCipherModeCBC || p.BlockCipherMode == kmip.BlockCipherModeECB) {
		return h, kmip.Fail(kmip.KindInvalidField, "without padding the data are whole blocks")
	}
	if size == 0 {
		h.IV = nil
		return h, nil
	}
	switch {
	case len(h.IV) == size:
		return h, nil
	case len(h.IV) > 0:
		return h, errIVLength()
	case !encrypt:
		return h, errMissingIV()
	}
	iv, err := randomIV(&r, size, size, size)
	h.IV, h.Made = iv, true
	return h, err
}

func planRSA(p *kmip.CryptographicParameters) (HeldCipher, error) {
	h := HeldCipher{Padding: p.PaddingMethod}
	switch p.PaddingMethod {
	case kmip.PaddingMethodOAEP:
		opts, err := oaepOptions(p)
		if err != nil {
			return h, err
		}
		if opts.MGFHash != opts.Hash || len(opts.Label) > 0 {
			return h, kmip.Fail(kmip.KindParametersUnsupported, "OAEP with a label or another hash for the mask is not supported by a key in a token")
		}
		h.Hash = opts.Hash
		return h, nil
	case kmip.PaddingMethodPKCS1V15:
		return h, nil
	}
	return h, errRSAPadding(p.PaddingMethod)
}

// HeldSignature is a signature by a key that is held elsewhere.
type HeldSignature struct {
	Padding   kmip.PaddingMethod // RSA
	Hash      crypto.Hash
	Digest    []byte
	SaltBytes int // PSS
}

// PlanSignature reads the parameters of a signature for a held key with the given
// public half.
func PlanSignature(r SignatureRequest, public crypto.PublicKey) (HeldSignature, error) {
	s, err := schemeOf(&r.Parameters, public)
	if err != nil {
		return HeldSignature{}, err
	}
	h := HeldSignature{Padding: s.padding, Hash: s.hash}
	if h.Digest, err = r.digest(s.hash); err != nil {
		return h, err
	}
	key, isRSA := public.(*rsa.PublicKey)
	switch {
	case !isRSA, s.padding == kmip.PaddingMethodPKCS1V15:
		return h, nil
	case s.padding != kmip.PaddingMethodPSS:
		return h, errRSAPadding(s.padding)
	}
	opts, err := pssOptions(s, &r.Parameters)
	if err != nil {
		return h, err
	}
	if h.SaltBytes = opts.SaltLength; h.SaltBytes <= 0 { // all the room that there is
		h.SaltBytes = (key.N.BitLen()-1+7)/8 - 2 - s.hash.Size()
	}
	return h, nil
}

// PlanMAC reads the parameters of a MAC for a held key: HMAC with a hash, or CMAC
// when that is 0.
func PlanMAC(r CipherRequest) (crypto.Hash, error) {
	switch r.Parameters.BlockCipherMode {
	case 0:
	case kmip.BlockCipherModeCMAC:
		return 0, nil
	default:
		return 0, kmip.Fail(kmip.KindParametersUnsupported, "a MAC by %v is not supported by a key in a token", r.Parameters.BlockCipherMode)
	}
	name := macHash(&r.Parameters, r.Algorithm)
	if name == 0 {
		return 0, kmip.Fail(kmip.KindParametersMissing, "a MAC needs an HMAC algorithm, a Hashing Algorithm or a Block Cipher Mode")
	}
	return hashOf(name)
}

// MACHash is the hash of an HMAC algorithm; 0 if it is none.
func MACHash(a kmip.CryptographicAlgorithm) kmip.HashingAlgorithm { return macHashes[a] }
