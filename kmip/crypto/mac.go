package crypto

import (
	"crypto/cipher"
	"crypto/hmac"
	"crypto/subtle"

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

// MAC computes a message authentication code (KMIP 2.1 §6.1.32): HMAC when the
// algorithm of parameters or key is one, or when there is nothing but a Hashing
// Algorithm; CMAC (SP 800-38B) with Block Cipher Mode CMAC.
//
// Returns KindParametersMissing when nothing says which, and
// KindParametersUnsupported.
func MAC(r CipherRequest) ([]byte, error) {
	p := r.Parameters
	if p.BlockCipherMode == kmip.BlockCipherModeCMAC {
		block, err := blockCipher(&r)
		if err != nil {
			return nil, err
		}
		return cmac(block, r.Data), nil
	}
	if p.BlockCipherMode != 0 {
		return nil, kmip.Fail(kmip.KindParametersUnsupported, "a MAC by %v is not supported", p.BlockCipherMode)
	}
	name, ok := macHashes[p.CryptographicAlgorithm]
	if !ok {
		name, ok = macHashes[r.Algorithm]
	}
	if !ok {
		name = p.HashingAlgorithm
	}
	if name == 0 {
		return nil, kmip.Fail(kmip.KindParametersMissing, "a MAC needs an HMAC algorithm, a Hashing Algorithm or a Block Cipher Mode")
	}
	h, err := hashOf(name)
	if err != nil {
		return nil, err
	}
	key, err := symmetricBytes(r.Format, r.Key.Reveal(), r.Transparent)
	if err != nil {
		return nil, err
	}
	m := hmac.New(h.New, key)
	_, _ = m.Write(r.Data) // never fails
	return m.Sum(nil), nil
}

// VerifyMAC tells, in constant time, whether a code is that of the data.
func VerifyMAC(r CipherRequest, code []byte) (bool, error) {
	want, err := MAC(r)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(code, want) == 1, nil
}

// cmac is SP 800-38B over a block cipher of 8 or 16 bytes.
func cmac(block cipher.Block, data []byte) []byte {
	n := block.BlockSize()
	constant := byte(0x87) // §5.3: R_128
	if n == 8 {
		constant = 0x1b // R_64
	}
	double := func(b []byte) []byte {
		out := make([]byte, n)
		for i := range b {
			out[i] = b[i] << 1
			if i+1 < n {
				out[i] |= b[i+1] >> 7
			}
		}
		out[n-1] ^= constant & -(b[0] >> 7)
		return out
	}
	zero := make([]byte, n)
	block.Encrypt(zero, zero)
	subkey := double(zero)
	last := make([]byte, n)
	full := len(data) / n
	if len(data) > 0 && len(data)%n == 0 {
		full--
		copy(last, data[full*n:])
	} else {
		copy(last, data[full*n:])
		last[len(data)-full*n] = 0x80
		subkey = double(subkey)
	}
	subtle.XORBytes(last, last, subkey)
	sum := make([]byte, n)
	for i := range full {
		subtle.XORBytes(sum, sum, data[i*n:(i+1)*n])
		block.Encrypt(sum, sum)
	}
	subtle.XORBytes(sum, sum, last)
	block.Encrypt(sum, sum)
	return sum
}
