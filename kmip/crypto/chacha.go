package crypto

import (
	"encoding/binary"

	"golang.org/x/crypto/chacha20"
	"golang.org/x/crypto/chacha20poly1305"

	//lint:ignore SA1019 ChaCha20-Poly1305 in parts is made of it
	"golang.org/x/crypto/poly1305" //nolint:staticcheck // ChaCha20-Poly1305 in parts is made of it

	"github.com/claviger/claviger/kmip"
)

const (
	chachaBlockBytes  = 64
	oldChachaIVBytes  = 8 // of the original cipher, before RFC 8439
	chachaNonceOffset = chacha20.NonceSize - oldChachaIVBytes
)

// newChaCha makes ChaCha20 (RFC 8439 §2.4), which takes no Block Cipher Mode. A
// nonce has 12 bytes, or the 8 of the original cipher, whose longer counter has
// zeros where the others begin. Initial Counter Value counts blocks.
func newChaCha(r *CipherRequest, encrypt bool) (parts, []byte, error) {
	key, made, err := chachaKey(r, encrypt, 0, oldChachaIVBytes)
	if err != nil {
		return nil, nil, err
	}
	nonce := r.IV
	switch len(nonce) {
	case chacha20.NonceSize:
	case oldChachaIVBytes:
		nonce = append(make([]byte, chachaNonceOffset, chacha20.NonceSize), nonce...)
	default:
		return nil, nil, errIVLength()
	}
	first := uint32(0)
	if v := r.Parameters.InitialCounterValue; v != nil {
		first = uint32(*v) //nolint:gosec // bits
	}
	stream, err := chachaStream(key, nonce, first)
	return stream, made, err
}

// chachaStream makes the key stream from a block on.
func chachaStream(key, nonce []byte, first uint32) (*keyStream, error) {
	stream, err := chacha20.NewUnauthenticatedCipher(key, nonce)
	if err != nil {
		return nil, errChaChaKey()
	}
	stream.SetCounter(first)
	return &keyStream{stream: stream, left: chachaBlockBytes * (1<<32 - uint64(first)), short: shortCounter}, nil
}

// newChaChaPoly makes ChaCha20-Poly1305 (RFC 8439 §2.8); Block Cipher Mode AEAD
// may be given.
func newChaChaPoly(r *CipherRequest, encrypt, inParts bool) (parts, []byte, error) {
	key, made, err := chachaKey(r, encrypt, kmip.BlockCipherModeAEAD, chacha20.NonceSize)
	if err != nil {
		return nil, nil, err
	}
	if len(r.IV) != chacha20.NonceSize {
		return nil, nil, errIVLength()
	}
	if inParts {
		c, err := newChaChaPolyParts(r, key, encrypt)
		return c, made, err
	}
	aead, err := chacha20poly1305.New(key)
	if err != nil {
		return nil, nil, errChaChaKey()
	}
	c, err := newAEAD(r, aead, encrypt)
	return c, made, err
}

// newChaChaPolyParts is the construction of RFC 8439 §2.8 over its two halves.
func newChaChaPolyParts(r *CipherRequest, key []byte, encrypt bool) (parts, error) {
	n, err := tagOf(r, encrypt)
	if err != nil {
		return nil, err
	}
	once, err := chachaStream(key, r.IV, 0)
	if err != nil {
		return nil, err
	}
	var oneTime [32]byte // §2.6
	defer clear(oneTime[:])
	once.stream.XORKeyStream(oneTime[:], oneTime[:])
	stream, err := chachaStream(key, r.IV, 1)
	if err != nil {
		return nil, err
	}
	code := &polyTag{mac: poly1305.New(&oneTime), aad: uint64(len(r.AAD))}
	_, _ = code.mac.Write(r.AAD) // never fails
	code.pad(code.aad)
	return &authenticated{stream: stream, code: code, encrypt: encrypt, n: n, tag: r.Tag}, nil
}

// polyTag is what is authenticated of a message.
type polyTag struct {
	mac       *poly1305.MAC
	aad, data uint64 // bytes
}

func (p *polyTag) write(ciphertext []byte) {
	_, _ = p.mac.Write(ciphertext) // never fails
	p.data += uint64(len(ciphertext))
}

// pad fills the last 16 bytes with zeros.
func (p *polyTag) pad(n uint64) {
	_, _ = p.mac.Write(make([]byte, (16-n%16)%16)) // never fails
}

func (p *polyTag) sum() []byte {
	p.pad(p.data)
	var lengths [16]byte
	binary.LittleEndian.PutUint64(lengths[:8], p.aad)
	binary.LittleEndian.PutUint64(lengths[8:], p.data)
	_, _ = p.mac.Write(lengths[:]) // never fails
	return p.mac.Sum(nil)
}

func (p *polyTag) destroy() { p.mac = nil }

// chachaKey returns the key and sees that there is a nonce, of 12 bytes or of
// least when it is made here. It refuses a padding, and a Block Cipher Mode but
// the one allowed.
func chachaKey(r *CipherRequest, encrypt bool, allowed kmip.BlockCipherMode, least int) (key, made []byte, err error) {
	if m := r.Parameters.BlockCipherMode; m != 0 && m != allowed {
		return nil, nil, errUnsupported(m, r.Algorithm)
	}
	if err := checkNoPadding(r); err != nil {
		return nil, nil, err
	}
	if err := checkFields(&r.Parameters, 128, 8*len(r.IV)); err != nil {
		return nil, nil, err
	}
	if key, err = symmetricKey(r); err != nil {
		return nil, nil, err
	}
	if len(key) != chacha20.KeySize {
		return nil, nil, errChaChaKey()
	}
	if len(r.IV) > 0 {
		return key, nil, nil
	}
	if !encrypt {
		return nil, nil, errMissingIV()
	}
	made, err = randomIV(r, chacha20.NonceSize, least, chacha20.NonceSize)
	r.IV = made
	return key, made, err
}

func errChaChaKey() error {
	return kmip.Fail(kmip.KindCryptographicFailure, "the key does not have 256 bits")
}
