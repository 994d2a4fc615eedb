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

// parseTransparentRSAPrivate reads KMIP 2.1 §3.7. The Public Exponent and the
// Private Exponent, or the primes and one of them, are needed; the text would
// allow less. What can be computed from those is not read.
func parseTransparentRSAPrivate(t *kmip.Item) (*rsa.PrivateKey, error) {
	if t == nil {
		return nil, errMissing(kmip.TagKeyMaterial)
	}
	n, d, e := number(t, kmip.TagModulus), number(t, kmip.TagPrivateExponent), number(t, kmip.TagPublicExponent)
	p, q := number(t, kmip.TagP), number(t, kmip.TagQ)
	if n == nil {
		return nil, errMissing(kmip.TagModulus)
	}
	key := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: n}}
	if p != nil && q != nil {
		key.Primes = []*big.Int{p, q}
		order := lambda(p, q)
		if order.Sign() == 0 {
			return nil, errMissing(kmip.TagP)
		}
		if d == nil && e != nil {
			d = new(big.Int).ModInverse(e, order)
		}
		if e == nil && d != nil {
			e = new(big.Int).ModInverse(d, order)
		}
	}
	if d == nil {
		return nil, errMissing(kmip.TagPrivateExponent)
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
