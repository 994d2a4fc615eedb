package crypto

//lint:file-ignore SA1019 the protocol has DSA, and keys of clients use it

import (
	"crypto"
	"crypto/dsa" //nolint:staticcheck // the protocol has DSA, and keys of clients use it
	"crypto/rand"
	"encoding/asn1"
	"errors"
	"io"
	"math/big"
	"time"

	"github.com/claviger/claviger/kmip"
)

// oidDSA is id-dsa (RFC 3279 §2.3.2).
const oidDSA = "1.2.840.10040.4.1"

// x509DSAPublic is what crypto/x509 makes of the key of a certificate.
type x509DSAPublic = dsa.PublicKey

// dsaPrivate and dsaPublic are keys of DSA (FIPS 186-4). crypto/dsa computes
// with math/big, so that the time of a signature depends on the key: whoever
// can measure it precisely should be served with another algorithm.
type (
	dsaPrivate struct{ *dsa.PrivateKey }
	dsaPublic  struct{ *dsa.PublicKey }
)

type (
	dsaParameters struct{ P, Q, G *big.Int }
	dsaSignature  struct{ R, S *big.Int }
)

var errDSA = errors.New("not a key of DSA")

// newDSAPublic checks that the numbers are a group and an element of it.
func newDSAPublic(k *dsa.PublicKey) (otherKey, error) {
	one := big.NewInt(1)
	if !isKeyNumber(k.P) || !isBetween(k.G, 1, k.P) || !isBetween(k.Y, 1, k.P) || !isBetween(k.Q, 1, k.P) || k.Q.BitLen() > 512 {
		return nil, errDSA
	}
	if new(big.Int).Mod(new(big.Int).Sub(k.P, one), k.Q).Sign() != 0 || new(big.Int).Exp(k.G, k.Q, k.P).Cmp(one) != 0 {
		return nil, errDSA
	}
	return dsaPublic{k}, nil
}

// newDSAPrivate makes a key of a group and a secret exponent.
func newDSAPrivate(p dsaParameters, x *big.Int) (otherPrivate, error) {
	if !isKeyNumber(p.P) || !isBetween(p.Q, 1, p.P) || !isBetween(x, 0, p.Q) || !isBetween(p.G, 1, p.P) {
		return nil, errDSA
	}
	y, err := modExp(p.G, x, p.P)
	if err != nil {
		return nil, err
	}
	k := &dsa.PrivateKey{PublicKey: dsa.PublicKey{Parameters: dsa.Parameters{P: p.P, Q: p.Q, G: p.G}, Y: new(big.Int).SetBytes(y)}, X: x}
	if _, err := newDSAPublic(&k.PublicKey); err != nil {
		return nil, err
	}
	return dsaPrivate{k}, nil
}

func parseDSAParameters(der []byte) (p dsaParameters, err error) {
	err = unmarshal(der, &p)
	return p, err
}

func parseDSAPrivate(parameters, key []byte) (otherPrivate, error) {
	p, err := parseDSAParameters(parameters)
	if err != nil {
		return nil, err
	}
	return newDSAPrivate(p, integer(key))
}

func parseDSAPublic(parameters, key []byte) (otherKey, error) {
	p, err := parseDSAParameters(parameters)
	if err != nil {
		return nil, err
	}
	return newDSAPublic(&dsa.PublicKey{Parameters: dsa.Parameters(p), Y: integer(key)})
}

// parseTransparentDSAPrivate reads KMIP 2.1 §3.5.
func parseTransparentDSAPrivate(t *kmip.Item) (otherPrivate, error) {
	if t == nil {
		return nil, errMissing(kmip.TagKeyMaterial)
	}
	return newDSAPrivate(dsaParameters{number(t, kmip.TagP), number(t, kmip.TagQ), number(t, kmip.TagG)}, number(t, kmip.TagX))
}

// parseTransparentDSAPublic reads KMIP 2.1 §3.6.
func parseTransparentDSAPublic(t *kmip.Item) (otherKey, error) {
	if t == nil {
		return nil, errMissing(kmip.TagKeyMaterial)
	}
	return newDSAPublic(&dsa.PublicKey{Parameters: dsa.Parameters{P: number(t, kmip.TagP), Q: number(t, kmip.TagQ), G: number(t, kmip.TagG)}, Y: number(t, kmip.TagY)})
}

func (dsaPrivate) algorithm() kmip.CryptographicAlgorithm { return kmip.CryptographicAlgorithmDSA }
func (dsaPublic) algorithm() kmip.CryptographicAlgorithm  { return kmip.CryptographicAlgorithmDSA }
func (k dsaPrivate) lengthBits() int32                    { return bitLength(k.P) }
func (k dsaPublic) lengthBits() int32                     { return bitLength(k.P) }

// Public returns the other half.
func (k dsaPrivate) Public() crypto.PublicKey { return dsaPublic{&k.PublicKey} }

func (k dsaPrivate) encode(f kmip.KeyFormatType) ([]byte, *kmip.Item) {
	switch f {
	case kmip.KeyFormatTypePKCS8:
		return marshalPKCS8(oidDSA, marshal(dsaParameters(k.Parameters)), marshal(k.X)), nil
	case kmip.KeyFormatTypeTransparentDSAPrivateKey:
		return nil, transparent(bigInteger(kmip.TagP, k.P), bigInteger(kmip.TagQ, k.Q), bigInteger(kmip.TagG, k.G), bigInteger(kmip.TagX, k.X))
	}
	return nil, nil
}

func (k dsaPublic) encode(f kmip.KeyFormatType) ([]byte, *kmip.Item) {
	switch f {
	case kmip.KeyFormatTypeX509:
		return marshalSPKI(oidDSA, marshal(dsaParameters(k.Parameters)), marshal(k.Y)), nil
	case kmip.KeyFormatTypeTransparentDSAPublicKey:
		return nil, transparent(bigInteger(kmip.TagP, k.P), bigInteger(kmip.TagQ, k.Q), bigInteger(kmip.TagG, k.G), bigInteger(kmip.TagY, k.Y))
	}
	return nil, nil
}

// dsaSum is as much of a hash as Q has bytes (FIPS 186-4 §4.2); crypto/dsa does
// not cut.
func dsaSum(sum []byte, q *big.Int) []byte { return sum[:min(len(sum), (q.BitLen()+7)/8)] }

// signDigest makes Dss-Sig-Value (RFC 3279 §2.2.2).
func (k dsaPrivate) signDigest(sum []byte) ([]byte, error) {
	r, s, err := dsa.Sign(rand.Reader, k.PrivateKey, dsaSum(sum, k.Q))
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(dsaSignature{r, s})
}

func (k dsaPublic) verifyDigest(sum, signature []byte) bool {
	var v dsaSignature
	if len(signature) > maxNumberBytes || unmarshal(signature, &v) != nil {
		return false
	}
	return dsa.Verify(k.PublicKey, dsaSum(sum, k.Q), v.R, v.S)
}

// dsaSizes are the lengths of P and Q (FIPS 186-4 §4.2) by those of P and Q; 0
// is what is taken when no length of Q is given.
var dsaSizes = map[int32]map[int32]dsa.ParameterSizes{
	1024: {0: dsa.L1024N160, 160: dsa.L1024N160},
	2048: {0: dsa.L2048N256, 224: dsa.L2048N224, 256: dsa.L2048N256},
	3072: {0: dsa.L3072N256, 256: dsa.L3072N256},
}

// maxGroupTime bounds the search for the primes of a group. It takes a second
// or two for 1024 bits, and up to a minute for 3072.
const maxGroupTime = 2 * time.Minute

// untilReader reads until a time, and fails then: what makes a search end.
type untilReader struct{ end time.Time }

var errTooLarge = errors.New("the search for primes took too long")

func (r untilReader) Read(b []byte) (int, error) {
	if time.Now().After(r.end) {
		return 0, errTooLarge
	}
	return rand.Read(b)
}

// generateGroup makes a group of prime order in another one.
func generateGroup(alg kmip.CryptographicAlgorithm, lengthBits, qBits int32) (dsaParameters, error) {
	size, ok := dsaSizes[lengthBits][qBits]
	if !ok {
		return dsaParameters{}, kmip.Fail(kmip.KindAttributeValue, "Cryptographic Length %d with a Qlength of %d is not possible for %v", lengthBits, qBits, alg)
	}
	var p dsa.Parameters
	if err := dsa.GenerateParameters(&p, untilReader{time.Now().Add(maxGroupTime)}, size); err != nil {
		return dsaParameters{}, errGenerate(err)
	}
	return dsaParameters(p), nil
}

// generateDSA makes a key in a group of its own.
func generateDSA(lengthBits, qBits int32, random io.Reader) (otherPrivate, error) {
	p, err := generateGroup(kmip.CryptographicAlgorithmDSA, lengthBits, qBits)
	if err != nil {
		return nil, err
	}
	k := &dsa.PrivateKey{PublicKey: dsa.PublicKey{Parameters: dsa.Parameters(p)}}
	if err := dsa.GenerateKey(k, random); err != nil {
		return nil, errGenerate(err)
	}
	return dsaPrivate{k}, nil
}
