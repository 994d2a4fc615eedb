package crypto

import (
	"crypto/hmac"
	"crypto/subtle"
	"hash"

	//lint:ignore SA1019 the protocol has it
	"golang.org/x/crypto/poly1305" //nolint:staticcheck // the protocol has it

	"github.com/claviger/claviger/kmip"
)

// macHashes are the hashes of the HMAC algorithms (KMIP 2.1 §11.12).
var macHashes = map[kmip.CryptographicAlgorithm]kmip.HashingAlgorithm{
	kmip.CryptographicAlgorithmHMACMD5:     kmip.HashingAlgorithmMD5,
	kmip.CryptographicAlgorithmHMACSHA1:    kmip.HashingAlgorithmSHA1,
	kmip.CryptographicAlgorithmHMACSHA224:  kmip.HashingAlgorithmSHA224,
	kmip.CryptographicAlgorithmHMACSHA256:  kmip.HashingAlgorithmSHA256,
	kmip.CryptographicAlgorithmHMACSHA384:  kmip.HashingAlgorithmSHA384,
	kmip.CryptographicAlgorithmHMACSHA512:  kmip.HashingAlgorithmSHA512,
	kmip.CryptographicAlgorithmHMACSHA3224: kmip.HashingAlgorithmSHA3224,
	kmip.CryptographicAlgorithmHMACSHA3256: kmip.HashingAlgorithmSHA3256,
	kmip.CryptographicAlgorithmHMACSHA3384: kmip.HashingAlgorithmSHA3384,
	kmip.CryptographicAlgorithmHMACSHA3512: kmip.HashingAlgorithmSHA3512,
}

// mac computes a code of what is written to it. After sum it is not used again
// but for destroy.
type mac interface {
	write(data []byte)
	sum() ([]byte, error)
	destroy()
}

// MAC computes a message authentication code (KMIP 2.1 §6.1.32): with Block
// Cipher Mode CMAC (SP 800-38B) or CBC-MAC; else Poly1305, when the algorithm of
// parameters or key is that; else HMAC, when that algorithm is one, or when there
// is nothing but a Hashing Algorithm. GMAC is not there: the operation has no
// field for its nonce.
//
// Returns KindParametersMissing when nothing says which, and
// KindParametersUnsupported.
func MAC(r CipherRequest) ([]byte, error) {
	m, err := newMAC(&r)
	if err != nil {
		return nil, err
	}
	m.write(r.Data)
	return m.sum()
}

// VerifyMAC tells, in constant time, whether a code is that of the data.
func VerifyMAC(r CipherRequest, code []byte) (bool, error) {
	want, err := MAC(r)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(code, want) == 1, nil
}

// newMAC makes what computes the code; it keeps nothing of the request.
func newMAC(r *CipherRequest) (mac, error) {
	p := &r.Parameters
	switch p.BlockCipherMode {
	case 0:
	case kmip.BlockCipherModeCMAC, kmip.BlockCipherModeCBCMAC:
		block, err := blockCipher(r)
		if err != nil {
			return nil, err
		}
		if p.BlockCipherMode == kmip.BlockCipherModeCBCMAC {
			return newPaddedCBCMAC(r, block)
		}
		return newCMAC(block), nil
	default:
		return nil, kmip.Fail(kmip.KindParametersUnsupported, "a MAC by %v is not supported", p.BlockCipherMode)
	}
	key, err := symmetricKey(r)
	if err != nil {
		return nil, err
	}
	if isPoly1305(p.CryptographicAlgorithm, r.Algorithm) {
		return newPoly1305(key)
	}
	name := macHash(p, r.Algorithm)
	if name == 0 {
		return nil, kmip.Fail(kmip.KindParametersMissing, "a MAC needs an HMAC algorithm, a Hashing Algorithm or a Block Cipher Mode")
	}
	h, err := hashOf(name)
	if err != nil {
		return nil, err
	}
	return hashMAC{hmac.New(h.New, key)}, nil
}

// macHash is the hash of HMAC: that of the parameters' HMAC algorithm, or the
// key's, or Hashing Algorithm; 0 if nothing says it.
func macHash(p *kmip.CryptographicParameters, key kmip.CryptographicAlgorithm) kmip.HashingAlgorithm {
	if name, ok := macHashes[p.CryptographicAlgorithm]; ok {
		return name
	}
	if name, ok := macHashes[key]; ok {
		return name
	}
	return p.HashingAlgorithm
}

// hashMAC is HMAC, or a plain hash.
type hashMAC struct{ hash.Hash }

func (h hashMAC) write(data []byte)    { _, _ = h.Write(data) } // never fails
func (h hashMAC) sum() ([]byte, error) { return h.Sum(nil), nil }
func (h hashMAC) destroy()             { h.Reset() }

func isPoly1305(asked, key kmip.CryptographicAlgorithm) bool {
	return asked == kmip.CryptographicAlgorithmPoly1305 || asked == 0 && key == kmip.CryptographicAlgorithmPoly1305
}

// poly1305MAC is Poly1305 (RFC 8439 §2.5), whose key is for one message only.
type poly1305MAC struct{ *poly1305.MAC }

func newPoly1305(key []byte) (mac, error) {
	var oneTime [32]byte
	if len(key) != len(oneTime) {
		return nil, errChaChaKey()
	}
	copy(oneTime[:], key)
	defer clear(oneTime[:])
	return poly1305MAC{poly1305.New(&oneTime)}, nil
}

func (p poly1305MAC) write(data []byte)    { _, _ = p.Write(data) } // never fails
func (p poly1305MAC) sum() ([]byte, error) { return p.Sum(nil), nil }
func (p poly1305MAC) destroy()             {}
