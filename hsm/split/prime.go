package split

import (
	"bytes"
	"crypto/subtle"
	"io"
	"math/big"
	"slices"

	"filippo.io/bigmod"
)

// mersenne are the exponents e of the primes 2^e - 1, of three bytes and more.
var mersenne = []int{31, 61, 89, 107, 127, 521, 607, 1279, 2203, 2281, 3217, 4253}

// maxPrimeBits bounds a prime: that of a secret of 4096 bits.
const maxPrimeBits = 4253

// DefaultPrime is the prime for a secret of so many bytes when none is given:
// the smallest Mersenne prime 2^e - 1 that is larger than every such secret, for
// everybody knows that those are prime. It is nil if the secret is too large.
func DefaultPrime(size int) *big.Int {
	if size < 1 || size > maxPrimeBits/8 {
		return nil
	}
	i := slices.IndexFunc(mersenne, func(e int) bool { return e > 8*size })
	return mersennePrime(mersenne[i])
}

func mersennePrime(e int) *big.Int {
	p := new(big.Int).Lsh(big.NewInt(1), uint(e))
	return p.Sub(p, big.NewInt(1))
}

// modulus checks a prime, and that secrets of so many bytes are smaller. A
// prime that a party chose to deceive itself is its own affair: 20 rounds find
// all others.
func modulus(prime *big.Int, size int) (*bigmod.Modulus, error) {
	if prime == nil {
		return nil, ErrPrime
	}
	if prime.Sign() <= 0 || prime.BitLen() > maxPrimeBits || prime.BitLen() <= 8*size || !prime.ProbablyPrime(20) {
		return nil, ErrPrime
	}
	mod, err := bigmod.NewModulus(prime.Bytes())
	if err != nil {
		return nil, ErrPrime
	}
	return mod, nil
}

// splitPrime shares the secret, a number, by one polynomial.
func splitPrime(prime *big.Int, secret []byte, n, threshold int, rand io.Reader) ([]Part, error) {
	if n*(threshold-1) > maxPrimeProducts {
		return nil, ErrSize
	}
	if prime == nil {
		prime = DefaultPrime(len(secret))
	}
	mod, err := modulus(prime, len(secret))
	if err != nil {
		return nil, err
	}
	if prime.Cmp(big.NewInt(int64(n))) <= 0 { // identifiers would repeat
		return nil, ErrPrime
	}
	constant, err := number(secret, mod)
	if err != nil {
		return nil, ErrPrime
	}
	coefficients := make([]*bigmod.Nat, threshold-1)
	for i := range coefficients {
		if coefficients[i], err = random(mod, rand); err != nil {
			return nil, err
		}
	}
	parts := make([]Part, n)
	for i := range parts {
		x := small(i+1, mod)
		y := bigmod.NewNat().ExpandFor(mod)
		for _, c := range coefficients { // Horner, the highest power first
			y.Add(c, mod).Mul(x, mod)
		}
		parts[i] = Part{i + 1, y.Add(constant, mod).Bytes(mod)}
	}
	return parts, nil
}

// joinPrime interpolates at 0, by Lagrange. The weights come from identifiers,
// which are public.
func joinPrime(prime *big.Int, parts []Part, size int) ([]byte, error) {
	if prime == nil { // no two of the defaults are of one length
		i := slices.IndexFunc(mersenne, func(e int) bool { return (e+7)/8 == len(parts[0].Value) })
		if i < 0 {
			return nil, ErrPrime
		}
		prime = mersennePrime(mersenne[i])
	}
	mod, err := modulus(prime, 0)
	if err != nil {
		return nil, err
	}
	if len(parts[0].Value) != mod.Size() {
		return nil, ErrSize
	}
	sum := bigmod.NewNat().ExpandFor(mod)
	for i, p := range parts {
		over, under := big.NewInt(1), big.NewInt(1)
		for j, q := range parts {
			if j != i {
				over.Mul(over, big.NewInt(int64(q.Identifier))).Mod(over, prime)
				under.Mul(under, big.NewInt(int64(q.Identifier-p.Identifier))).Mod(under, prime)
			}
		}
		if under.ModInverse(under, prime) == nil {
			return nil, ErrPrime
		}
		over.Mul(over, under).Mod(over, prime)
		weight, err := number(over.Bytes(), mod)
		if err != nil {
			return nil, ErrPrime
		}
		y, err := number(p.Value, mod)
		if err != nil { // no element of the field
			return nil, ErrSize
		}
		sum.Add(y.Mul(weight, mod), mod)
	}
	all := sum.Bytes(mod)
	defer clear(all)
	if subtle.ConstantTimeCompare(all[:len(all)-size], make([]byte, len(all)-size)) == 0 { // a wrong part: no secret
		return nil, ErrSize
	}
	return bytes.Clone(all[len(all)-size:]), nil
}

// number reads a number in big-endian order that is smaller than the modulus.
func number(b []byte, mod *bigmod.Modulus) (*bigmod.Nat, error) {
	return bigmod.NewNat().SetBytes(b, mod)
}

// small makes an element of an identifier.
func small(n int, mod *bigmod.Modulus) *bigmod.Nat {
	return bigmod.NewNat().SetUint(uint(n)).ExpandFor(mod)
}

// random draws an element: numbers that are too large are drawn again, which
// says nothing about the one that is taken.
func random(mod *bigmod.Modulus, rand io.Reader) (*bigmod.Nat, error) {
	b := make([]byte, mod.Size())
	defer clear(b)
	for {
		if _, err := io.ReadFull(rand, b); err != nil {
			return nil, err
		}
		b[0] &= 0xff >> (8*mod.Size() - mod.BitLen())
		if n, err := number(b, mod); err == nil {
			return n, nil
		}
	}
}
