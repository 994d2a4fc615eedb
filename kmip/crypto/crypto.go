// Package crypto computes with key material that was revealed for one use:
// encryption and decryption, wrapping, MACs, signatures, digests, derivation, key
// generation, the formats of keys, and what a certificate says. Pure functions,
// one algorithm or mode a file, no input or output; operations in several parts
// are streams, which hold what is between the parts. The algorithms themselves
// are those of the standard library, of golang.org/x/crypto and of the libraries
// that docs/adr/0002-asymmetric-libraries.md names. Modes of operation that these
// do not have, or not in parts, are written here over their block ciphers: PCBC,
// CCM, XTS, GCM in parts (docs/adr/0003-gcm-in-parts.md), CMAC, CBC-MAC, and the
// paddings.
//
// Whether a key may be used so (state, usage mask, policy) was decided before;
// which algorithms are fit is the business of policy/suite. Old algorithms are
// here because the protocol has them and keys of clients use them.
//
// Errors are kmip failures. None says anything about keys or data: all reasons
// why a ciphertext cannot be decrypted are one.
//
// Secrets: key material comes and goes as secret.Bytes. Parsed keys and plain
// texts are ordinary memory, to be dropped, or overwritten, by the caller.
package crypto

import (
	"crypto/rand"
	"io"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
)

// CipherRequest is an encryption or a decryption (KMIP 2.1 §6.1.17, §6.1.11).
type CipherRequest struct {
	Algorithm kmip.CryptographicAlgorithm // of the key
	Key       *secret.Bytes               // Key Material
	// Format is the Key Format Type of Key; 0 stands for Raw. Transparent is
	// the Key Material of the transparent formats, in place of Key.
	Format      kmip.KeyFormatType
	Transparent *kmip.Item
	// Parameters are those of the request, or else of the key.
	Parameters kmip.CryptographicParameters
	Data       []byte
	IV         []byte
	AAD        []byte    // Authenticated Encryption Additional Data
	Tag        []byte    // Authenticated Encryption Tag, of a decryption
	Rand       io.Reader // nil: crypto/rand
}

// CipherResult is what comes out.
type CipherResult struct {
	Data []byte
	IV   []byte // only when it was made here
	Tag  []byte // Authenticated Encryption Tag, of an encryption
}

func (r *CipherRequest) rand() io.Reader {
	if r.Rand == nil {
		return rand.Reader
	}
	return r.Rand
}

// Encrypt encrypts data.
//
// KMIP 2.1 §6.1.17 (Encrypt), §4.16 (Cryptographic Parameters). An IV that is
// needed and not given is made at random, of the length that IV Length or else
// the mode says, and returned; unless Random IV is False.
//
// Returns KindParametersMissing if a block cipher has no Block Cipher Mode or
// RSA no Padding Method; KindParametersUnsupported for combinations that are not
// there; KindMissingIV, KindTagLength, KindInvalidField for an IV of a wrong
// length; KindCryptographicFailure when the computation is not possible.
func Encrypt(r CipherRequest) (CipherResult, error) { return cipherAtOnce(&r, true) }

// Decrypt decrypts data. The result is secret.
//
// KMIP 2.1 §6.1.11 (Decrypt). Returns the kinds that Encrypt returns;
// KindCryptographicFailure for whatever is wrong with the data, the padding or
// the tag.
func Decrypt(r CipherRequest) (CipherResult, error) { return cipherAtOnce(&r, false) }

func cipherAtOnce(r *CipherRequest, encrypt bool) (CipherResult, error) {
	c, iv, err := newCipher(r, encrypt, false)
	if err != nil {
		return CipherResult{}, err
	}
	defer c.destroy()
	out, err := c.finish(r.Data, nil)
	if err != nil {
		return CipherResult{}, err
	}
	return CipherResult{Data: out.Data, IV: iv, Tag: out.Tag}, nil
}

// newCipher makes what encrypts or decrypts. The IV is returned if it was made
// here. What it returns may alias the request, but for the key.
func newCipher(r *CipherRequest, encrypt, inParts bool) (c parts, iv []byte, err error) {
	if err := checkAlgorithm(r); err != nil {
		return nil, nil, err
	}
	switch r.Algorithm {
	case kmip.CryptographicAlgorithmRSA:
		return newRSA(r, encrypt), nil, nil
	case kmip.CryptographicAlgorithmMLKEM512, kmip.CryptographicAlgorithmMLKEM768, kmip.CryptographicAlgorithmMLKEM1024:
		if encrypt {
			return nil, nil, errEncapsulate()
		}
		return atOnce(r, decryptMLKEM), nil, nil
	case kmip.CryptographicAlgorithmOneTimePad:
		c, err = newOneTimePad(r)
		return c, nil, err
	case kmip.CryptographicAlgorithmChaCha20:
		return newChaCha(r, encrypt)
	case kmip.CryptographicAlgorithmChaCha20Poly1305:
		return newChaChaPoly(r, encrypt, inParts)
	default:
		return newBlockMode(r, encrypt, inParts)
	}
}

func newRSA(r *CipherRequest, encrypt bool) parts {
	if encrypt {
		return atOnce(r, encryptRSA)
	}
	return atOnce(r, decryptRSA)
}

// atOnce makes a cipher of a computation that takes all the data at once.
func atOnce(r *CipherRequest, compute func(*CipherRequest) (CipherResult, error)) parts {
	own := *r
	return &whole{compute: func(data, _ []byte) (StreamResult, error) {
		own.Data = data
		out, err := compute(&own)
		return StreamResult{Data: out.Data}, err
	}}
}

func checkAlgorithm(r *CipherRequest) error {
	if a := r.Parameters.CryptographicAlgorithm; a != 0 && a != r.Algorithm {
		return kmip.Fail(kmip.KindParametersUnsupported, "Cryptographic Parameters are for %v; the key is %v", a, r.Algorithm)
	}
	return nil
}

// errDecrypt is the one answer to a ciphertext that does not decrypt.
func errDecrypt() error {
	return kmip.Fail(kmip.KindCryptographicFailure, "the data cannot be decrypted")
}
