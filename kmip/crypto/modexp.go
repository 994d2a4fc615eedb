package crypto

import (
	"errors"
	"math/big"

	"filippo.io/bigmod"
)

var errModulus = errors.New("the numbers are not those of a group")

// modExp computes base^exponent modulo an odd number in a time that depends on
// the lengths alone, as math/big does not. The result is as long as the modulus.
func modExp(base, exponent, modulus *big.Int) ([]byte, error) {
	if base == nil || exponent == nil || modulus == nil || modulus.Sign() <= 0 || modulus.Bit(0) == 0 || base.Sign() < 0 || exponent.Sign() < 0 {
		return nil, errModulus
	}
	m, err := bigmod.NewModulus(modulus.Bytes())
	if err != nil {
		return nil, err
	}
	b, err := bigmod.NewNat().SetBytes(base.Bytes(), m)
	if err != nil {
		return nil, errModulus
	}
	e := exponent.Bytes()
	defer clear(e)
	return bigmod.NewNat().Exp(b, e, m).Bytes(m), nil
}

// bitLength is the Cryptographic Length of a key with this modulus.
func bitLength(n *big.Int) int32 { return int32(n.BitLen()) } //nolint:gosec // bounded when it was read
