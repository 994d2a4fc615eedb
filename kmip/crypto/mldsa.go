package crypto

import (
	"crypto"
	"crypto/rand"
	"io"

	"filippo.io/mldsa"

	"github.com/claviger/claviger/kmip"
)

// mldsaSet is a parameter set of ML-DSA.
type mldsaSet struct {
	parameterSet
	parameters mldsa.Parameters
}

type (
	mldsaPrivate struct {
		mldsaSet
		key *mldsa.PrivateKey
	}
	mldsaPublic struct {
		mldsaSet
		key *mldsa.PublicKey
	}
)

func mldsaAlgorithms() (all []quantumAlgorithm) {
	for _, s := range []mldsaSet{
		{parameterSet{kmip.CryptographicAlgorithmMLDSA44, "2.16.840.1.101.3.4.3.17", 44}, mldsa.MLDSA44()},
		{parameterSet{kmip.CryptographicAlgorithmMLDSA65, "2.16.840.1.101.3.4.3.18", 65}, mldsa.MLDSA65()},
		{parameterSet{kmip.CryptographicAlgorithmMLDSA87, "2.16.840.1.101.3.4.3.19", 87}, mldsa.MLDSA87()},
	} {
		all = append(all, quantumAlgorithm{s.parameterSet, s.private, s.public, s.generate, seedPrivate(s.private)})
	}
	return all
}

func (s mldsaSet) private(seed []byte) (otherPrivate, error) {
	key, err := mldsa.NewPrivateKey(s.parameters, seed)
	if err != nil {
		return nil, err
	}
	return mldsaPrivate{s, key}, nil
}

func (s mldsaSet) public(b []byte) (otherKey, error) {
	key, err := mldsa.NewPublicKey(s.parameters, b)
	if err != nil {
		return nil, err
	}
	return mldsaPublic{s, key}, nil
}

func (s mldsaSet) generate(random io.Reader) (otherPrivate, error) {
	seed := make([]byte, mldsa.PrivateKeySize)
	defer clear(seed)
	if _, err := io.ReadFull(random, seed); err != nil {
		return nil, err
	}
	key, err := mldsa.NewPrivateKey(s.parameters, seed)
	if err != nil {
		return nil, err
	}
	return mldsaPrivate{s, key}, nil
}

func (k mldsaPrivate) algorithm() kmip.CryptographicAlgorithm { return k.parameterSet.algorithm }
func (k mldsaPublic) algorithm() kmip.CryptographicAlgorithm  { return k.parameterSet.algorithm }
func (k mldsaPrivate) lengthBits() int32                      { return byteBits(k.parameters.PublicKeySize()) }

func (k mldsaPublic) lengthBits() int32 { return byteBits(k.parameters.PublicKeySize()) }

// Public returns the other half.
func (k mldsaPrivate) Public() crypto.PublicKey { return mldsaPublic{k.mldsaSet, k.key.PublicKey()} }

func (k mldsaPrivate) encode(f kmip.KeyFormatType) ([]byte, *kmip.Item) {
	return quantumPrivate(f, k.oid, k.key.Bytes(), marshalSeed), nil
}

func (k mldsaPublic) encode(f kmip.KeyFormatType) ([]byte, *kmip.Item) {
	return bareFormat(f, kmip.KeyFormatTypeX509, k.parameterSet.oid, k.key.Bytes()), nil
}

// oid is also that of signatures.
func (k mldsaPublic) oid() string { return k.parameterSet.oid }

// signMessage signs with the empty context, randomized (FIPS 204 §5.2).
func (k mldsaPrivate) signMessage(data []byte) ([]byte, error) {
	return k.key.Sign(rand.Reader, data, crypto.Hash(0))
}

func (k mldsaPublic) verifyMessage(data, signature []byte) bool {
	return mldsa.Verify(k.key, data, signature, nil) == nil
}
