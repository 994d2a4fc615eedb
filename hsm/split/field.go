package split

// element is one of a field of characteristic two: a byte in GF(2^8), two in
// GF(2^16). Adding is the exclusive or.
type element = uint16

// field is GF(2^8), or GF(2^16) over it, by a modulus.
type field struct {
	bytes   int     // of an element
	modulus element // of GF(2^8), without x^8
}

// m is the constant of the modulus y^2 + y + m of GF(2^16) (KMIP 2.1 §13.1).
const m = 0x3A

func (s Sharing) field() (field, error) {
	f := field{bytes: 1}
	switch s.Polynomial {
	case Polynomial283:
		f.modulus = 0x1B
	case 0, Polynomial285:
		f.modulus = 0x1D
	default:
		return f, ErrPolynomial
	}
	if s.Method == GF65536 {
		f.bytes = 2
	}
	return f, nil
}

// mul multiplies, in the same time whatever the factors are.
func (f field) mul(a, b element) element {
	if f.bytes == 1 {
		return f.mul8(a, b)
	}
	// (ry + s)(uy + v) with y^2 = y + m. The text of KMIP prints the constant
	// term of the product as ru + svm; by its own modulus, and by its formula
	// for the inverse, it is rum + sv.
	r, s, u, v := a>>8, a&0xff, b>>8, b&0xff
	sv := f.mul8(s, v)
	return (f.mul8(r^s, u^v)^sv)<<8 | f.mul8(f.mul8(r, u), m) ^ sv
}

// mul8 multiplies in GF(2^8), bit by bit, with masks in the place of branches.
func (f field) mul8(a, b element) element {
	var product element
	for range 8 {
		product ^= a & -(b & 1)
		a = a<<1&0xff ^ f.modulus&-(a>>7&1)
		b >>= 1
	}
	return product
}

// invert returns the inverse of an element that is not 0: of public ones only,
// but no slower by it. The group has 2^n - 1 elements.
func (f field) invert(a element) element {
	inverse := element(1)
	for range 8*f.bytes - 1 { // a^(2 + 4 + … + 2^(n-1))
		a = f.mul(a, a)
		inverse = f.mul(inverse, a)
	}
	return inverse
}

// get and put read and write the n-th element of a part; what lies behind an odd
// end is 0.
func (f field) get(b []byte, n int) element {
	if f.bytes == 1 {
		return element(b[n])
	}
	e := element(b[2*n]) << 8
	if 2*n+1 < len(b) {
		e |= element(b[2*n+1])
	}
	return e
}

func (f field) put(b []byte, n int, e element) {
	if f.bytes == 1 {
		b[n] = byte(e) //nolint:gosec // an element of GF(2^8)
		return
	}
	b[2*n] = byte(e >> 8)
	if 2*n+1 < len(b) {
		b[2*n+1] = byte(e) //nolint:gosec // the low half
	}
}
