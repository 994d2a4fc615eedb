package crypto

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"math"

	"github.com/claviger/claviger/kmip"
)

const (
	ccmNonceBytes      = 12 // of those that are made here
	ccmLeastNonceBytes = 7  // SP 800-38C §A.1
	ccmMostNonceBytes  = 13
)

// ccm is CCM (SP 800-38C): CBC-MAC over length, additional data and plain text,
// then CTR. The length comes first, so that it takes its data at once.
type ccm struct {
	block      cipher.Block
	nonce, aad []byte
	n          int // length of the tag
}

func newCCM(r *CipherRequest, block cipher.Block, encrypt bool) (parts, error) {
	n, err := tagOf(r, encrypt)
	if err != nil {
		return nil, err
	}
	if len(r.IV) < ccmLeastNonceBytes || len(r.IV) > ccmMostNonceBytes {
		return nil, errIVLength()
	}
	c, tag := &ccm{block, r.IV, r.AAD, n}, r.Tag
	w := &whole{extra: len(r.AAD)}
	if encrypt {
		w.compute = func(data, _ []byte) (StreamResult, error) { return c.seal(data) }
	} else {
		w.compute = func(data, _ []byte) (StreamResult, error) {
			out, err := c.open(data, tag)
			return StreamResult{Data: out}, err
		}
	}
	return w, nil
}

func (c *ccm) seal(data []byte) (StreamResult, error) {
	if !c.fits(data) {
		return StreamResult{}, kmip.Fail(kmip.KindCryptographicFailure, "the data is longer than CCM takes with a nonce of this length")
	}
	stream, mask := c.start()
	tag := c.code(data, mask)
	out := make([]byte, len(data))
	stream.XORKeyStream(out, data)
	return StreamResult{Data: out, Tag: tag}, nil
}

func (c *ccm) open(data, tag []byte) ([]byte, error) {
	if !c.fits(data) {
		return nil, errDecrypt()
	}
	stream, mask := c.start()
	out := make([]byte, len(data))
	stream.XORKeyStream(out, data)
	if subtle.ConstantTimeCompare(c.code(out, mask), tag) != 1 {
		clear(out)
		return nil, errDecrypt()
	}
	return out, nil
}

// fits tells whether the field that the nonce leaves holds the length.
func (c *ccm) fits(data []byte) bool {
	width := 15 - len(c.nonce)
	return width >= 8 || uint64(len(data)) < 1<<(8*width)
}

// start makes the key stream (§A.3); its first block masks the tag.
func (c *ccm) start() (stream cipher.Stream, mask [16]byte) {
	var first [16]byte
	first[0] = byte(14 - len(c.nonce)) //nolint:gosec // 1 to 7
	copy(first[1:], c.nonce)
	stream = cipher.NewCTR(c.block, first[:])
	stream.XORKeyStream(mask[:], mask[:])
	return stream, mask
}

// code computes the tag (§A.2).
func (c *ccm) code(data []byte, mask [16]byte) []byte {
	mac := newCBCMAC(c.block)
	var head [16]byte
	binary.BigEndian.PutUint64(head[8:], uint64(len(data)))
	copy(head[1:], c.nonce)                          // what it overwrites is zero: see fits
	head[0] = byte((c.n-2)/2<<3 + 14 - len(c.nonce)) //nolint:gosec // small
	if len(c.aad) > 0 {
		head[0] |= 1 << 6
	}
	mac.write(head[:])
	switch n := len(c.aad); {
	case n == 0:
	case n < 1<<16-1<<8:
		mac.write(binary.BigEndian.AppendUint16(nil, uint16(n)))
	case n <= math.MaxUint32:
		mac.write(binary.BigEndian.AppendUint32([]byte{0xff, 0xfe}, uint32(n)))
	default:
		mac.write(binary.BigEndian.AppendUint64([]byte{0xff, 0xff}, uint64(n)))
	}
	mac.write(c.aad)
	mac.pad()
	mac.write(data)
	mac.pad()
	tag := mac.sum
	subtle.XORBytes(tag, tag, mask[:])
	return tag[:c.n:c.n]
}
