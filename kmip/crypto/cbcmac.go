package crypto

import (
	"crypto/cipher"
	"crypto/subtle"

	"github.com/claviger/claviger/kmip"
)

// cbcMAC is the last block of CBC mode with a zero IV (FIPS 113, ISO/IEC 9797-1
// algorithm 1).
type cbcMAC struct {
	block cipher.Block
	sum   []byte // with used bytes of the next block added
	used  int
}

func newCBCMAC(block cipher.Block) *cbcMAC {
	return &cbcMAC{block: block, sum: make([]byte, block.BlockSize())}
}

func (c *cbcMAC) write(data []byte) {
	for len(data) > 0 {
		n := subtle.XORBytes(c.sum[c.used:], c.sum[c.used:], data)
		data = data[n:]
		if c.used += n; c.used == len(c.sum) {
			c.pad()
		}
	}
}

// pad fills the block with zeros, if one was begun.
func (c *cbcMAC) pad() {
	if c.used > 0 {
		c.block.Encrypt(c.sum, c.sum)
		c.used = 0
	}
}

// paddedCBCMAC is CBC-MAC as a MAC of its own. It authenticates messages of one
// length only.
type paddedCBCMAC struct {
	mac     *cbcMAC
	padding kmip.PaddingMethod
	empty   bool
}

func newPaddedCBCMAC(r *CipherRequest, block cipher.Block) (mac, error) {
	switch m := r.Parameters.PaddingMethod; m {
	case 0, kmip.PaddingMethodNone, kmip.PaddingMethodPKCS5, kmip.PaddingMethodZeros, kmip.PaddingMethodANSIX923:
		return &paddedCBCMAC{mac: newCBCMAC(block), padding: m, empty: true}, nil
	default:
		return nil, kmip.Fail(kmip.KindParametersUnsupported, "Padding Method %v is not supported for CBC-MAC", m)
	}
}

func (p *paddedCBCMAC) write(data []byte) {
	p.mac.write(data)
	p.empty = p.empty && len(data) == 0
}

// sum pads the last block. Zeros is padding method 1 of ISO/IEC 9797-1, which
// makes one block of nothing.
func (p *paddedCBCMAC) sum() ([]byte, error) {
	size := len(p.mac.sum)
	missing, err := pad(p.padding, make([]byte, p.mac.used), size, nil)
	if err != nil {
		return nil, err
	}
	if p.padding == kmip.PaddingMethodZeros && p.empty {
		missing = make([]byte, size)
	}
	p.mac.write(missing[p.mac.used:])
	if p.mac.used != 0 || p.empty && len(missing) == 0 {
		return nil, kmip.Fail(kmip.KindCryptographicFailure, "without padding, CBC-MAC takes a multiple of %d bytes", size)
	}
	return p.mac.sum, nil
}

func (p *paddedCBCMAC) destroy() { clear(p.mac.sum) }
