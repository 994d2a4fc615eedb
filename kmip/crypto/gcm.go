package crypto

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"

	"github.com/claviger/claviger/kmip"
)

// newGCM makes GCM that takes the data at once: the standard library's.
func newGCM(r *CipherRequest, block cipher.Block, encrypt bool) (parts, error) {
	aead, err := cipher.NewGCMWithNonceSize(block, len(r.IV))
	if err != nil {
		return nil, kmip.FailFrom(err, kmip.KindCryptographicFailure, "GCM is not possible with this key and IV")
	}
	return newAEAD(r, aead, encrypt)
}

// gcmMaxBytes is how much one IV lasts (SP 800-38D §5.2.1.1).
const gcmMaxBytes = 1<<36 - 32

// newGCMParts makes GCM that takes the data in parts (SP 800-38D §7), which the
// standard library has not.
func newGCMParts(r *CipherRequest, block cipher.Block, encrypt bool) (parts, error) {
	n, err := tagOf(r, encrypt)
	if err != nil {
		return nil, err
	}
	var hashKey, first [16]byte
	block.Encrypt(hashKey[:], hashKey[:])
	code := &gcmTag{hash: newGHASH(&hashKey)}
	if len(r.IV) == gcmIVBytes {
		copy(first[:], r.IV)
		first[15] = 1
	} else {
		h := *code.hash
		h.write(r.IV)
		h.lengths(0, uint64(len(r.IV)))
		first = h.sum()
		h.destroy()
	}
	block.Encrypt(code.mask[:], first[:])
	code.hash.write(r.AAD)
	code.hash.pad()
	code.aad = uint64(len(r.AAD))
	increment32(&first)
	stream := &keyStream{stream: &gcmCounter{block: block, next: first}, left: gcmMaxBytes, short: "the data is longer than GCM takes"}
	return &authenticated{stream: stream, code: code, encrypt: encrypt, n: n, tag: r.Tag}, nil
}

// gcmTag is what is authenticated of a message.
type gcmTag struct {
	hash      *ghash
	mask      [16]byte // the first counter block, encrypted
	aad, data uint64   // bytes
}

func (g *gcmTag) write(ciphertext []byte) {
	g.hash.write(ciphertext)
	g.data += uint64(len(ciphertext))
}

func (g *gcmTag) sum() []byte {
	g.hash.lengths(g.aad, g.data)
	sum := g.hash.sum()
	subtle.XORBytes(sum[:], sum[:], g.mask[:])
	return sum[:]
}

func (g *gcmTag) destroy() {
	g.hash.destroy()
	clear(g.mask[:])
}

// increment32 is inc32 of SP 800-38D §6.2.
func increment32(counter *[16]byte) {
	binary.BigEndian.PutUint32(counter[12:], binary.BigEndian.Uint32(counter[12:])+1)
}

// gcmCounter is GCTR of SP 800-38D §6.5: CTR mode in which 32 bits count and the
// carry is lost.
type gcmCounter struct {
	block  cipher.Block
	next   [16]byte // counter block of the next stream
	stream cipher.Stream
	left   uint64 // bytes until the counter is zero again
}

func (g *gcmCounter) XORKeyStream(dst, src []byte) {
	for len(src) > 0 {
		if g.left == 0 {
			g.left = 16 * (1<<32 - uint64(binary.BigEndian.Uint32(g.next[12:])))
			g.stream = cipher.NewCTR(g.block, g.next[:])
			clear(g.next[12:])
		}
		n := len(src)
		if uint64(n) > g.left {
			n = int(g.left) //nolint:gosec // smaller than n
		}
		g.stream.XORKeyStream(dst[:n], src[:n])
		dst, src, g.left = dst[n:], src[n:], g.left-uint64(n)
	}
}
