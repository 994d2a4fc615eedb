package crypto

import (
	"crypto"
	"crypto/rand"
	"errors"
	"io"
	"strconv"

	"github.com/cloudflare/circl/sign/slhdsa"

	"github.com/claviger/claviger/kmip"
)

// slhdsaSet is a parameter set of SLH-DSA.
type slhdsaSet struct {
	parameterSet
	id slhdsa.ID
}

type (
	slhdsaPrivate struct {
		slhdsaSet
		key slhdsa.PrivateKey
	}
	slhdsaPublic struct {
		slhdsaSet
		key slhdsa.PublicKey
	}
)

var errSLHDSA = errors.New("not a key of SLH-DSA")

// slhdsaAlgorithms are the twelve sets in the order of FIPS 205 §11, in which
// KMIP counts them and NIST their object identifiers.
func slhdsaAlgorithms() (all []quantumAlgorithm) {
	for i, id := range []slhdsa.ID{
		slhdsa.SHA2_128s, slhdsa.SHA2_128f, slhdsa.SHA2_192s, slhdsa.SHA2_192f, slhdsa.SHA2_256s, slhdsa.SHA2_256f,
		slhdsa.SHAKE_128s, slhdsa.SHAKE_128f, slhdsa.SHAKE_192s, slhdsa.SHAKE_192f, slhdsa.SHAKE_256s, slhdsa.SHAKE_256f,
	} {
		s := slhdsaSet{parameterSet{
			algorithm: kmip.CryptographicAlgorithmSLHDSASHA2128s + kmip.CryptographicAlgorithm(i),
			oid:       "2.16.840.1.101.3.4.3." + strconv.Itoa(20+i),
			named:     []int32{128, 128, 192, 192, 256, 256}[i%6],
		}, id}
		all = append(all, quantumAlgorithm{s.parameterSet, s.private, s.public, s.generate, s.pkcs8})
	}
	return all
}

func (s slhdsaSet) private(b []byte) (otherPrivate, error) {
	k := slhdsaPrivate{slhdsaSet: s, key: slhdsa.PrivateKey{ID: s.id}}
	if len(b) != s.id.Scheme().PrivateKeySize() {
		return nil, errSLHDSA
	}
	if err := k.key.UnmarshalBinary(b); err != nil {
		return nil, err
	}
	return k, nil
}

func (s slhdsaSet) public(b []byte) (otherKey, error) {
	k := slhdsaPublic{slhdsaSet: s, key: slhdsa.PublicKey{ID: s.id}}
	if len(b) != s.id.Scheme().PublicKeySize() {
		return nil, errSLHDSA
	}
	if err := k.key.UnmarshalBinary(b); err != nil {
		return nil, err
	}
	return k, nil
}

// pkcs8 reads a key that stands in PKCS#8 as it is.
func (s slhdsaSet) pkcs8(parameters, key []byte) (otherPrivate, error) {
	if len(parameters) > 0 {
		return nil, errSLHDSA
	}
	return s.private(key)
}

func (s slhdsaSet) generate(random io.Reader) (otherPrivate, error) {
	_, key, err := slhdsa.GenerateKey(random, s.id)
	if err != nil {
		return nil, err
	}
	return slhdsaPrivate{s, key}, nil
}

func (k slhdsaPrivate) algorithm() kmip.CryptographicAlgorithm { return k.parameterSet.algorithm }
func (k slhdsaPublic) algorithm() kmip.CryptographicAlgorithm  { return k.parameterSet.algorithm }
func (k slhdsaPrivate) lengthBits() int32                      { return byteBits(k.id.Scheme().PublicKeySize()) }

func (k slhdsaPublic) lengthBits() int32 { return byteBits(k.id.Scheme().PublicKeySize()) }

// Public returns the other half.
func (k slhdsaPrivate) Public() crypto.PublicKey { return slhdsaPublic{k.slhdsaSet, k.key.PublicKey()} }

func (k slhdsaPrivate) encode(f kmip.KeyFormatType) ([]byte, *kmip.Item) {
	b, err := k.key.MarshalBinary()
	if err != nil {
		return nil, nil
	}
	return quantumPrivate(f, k.oid, b, func(b []byte) []byte { return append([]byte(nil), b...) }), nil
}

func (k slhdsaPublic) encode(f kmip.KeyFormatType) ([]byte, *kmip.Item) {
	b, err := k.key.MarshalBinary()
	if err != nil {
		return nil, nil
	}
	return bareFormat(f, kmip.KeyFormatTypeX509, k.parameterSet.oid, b), nil
}

// oid is also that of signatures.
func (k slhdsaPublic) oid() string { return k.parameterSet.oid }

// signMessage signs with the empty context, randomized (FIPS 205 §10.2).
func (k slhdsaPrivate) signMessage(data []byte) ([]byte, error) {
	return slhdsa.SignRandomized(&k.key, rand.Reader, slhdsa.NewMessage(data), nil)
}

func (k slhdsaPublic) verifyMessage(data, signature []byte) bool {
	return slhdsa.Verify(&k.key, slhdsa.NewMessage(data), signature, nil)
}
