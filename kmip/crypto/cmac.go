package crypto

import (
	"crypto/cipher"
	"crypto/subtle"
)

// cmac is CMAC (SP 800-38B) over a block cipher of 8 or 16 bytes: CBC-MAC whose
// last block is treated apart, and so is held until it is known to be the last.
type cmac struct {
	mac  *cbcMAC
	held []byte
}

func newCMAC(block cipher.Block) *cmac {
	n := block.BlockSize()
	return &cmac{mac: newCBCMAC(block), held: make([]byte, 0, n)}
}

func (c *cmac) write(data []byte) {
	size := cap(c.held)
	if len(data) == 0 {
		return
	}
	if len(c.held)+len(data) > size {
		c.mac.write(c.held)
		n := (size - len(c.held)) % size // to the end of a block
		if rest := len(data) - n; rest > size {
			n += (rest - 1) / size * size
		}
		c.mac.write(data[:n])
		c.held, data = c.held[:0], data[n:]
	}
	c.held = append(c.held, data...)
}

func (c *cmac) sum() ([]byte, error) {
	size := cap(c.held)
	subkey := make([]byte, size)
	defer clear(subkey)
	c.mac.block.Encrypt(subkey, subkey)
	double(subkey)
	if len(c.held) < size {
		double(subkey)
		c.held = append(c.held, 0x80)
		clear(c.held[len(c.held):size])
		c.held = c.held[:size]
	}
	subtle.XORBytes(c.held, c.held, subkey)
	c.mac.write(c.held)
	return c.mac.sum, nil
}

func (c *cmac) destroy() {
	clear(c.held[:cap(c.held)])
	clear(c.mac.sum)
}

// double multiplies by x, the highest bit being the first (SP 800-38B §6.1).
func double(b []byte) {
	constant := byte(0x87) // §5.3: R_128
	if len(b) == 8 {
		constant = 0x1b // R_64
	}
	constant &= -(b[0] >> 7)
	for i := range b {
		b[i] <<= 1
		if i+1 < len(b) {
			b[i] |= b[i+1] >> 7
		}
	}
	b[len(b)-1] ^= constant
}
