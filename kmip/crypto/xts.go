package crypto

import (
	"crypto/cipher"
	"crypto/subtle"

	"github.com/claviger/claviger/kmip"
)

const (
	xtsBlock = 16
	// xtsMaxBlocks is how long a data unit may be (SP 800-38E §4).
	xtsMaxBlocks = 1 << 20
)

// xts is XTS (IEEE Std 1619, SP 800-38E) with ciphertext stealing. The IV is the
// tweak: the number of the data unit, in 16 bytes of which the first is the
// lowest. x/crypto has it for whole blocks and numbers of 64 bits.
type xts struct {
	block   cipher.Block
	encrypt bool
	tweak   [xtsBlock]byte // encrypted, of the next block
	blocks  int
	held    []byte // one whole block, and what does not make one
}

// xtsCiphers makes the ciphers of the two halves of the key, of data and of the
// tweak. What protects data has halves that differ (FIPS 140-3 IG C.I).
func xtsCiphers(r *CipherRequest, encrypt bool) (data, tweak cipher.Block, err error) {
	key, err := symmetricKey(r)
	if err != nil {
		return nil, nil, err
	}
	one, two := key[:len(key)/2], key[len(key)/2:]
	if r.Algorithm == kmip.CryptographicAlgorithmAES && len(key) != 32 && len(key) != 64 {
		return nil, nil, kmip.Fail(kmip.KindCryptographicFailure, "the key does not have a length that XTS takes: two of AES")
	}
	if encrypt && subtle.ConstantTimeCompare(one, two) == 1 {
		return nil, nil, kmip.Fail(kmip.KindCryptographicFailure, "the two halves of a key for XTS differ")
	}
	if data, err = newBlock(r.Algorithm, one); err != nil {
		return nil, nil, err
	}
	tweak, err = newBlock(r.Algorithm, two)
	return data, tweak, err
}

func newXTS(r *CipherRequest, block, tweak cipher.Block, encrypt bool) (parts, error) {
	if len(r.IV) != xtsBlock {
		return nil, errIVLength()
	}
	x := &xts{block: block, encrypt: encrypt, held: make([]byte, 0, 2*xtsBlock)}
	tweak.Encrypt(x.tweak[:], r.IV)
	return x, nil
}

func (x *xts) update(data []byte) ([]byte, error) {
	all := append(append(make([]byte, 0, len(x.held)+len(data)), x.held...), data...)
	n := 0
	if len(all) >= 2*xtsBlock {
		n = len(all)/xtsBlock*xtsBlock - xtsBlock
	}
	clear(x.held)
	x.held = append(x.held[:0], all[n:]...)
	if err := x.count(n / xtsBlock); err != nil {
		return nil, err
	}
	clear(all[n:])
	for at := 0; at < n; at += xtsBlock {
		x.crypt(all[at : at+xtsBlock])
	}
	return all[:n:n], nil
}

func (x *xts) finish(data, _ []byte) (StreamResult, error) {
	out, err := x.update(data)
	if err != nil {
		return StreamResult{}, err
	}
	if len(x.held) < xtsBlock {
		return StreamResult{}, kmip.Fail(kmip.KindCryptographicFailure, "XTS takes 16 bytes or more")
	}
	if err := x.count((len(x.held) + xtsBlock - 1) / xtsBlock); err != nil {
		return StreamResult{}, err
	}
	last := append([]byte(nil), x.held...)
	if len(last) == xtsBlock {
		x.crypt(last)
	} else {
		x.steal(last)
	}
	return StreamResult{Data: append(out, last...)}, nil
}

// steal does the last two blocks, of which the second is not whole: the first
// gives it the bytes that it lacks. A decryption has the tweaks the other way
// round.
func (x *xts) steal(last []byte) {
	first, second := last[:xtsBlock], last[xtsBlock:]
	if x.encrypt {
		x.crypt(first)
	} else {
		before := x.tweak
		multiply(&x.tweak)
		x.crypt(first)
		x.tweak = before
	}
	for i := range second {
		first[i], second[i] = second[i], first[i]
	}
	x.crypt(first)
}

// crypt does one block in place and makes the tweak of the next.
func (x *xts) crypt(b []byte) {
	subtle.XORBytes(b, b, x.tweak[:])
	if x.encrypt {
		x.block.Encrypt(b, b)
	} else {
		x.block.Decrypt(b, b)
	}
	subtle.XORBytes(b, b, x.tweak[:])
	multiply(&x.tweak)
}

func (x *xts) count(n int) error {
	if x.blocks += n; x.blocks > xtsMaxBlocks {
		return kmip.Fail(kmip.KindCryptographicFailure, "the data is longer than a data unit of XTS, 16 MiB")
	}
	return nil
}

func (x *xts) destroy() {
	clear(x.held)
	x.held = x.held[:0]
	clear(x.tweak[:])
}

// multiply multiplies by x, the first byte being the lowest (IEEE Std 1619
// §5.2).
func multiply(tweak *[xtsBlock]byte) {
	carry := byte(0)
	for i, b := range tweak {
		tweak[i] = b<<1 | carry
		carry = b >> 7
	}
	tweak[0] ^= 0x87 & -carry
}
