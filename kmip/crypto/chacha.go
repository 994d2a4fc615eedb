package crypto

import (
	"crypto/cipher"

	"golang.org/x/crypto/chacha20"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/claviger/claviger/kmip"
)

const (
	chachaBlockBytes  = 64
	oldChachaIVBytes  = 8 // of the original cipher, before RFC 8439
	chachaNonceOffset = chacha20.NonceSize - oldChachaIVBytes
)

// chacha encrypts and decrypts with ChaCha20 (RFC 8439 §2.4), which takes no
// Block Cipher Mode. A nonce has 12 bytes, or the 8 of the original cipher,
// whose longer counter has zeros where the others begin. Initial Counter Value
// counts blocks.
func chacha(r *CipherRequest, encrypt bool) (CipherResult, error) {
	var result CipherResult
	if err := checkChaCha(r, 0); err != nil {
		return result, err
	}
	key, err := symmetricBytes(r.Format, r.Key.Reveal(), r.Transparent)
	if err != nil {
		return result, err
	}
	nonce := r.IV
	if len(nonce) == 0 {
		if !encrypt {
			return result, errMissingIV()
		}
		if nonce, err = randomIV(r, chacha20.NonceSize, oldChachaIVBytes, chacha20.NonceSize); err != nil {
			return result, err
		}
		result.IV = nonce
	}
	switch len(nonce) {
	case chacha20.NonceSize:
	case oldChachaIVBytes:
		nonce = append(make([]byte, chachaNonceOffset, chacha20.NonceSize), nonce...)
	default:
		return CipherResult{}, errIVLength()
	}
	stream, err := chacha20.NewUnauthenticatedCipher(key, nonce)
	if err != nil {
		return CipherResult{}, errChaChaKey()
	}
	first := uint32(0)
	if v := r.Parameters.InitialCounterValue; v != nil {
		first = uint32(*v) //nolint:gosec // bits
	}
	if blocks := (uint64(len(r.Data)) + chachaBlockBytes - 1) / chachaBlockBytes; uint64(first)+blocks > 1<<32 {
		return CipherResult{}, kmip.Fail(kmip.KindCryptographicFailure, "the data is longer than the counter lasts")
	}
	stream.SetCounter(first)
	result.Data = make([]byte, len(r.Data))
	stream.XORKeyStream(result.Data, r.Data)
	return result, nil
}

func encryptChaChaPoly(r *CipherRequest) (CipherResult, error) {
	aead, err := chachaPoly(r)
	if err != nil {
		return CipherResult{}, err
	}
	var result CipherResult
	if len(r.IV) == 0 {
		if result.IV, err = randomIV(r, aead.NonceSize(), aead.NonceSize(), aead.NonceSize()); err != nil {
			return CipherResult{}, err
		}
		r.IV = result.IV
	}
	if len(r.IV) != aead.NonceSize() {
		return CipherResult{}, errIVLength()
	}
	if result.Data, result.Tag, err = seal(r, aead); err != nil {
		return CipherResult{}, err
	}
	return result, nil
}

func decryptChaChaPoly(r *CipherRequest) (CipherResult, error) {
	aead, err := chachaPoly(r)
	switch {
	case err != nil:
		return CipherResult{}, err
	case len(r.IV) == 0:
		return CipherResult{}, errMissingIV()
	case len(r.IV) != aead.NonceSize():
		return CipherResult{}, errIVLength()
	}
	data, err := open(r, aead)
	return CipherResult{Data: data}, err
}

// chachaPoly makes ChaCha20-Poly1305 (RFC 8439 §2.8); Block Cipher Mode AEAD may
// be given.
func chachaPoly(r *CipherRequest) (cipher.AEAD, error) {
	if err := checkChaCha(r, kmip.BlockCipherModeAEAD); err != nil {
		return nil, err
	}
	key, err := symmetricBytes(r.Format, r.Key.Reveal(), r.Transparent)
	if err != nil {
		return nil, err
	}
	aead, err := chacha20poly1305.New(key)
	if err != nil {
		return nil, errChaChaKey()
	}
	return aead, nil
}

// checkChaCha refuses a padding, and a Block Cipher Mode but the one allowed.
func checkChaCha(r *CipherRequest, allowed kmip.BlockCipherMode) error {
	if m := r.Parameters.BlockCipherMode; m != 0 && m != allowed {
		return errUnsupported(m, r.Algorithm)
	}
	return checkNoPadding(r)
}

func errChaChaKey() error {
	return kmip.Fail(kmip.KindCryptographicFailure, "the key does not have 256 bits")
}
