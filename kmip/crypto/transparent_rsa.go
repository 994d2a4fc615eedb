package crypto

import (
	"crypto/rsa"
	"math/big"

	"github.com/claviger/claviger/kmip"
)

// parseTransparentRSAPublic reads KMIP 2.1 §3.8.
func parseTransparentRSAPublic(t *kmip.Item) (*rsa.PublicKey, error) {
	if t == nil {
		return nil, errMissing(kmip.TagKeyMaterial)
	}
	n, e := number(t, kmip.TagModulus), number(t, kmip.TagPublicExponent)
	if n == nil {
		return nil, errMissing(kmip.TagModulus)
	}
	if !isExponent(e) {
		return nil, errMissing(kmip.TagPublicExponent)
	}
	return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
}

func isExponent(e *big.Int) bool { return e != nil && e.BitLen() <= 31 }

// usualExponents are the public exponents that are tried when a private key does
// not have its own, which KMIP allows.
var usualExponents = []int64{65537, 3, 17, 5, 7, 257}

// parseTransparentRSAPrivate reads KMIP 2.1 §3.7, in all combinations that it
// allows: Private Exponent, or P and Q, or Prime Exponent P and Prime Exponent
// Q. A Public Exponent that is missing is computed, or is the usual one that
// fits; with P and Q alone nothing can be fitted, and it is 65537.
func parseTransparentRSAPrivate(t *kmip.Item) (*rsa.PrivateKey, error) {
	if t == nil {
		return nil, errMissing(kmip.TagKeyMaterial)
	}
	n, d, e := number(t, kmip.TagModulus), number(t, kmip.TagPrivateExponent), number(t, kmip.TagPublicExponent)
	p, q := number(t, kmip.TagP), number(t, kmip.TagQ)
	dp, dq := number(t, kmip.TagPrimeExponentP), number(t, kmip.TagPrimeExponentQ)
	if n == nil || n.Bit(0) == 0 {
		return nil, errMissing(kmip.TagModulus)
	}
	if (p == nil || q == nil) && d == nil && dp != nil && dq != nil {
		p, q, e = primesOfExponent(n, dp, e)
		if p == nil {
			return nil, errMissing(kmip.TagPrimeExponentP)
		}
	}
	key := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: n}}
	if p != nil && q != nil {
		key.Primes = []*big.Int{p, q}
		order := lambda(p, q)
		if order.Sign() == 0 {
			return nil, errMissing(kmip.TagP)
		}
		switch {
		case e == nil && d != nil:
			e = new(big.Int).ModInverse(d, order)
		case e == nil && dp != nil:
			e = new(big.Int).ModInverse(dp, new(big.Int).Sub(p, big.NewInt(1)))
		case e == nil:
			e = big.NewInt(usualExponents[0])
		}
		if d == nil && e != nil {
			d = new(big.Int).ModInverse(e, order)
		}
	}
	if d == nil {
		return nil, errMissing(kmip.TagPrivateExponent)
	}
	if e == nil {
		e = exponentOf(n, d)
	}
	if !isExponent(e) {
		return nil, errMissing(kmip.TagPublicExponent)
	}
	key.D, key.E = d, int(e.Int64())
	if len(key.Primes) == 0 {
		return key, nil
	}
	if err := key.Validate(); err != nil {
		return nil, err
	}
	key.Precompute()
	return key, nil
}

// exponentOf finds the public exponent that fits a private one; nil if none of
// the usual does.
func exponentOf(n, d *big.Int) *big.Int {
	two := big.NewInt(2)
	power, err := modExp(two, d, n)
	if err != nil {
		return nil
	}
	base := new(big.Int).SetBytes(power)
	for _, usual := range usualExponents {
		e := big.NewInt(usual)
		if new(big.Int).Exp(base, e, n).Cmp(two) == 0 {
			return e
		}
	}
	return nil
}

// primesOfExponent finds the primes by the private exponent of one of them: as
// 2^(e dP) is 2 modulo P but not modulo Q, the difference has P in common with
// the modulus. Without a public exponent the usual ones are tried.
func primesOfExponent(n, dp, e *big.Int) (p, q, exponent *big.Int) {
	two, one := big.NewInt(2), big.NewInt(1)
	power, err := modExp(two, dp, n)
	if err != nil {
		return nil, nil, nil
	}
	base := new(big.Int).SetBytes(power)
	candidates := []*big.Int{e}
	if e == nil {
		candidates = nil
		for _, usual := range usualExponents {
			candidates = append(candidates, big.NewInt(usual))
		}
	}
	for _, e := range candidates {
		if !isExponent(e) {
			continue
		}
		difference := new(big.Int).Exp(base, e, n)
		difference.Sub(difference, two).Mod(difference, n)
		if p := new(big.Int).GCD(nil, nil, difference, n); p.Cmp(one) > 0 && p.Cmp(n) < 0 {
			return p, new(big.Int).Div(n, p), e
		}
	}
	return nil, nil, nil
}

// withPrimes completes a key that has its exponents only, which PKCS#1 cannot
// say (SP 800-56B Appendix C.1). A key that has its primes, or that is none, is
// returned as it is.
func withPrimes(k *rsa.PrivateKey) *rsa.PrivateKey {
	if len(k.Primes) >= 2 || k.D == nil {
		return k
	}
	one := big.NewInt(1)
	rest := new(big.Int).Mul(k.D, big.NewInt(int64(k.E)))
	rest.Sub(rest, one)
	if rest.Sign() <= 0 || rest.Bit(0) != 0 {
		return k
	}
	twos := rest.TrailingZeroBits()
	rest.Rsh(rest, twos)
	last := new(big.Int).Sub(k.N, one)
	for g := int64(2); g < 100; g++ { // each finds them with a chance of a half
		x := new(big.Int).Exp(big.NewInt(g), rest, k.N)
		for range twos {
			square := new(big.Int).Mul(x, x)
			square.Mod(square, k.N)
			if square.Cmp(one) == 0 {
				if x.Cmp(one) == 0 || x.Cmp(last) == 0 {
					break
				}
				p := new(big.Int).GCD(nil, nil, new(big.Int).Sub(x, one), k.N)
				full := &rsa.PrivateKey{PublicKey: k.PublicKey, D: k.D, Primes: []*big.Int{p, new(big.Int).Div(k.N, p)}}
				if full.Validate() != nil {
					return k
				}
				full.Precompute()
				return full
			}
			x = square
		}
	}
	return k
}

// lambda is the least common multiple of p-1 and q-1.
func lambda(p, q *big.Int) *big.Int {
	one := big.NewInt(1)
	a, b := new(big.Int).Sub(p, one), new(big.Int).Sub(q, one)
	if a.Sign() == 0 || b.Sign() == 0 {
		return new(big.Int)
	}
	gcd := new(big.Int).GCD(nil, nil, a, b)
	return a.Mul(a, b).Div(a, gcd)
}

// transparentRSAPrivate writes KMIP 2.1 §3.7.
func transparentRSAPrivate(k *rsa.PrivateKey) kmip.Item {
	t := kmip.Structure(kmip.TagKeyMaterial,
		bigInteger(kmip.TagModulus, k.N),
		bigInteger(kmip.TagPrivateExponent, k.D),
		bigInteger(kmip.TagPublicExponent, big.NewInt(int64(k.E))))
	if len(k.Primes) == 2 {
		k.Precompute()
		t.Items = append(t.Items,
			bigInteger(kmip.TagP, k.Primes[0]), bigInteger(kmip.TagQ, k.Primes[1]),
			bigInteger(kmip.TagPrimeExponentP, k.Precomputed.Dp), bigInteger(kmip.TagPrimeExponentQ, k.Precomputed.Dq),
			bigInteger(kmip.TagCRTCoefficient, k.Precomputed.Qinv))
	}
	return t
}

// transparentRSAPublic writes KMIP 2.1 §3.8.
func transparentRSAPublic(k *rsa.PublicKey) kmip.Item {
	return kmip.Structure(kmip.TagKeyMaterial,
		bigInteger(kmip.TagModulus, k.N), bigInteger(kmip.TagPublicExponent, big.NewInt(int64(k.E))))
}
