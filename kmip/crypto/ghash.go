package crypto

import "encoding/binary"

// ghash is GHASH of SP 800-38D §6.4. It takes time that depends on nothing but
// the length of the data: one pass over a table for each block.
type ghash struct {
	// table is the hash key times x^i for all i: what bit i of a factor adds.
	table  [128]element
	y      element
	buffer [16]byte
	used   int
}

// element is an element of GF(2^128); the first bit is the highest of high.
type element struct{ high, low uint64 }

func newGHASH(key *[16]byte) *ghash {
	g := &ghash{}
	v := element{binary.BigEndian.Uint64(key[:8]), binary.BigEndian.Uint64(key[8:])}
	for i := range g.table {
		g.table[i] = v
		out := -(v.low & 1) // §6.3: what leaves on the right comes back as R
		v.low = v.low>>1 | v.high<<63
		v.high = v.high>>1 ^ out&(0xe1<<56)
	}
	return g
}

// write takes data; blocks need not be whole.
func (g *ghash) write(data []byte) {
	for len(data) > 0 {
		n := copy(g.buffer[g.used:], data)
		data = data[n:]
		if g.used += n; g.used == len(g.buffer) {
			g.block()
		}
	}
}

// pad fills the last block with zeros.
func (g *ghash) pad() {
	if g.used > 0 {
		clear(g.buffer[g.used:])
		g.block()
	}
}

// lengths ends a message: what it consists of, in bytes.
func (g *ghash) lengths(aad, data uint64) {
	g.pad()
	binary.BigEndian.PutUint64(g.buffer[:8], 8*aad)
	binary.BigEndian.PutUint64(g.buffer[8:], 8*data)
	g.block()
}

func (g *ghash) sum() (out [16]byte) {
	binary.BigEndian.PutUint64(out[:8], g.y.high)
	binary.BigEndian.PutUint64(out[8:], g.y.low)
	return out
}

func (g *ghash) block() {
	x := element{g.y.high ^ binary.BigEndian.Uint64(g.buffer[:8]), g.y.low ^ binary.BigEndian.Uint64(g.buffer[8:])}
	g.used = 0
	var z element
	for i := range 64 {
		bit := -(x.high >> (63 - i) & 1)
		z.high ^= g.table[i].high & bit
		z.low ^= g.table[i].low & bit
		bit = -(x.low >> (63 - i) & 1)
		z.high ^= g.table[64+i].high & bit
		z.low ^= g.table[64+i].low & bit
	}
	g.y = z
}

func (g *ghash) destroy() { *g = ghash{} }
