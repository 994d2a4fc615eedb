// Package keywrap wraps keys under an AES key by RFC 3394 and, with padding,
// RFC 5649. Both authenticate what they wrap by 32 to 64 bits of redundancy
// and are for keys only: not for data, and without associated data.
//
// It is the chaining of the two documents over crypto/aes. Errors of Unwrap do
// not tell which check failed.
package keywrap

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"fmt"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip/secret"
)

// MaxBytes bounds what is wrapped.
const MaxBytes = 1 << 20

const (
	semi = 8 // bytes of the semiblocks that RFC 3394 works on
	// defaultIV is the initial value of RFC 3394 §2.2.3.1.
	defaultIV = 0xA6A6A6A6A6A6A6A6
	// paddedIV is the upper half of the one of RFC 5649 §3; the length of the
	// plaintext in bytes is the lower half.
	paddedIV = 0xA65959A6
)

// Wrap wraps plaintext, a multiple of 8 bytes and at least 16, by RFC 3394.
// Returns hsm.ErrUnsupported for other lengths and sizes of kek.
func Wrap(kek, plaintext *secret.Bytes) ([]byte, error) {
	n := plaintext.Len()
	if n < 2*semi || n%semi != 0 || n > MaxBytes {
		return nil, fmt.Errorf("wrap %d bytes by RFC 3394, which takes multiples of 8 from 16: %w", n, hsm.ErrUnsupported)
	}
	block, err := newCipher(kek)
	if err != nil {
		return nil, err
	}
	out := make([]byte, semi+n)
	copy(out[semi:], plaintext.Reveal())
	wrap(block, defaultIV, out)
	return out, nil
}

// Unwrap opens what Wrap made. Returns hsm.ErrIntegrity if it was changed or
// made under another key. The caller destroys the result.
func Unwrap(kek *secret.Bytes, wrapped []byte) (*secret.Bytes, error) {
	if len(wrapped) < 3*semi || len(wrapped)%semi != 0 || len(wrapped) > MaxBytes+semi {
		return nil, fmt.Errorf("unwrap %d bytes: %w", len(wrapped), hsm.ErrIntegrity)
	}
	block, err := newCipher(kek)
	if err != nil {
		return nil, err
	}
	work := append([]byte(nil), wrapped...)
	iv := unwrap(block, work)
	if !equal64(iv, defaultIV) {
		clear(work)
		return nil, fmt.Errorf("unwrap: %w", hsm.ErrIntegrity)
	}
	return take(work, len(work)-semi), nil
}

// WrapPadded wraps 1 to MaxBytes bytes by RFC 5649.
func WrapPadded(kek, plaintext *secret.Bytes) ([]byte, error) {
	n := plaintext.Len()
	if n < 1 || n > MaxBytes {
		return nil, fmt.Errorf("wrap %d bytes by RFC 5649, 1 to %d are taken: %w", n, MaxBytes, hsm.ErrUnsupported)
	}
	block, err := newCipher(kek)
	if err != nil {
		return nil, err
	}
	out := make([]byte, semi+(n+semi-1)/semi*semi)
	copy(out[semi:], plaintext.Reveal())
	iv := uint64(paddedIV)<<32 | uint64(n)
	if len(out) == aes.BlockSize { // RFC 5649 §4.1: one semiblock is one block
		binary.BigEndian.PutUint64(out, iv)
		block.Encrypt(out, out)
		return out, nil
	}
	wrap(block, iv, out)
	return out, nil
}

// UnwrapPadded opens what WrapPadded made, as Unwrap does.
func UnwrapPadded(kek *secret.Bytes, wrapped []byte) (*secret.Bytes, error) {
	if len(wrapped) < 2*semi || len(wrapped)%semi != 0 || len(wrapped) > MaxBytes+semi {
		return nil, fmt.Errorf("unwrap %d bytes: %w", len(wrapped), hsm.ErrIntegrity)
	}
	block, err := newCipher(kek)
	if err != nil {
		return nil, err
	}
	work := append([]byte(nil), wrapped...)
	var iv uint64
	if len(work) == aes.BlockSize {
		block.Decrypt(work, work)
		iv = binary.BigEndian.Uint64(work)
	} else {
		iv = unwrap(block, work)
	}
	padded := len(work) - semi
	n := int(uint32(iv) & (1<<31 - 1))                             //nolint:gosec // bits, not a number
	ok := 1 ^ int(uint32(iv)>>31)                                  //nolint:gosec // bits, not a number
	ok &= subtle.ConstantTimeEq(int32(uint32(iv>>32)^paddedIV), 0) //nolint:gosec // bits, not a number
	ok &= subtle.ConstantTimeLessOrEq(n, padded) & subtle.ConstantTimeLessOrEq(padded-semi+1, n)
	for i, b := range work[len(work)-semi:] { // padding must be zero
		at := padded - semi + i
		isPad := subtle.ConstantTimeLessOrEq(n, at)
		ok &= 1 ^ (isPad & (1 ^ subtle.ConstantTimeByteEq(b, 0)))
	}
	if ok != 1 {
		clear(work)
		return nil, fmt.Errorf("unwrap: %w", hsm.ErrIntegrity)
	}
	return take(work, n), nil
}

// wrap is RFC 3394 §2.2.1 in the index form. The plaintext is in buf[8:]; the
// result is all of buf.
func wrap(block cipher.Block, iv uint64, buf []byte) {
	var b [aes.BlockSize]byte
	defer clear(b[:])
	binary.BigEndian.PutUint64(b[:], iv)
	var t uint64
	for range 6 {
		for at := semi; at < len(buf); at += semi {
			copy(b[semi:], buf[at:at+semi])
			block.Encrypt(b[:], b[:])
			t++
			binary.BigEndian.PutUint64(b[:], binary.BigEndian.Uint64(b[:])^t)
			copy(buf[at:], b[semi:])
		}
	}
	copy(buf, b[:semi])
}

// unwrap is RFC 3394 §2.2.2. The plaintext comes to be in buf[8:]; the initial
// value is returned.
func unwrap(block cipher.Block, buf []byte) uint64 {
	var b [aes.BlockSize]byte
	defer clear(b[:])
	copy(b[:], buf[:semi])
	t := uint64(6 * (len(buf)/semi - 1)) //nolint:gosec // bits, not a number
	for range 6 {
		for at := len(buf) - semi; at >= semi; at -= semi {
			binary.BigEndian.PutUint64(b[:], binary.BigEndian.Uint64(b[:])^t)
			t--
			copy(b[semi:], buf[at:at+semi])
			block.Decrypt(b[:], b[:])
			copy(buf[at:], b[semi:])
		}
	}
	return binary.BigEndian.Uint64(b[:])
}

func newCipher(kek *secret.Bytes) (cipher.Block, error) {
	block, err := aes.NewCipher(kek.Reveal())
	if err != nil {
		return nil, fmt.Errorf("key of %d bytes to wrap with: %w", kek.Len(), hsm.ErrUnsupported)
	}
	return block, nil
}

// take returns n bytes of plaintext and overwrites the work buffer.
func take(work []byte, n int) *secret.Bytes {
	out := secret.Copy(work[semi : semi+n])
	clear(work)
	return out
}

func equal64(a, b uint64) bool {
	var x, y [8]byte
	binary.BigEndian.PutUint64(x[:], a)
	binary.BigEndian.PutUint64(y[:], b)
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
