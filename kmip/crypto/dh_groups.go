package crypto

import "math/big"

// ffdhe are the groups of RFC 7919: what is added to the digits of e, by the
// length of the prime.
var ffdhe = map[int32]int64{2048: 560316, 3072: 2625351, 4096: 5736041, 6144: 15705020, 8192: 10965728}

// safePrimeGroup makes a group of RFC 7919 Appendix A by its formula,
//
//	p = 2^b - 2^(b-64) + {[2^(b-130) e] + X} * 2^64 - 1
//
// with the generator 2 and the order (p-1)/2.
func safePrimeGroup(lengthBits int32) (dhGroup, bool) {
	x, ok := ffdhe[lengthBits]
	if !ok {
		return dhGroup{}, false
	}
	b := uint(lengthBits) //nolint:gosec // one of the table
	one := big.NewInt(1)
	p := eulerDigits(b - 130)
	p.Add(p, big.NewInt(x)).Lsh(p, 64)
	p.Add(p, new(big.Int).Lsh(one, b)).Sub(p, new(big.Int).Lsh(one, b-64)).Sub(p, one)
	return dhGroup{P: p, Q: new(big.Int).Rsh(p, 1), G: big.NewInt(2)}, true
}

// eulerDigits is the whole part of 2^n e: the sum of 1/k!, with bits to spare.
func eulerDigits(n uint) *big.Int {
	const spare = 64
	term := new(big.Int).Lsh(big.NewInt(1), n+spare)
	sum := new(big.Int)
	for k := int64(1); term.Sign() > 0; k++ {
		sum.Add(sum, term)
		term.Div(term, big.NewInt(k))
	}
	return sum.Rsh(sum, spare)
}
