// Package split shares a secret among parts, so that a threshold of them gives
// it back and fewer say nothing about it: XOR, and the polynomial sharing of
// Shamir over GF(2^8), GF(2^16) and a prime field, in the layouts that KMIP
// demands (KMIP 2.1 §2.8, §13.1; 1.2 to 1.4 §2.1.6).
//
// Layouts. A part of XOR or GF(2^8) is as long as the secret. One of GF(2^16)
// is a piece of two bytes, the high one first, for each two bytes of the secret;
// a secret of odd length gets a zero byte behind it. One of a prime field is a
// number in big-endian order, as long as the prime. The Key Part Identifier of a
// part, from 1 on, is where the polynomial was evaluated; in GF(2^16) it is the
// element whose two bytes are the number.
//
// Which field of 256 elements is meant, also below GF(2^16), depends on the
// version of the protocol: see Polynomial.
//
// Computing with parts and secrets takes the same time whatever they are: no
// table is looked up and no branch is taken by them. Lengths, thresholds and
// identifiers are public. Nothing here tells a wrong part from a right one.
//
// The package imports nothing of Claviger.
package split

import (
	cryptorand "crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/big"
)

// Method is how a secret is shared, with the numbers of Split Key Method (KMIP
// 2.1 §11.54).
type Method int

// The methods.
const (
	XOR        Method = 1 // all parts are needed
	GF65536    Method = 2 // Polynomial Sharing GF(2^16)
	PrimeField Method = 3 // Polynomial Sharing Prime Field
	GF256      Method = 4 // Polynomial Sharing GF(2^8), since KMIP 1.2
)

// Polynomial is the modulus of GF(2^8), with the numbers of Split Key
// Polynomial of KMIP 3.0; the names are the moduli in decimal.
type Polynomial int

// The polynomials. KMIP 1.0 to 1.4 mean 283, as FIPS 197 does; 2.0 and 2.1
// (§13.1) mean 285; 3.0 has an attribute for it. The modulus y^2 + y + {3A} of
// GF(2^16) is irreducible over both.
const (
	Polynomial283 Polynomial = 1 // x^8 + x^4 + x^3 + x + 1
	Polynomial285 Polynomial = 2 // x^8 + x^4 + x^3 + x^2 + 1
)

// Errors of the package: what was asked cannot be.
var (
	ErrMethod     = errors.New("split: no such method")
	ErrPolynomial = errors.New("split: no such polynomial")
	ErrParts      = errors.New("split: number of parts out of range for the method")
	ErrThreshold  = errors.New("split: threshold is not between 2 and the number of parts; of XOR it is that number")
	ErrTooFew     = errors.New("split: fewer parts than the threshold")
	ErrSize       = errors.New("split: size of the secret or of a part is wrong, or too large for so many parts")
	ErrIdentifier = errors.New("split: identifier of a part out of range, or twice")
	ErrPrime      = errors.New("split: the prime is none, too large, or not larger than the secret")
)

// Bounds.
const (
	minParts       = 2
	maxParts       = 1024
	maxParts256    = 255
	maxSecretBytes = 64 << 10
	// maxProducts bounds the multiplications of one call: about a second.
	maxProducts = 16 << 20
	// maxPrimeProducts bounds those of a prime field, which are of large
	// numbers.
	maxPrimeProducts = 256 << 10
)

// Part is one of the parts of a secret. Value is secret.
type Part struct {
	Identifier int // Key Part Identifier, from 1 to the number of parts
	Value      []byte
}

// Sharing says how a secret is shared. Polynomial counts for GF256 and GF65536
// only; 0 is Polynomial285. Prime counts for PrimeField only; nil is
// DefaultPrime of the size of the secret, which Join knows by the size of the
// parts.
type Sharing struct {
	Method     Method
	Threshold  int
	Prime      *big.Int
	Polynomial Polynomial
}

// Split shares a secret with the polynomial of KMIP 2.1: see Sharing.Split.
func Split(secret []byte, parts, threshold int, method Method, prime *big.Int, rand io.Reader) ([]Part, error) {
	return Sharing{Method: method, Threshold: threshold, Prime: prime}.Split(secret, parts, rand)
}

// Join gives back a secret that Split shared: see Sharing.Join.
func Join(parts []Part, threshold int, method Method, prime *big.Int, size int) ([]byte, error) {
	return Sharing{Method: method, Threshold: threshold, Prime: prime}.Join(parts, size)
}

// Split shares a secret among so many parts: from 2 to 255 with GF256, to 1024
// with the other methods. Returns ErrMethod, ErrPolynomial, ErrParts,
// ErrThreshold, ErrSize, ErrPrime, or the error of rand. The values are the
// caller's to overwrite. A rand of nil is crypto/rand.
func (s Sharing) Split(secret []byte, parts int, rand io.Reader) ([]Part, error) {
	if rand == nil {
		rand = cryptorand.Reader
	}
	switch {
	case s.most() == 0:
		return nil, ErrMethod
	case parts < minParts || parts > s.most():
		return nil, ErrParts
	case s.Threshold < minParts || s.Threshold > parts || s.Method == XOR && s.Threshold != parts:
		return nil, ErrThreshold
	case len(secret) == 0 || len(secret) > maxSecretBytes:
		return nil, ErrSize
	}
	switch s.Method {
	case XOR:
		return splitXOR(secret, parts, rand)
	case PrimeField:
		return splitPrime(s.Prime, secret, parts, s.Threshold, rand)
	default:
		f, err := s.field()
		if err != nil {
			return nil, err
		}
		return splitBinary(f, secret, parts, s.Threshold, rand)
	}
}

// Join gives back a secret of so many bytes, which a prime field needs to know
// and GF65536 for an odd number; 0 stands for as long as the parts are. With
// more parts than the threshold, the first ones count; XOR takes all, which
// must be as many as the threshold.
//
// Parts that do not belong together give a wrong secret, not an error, unless a
// prime field gives one that is too large. Returns ErrMethod, ErrPolynomial,
// ErrParts, ErrThreshold, ErrTooFew, ErrSize, ErrIdentifier and ErrPrime. The
// result is the caller's to overwrite.
func (s Sharing) Join(parts []Part, size int) ([]byte, error) {
	most := s.most()
	switch {
	case most == 0:
		return nil, ErrMethod
	case s.Threshold < minParts || s.Threshold > most:
		return nil, ErrThreshold
	case len(parts) > most:
		return nil, ErrParts
	case len(parts) < s.Threshold:
		return nil, ErrTooFew
	case s.Method == XOR && len(parts) != s.Threshold:
		return nil, ErrParts
	}
	length := len(parts[0].Value)
	if length == 0 || length > maxSecretBytes+1 || size < 0 || size > length {
		return nil, ErrSize
	}
	seen := make(map[int]bool, len(parts))
	for _, p := range parts {
		if p.Identifier < 1 || p.Identifier > most || seen[p.Identifier] {
			return nil, fmt.Errorf("%w: %d", ErrIdentifier, p.Identifier)
		}
		if len(p.Value) != length {
			return nil, ErrSize
		}
		seen[p.Identifier] = true
	}
	if size == 0 {
		size = length
	}
	parts = parts[:s.Threshold]
	switch s.Method {
	case XOR:
		return joinXOR(parts, size)
	case PrimeField:
		return joinPrime(s.Prime, parts, size)
	default:
		f, err := s.field()
		if err != nil {
			return nil, err
		}
		return joinBinary(f, parts, size)
	}
}

// most is the largest number of parts of the method; 0 if there is none such.
func (s Sharing) most() int {
	switch s.Method {
	case GF256:
		return maxParts256
	case XOR, GF65536, PrimeField:
		return maxParts
	}
	return 0
}
