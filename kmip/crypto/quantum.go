package crypto

import (
	"encoding/asn1"
	"errors"
	"io"

	"github.com/claviger/claviger/kmip"
)

// Keys of ML-KEM (FIPS 203), ML-DSA (FIPS 204) and SLH-DSA (FIPS 205), which
// KMIP 3.0 has names for. Raw is the seed, for SLH-DSA the private key, and the
// public key as those standards encode them; PKCS#8 and X.509 are by RFC 9935,
// 9881 and 9909. Private keys in expanded form alone are not read: seeds are
// what the libraries take. Of a key in both forms the seed counts.
//
// KMIP does not say what Cryptographic Length is. Here it is the length of the
// public key, and the number in the name is taken for it.

// parameterSet is one of the sets that have a Cryptographic Algorithm each.
type parameterSet struct {
	algorithm kmip.CryptographicAlgorithm
	oid       string
	named     int32 // the number in the name
}

var errSeed = errors.New("not a key of the algorithm, or one without a seed")

// seedOf reads the CHOICE of a private key of ML-KEM or ML-DSA: [0] seed, or
// SEQUENCE of seed and expanded key.
func seedOf(der []byte) ([]byte, error) {
	var v asn1.RawValue
	if err := unmarshal(der, &v); err != nil {
		return nil, err
	}
	switch {
	case v.Class == asn1.ClassContextSpecific && v.Tag == 0:
		return v.Bytes, nil
	case v.Class == asn1.ClassUniversal && v.Tag == asn1.TagSequence:
		var both struct{ Seed, Expanded []byte }
		err := unmarshal(der, &both)
		return both.Seed, err
	}
	return nil, errSeed
}

// marshalSeed writes the form of a seed alone.
func marshalSeed(seed []byte) []byte {
	return marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Bytes: seed})
}

// seedPrivate reads PKCS#8 of a key that is made of a seed.
func seedPrivate(make func([]byte) (otherPrivate, error)) func(parameters, key []byte) (otherPrivate, error) {
	return func(parameters, key []byte) (otherPrivate, error) {
		seed, err := seedOf(key)
		if err != nil || len(parameters) > 0 {
			return nil, errors.Join(errSeed, err)
		}
		return make(seed)
	}
}

// quantumPrivate writes a private key as Raw or PKCS#8, inside which it has a
// form of its own.
func quantumPrivate(f kmip.KeyFormatType, oid string, key []byte, inside func([]byte) []byte) []byte {
	switch f {
	case kmip.KeyFormatTypeRaw:
		return append([]byte(nil), key...)
	case kmip.KeyFormatTypePKCS8:
		return marshalPKCS8(oid, nil, inside(key))
	}
	return nil
}

// byteBits is the length in bits of so many bytes of a key.
func byteBits(n int) int32 { return int32(8 * n) } //nolint:gosec // a public key

// quantumAlgorithm makes and reads the keys of a parameter set.
type quantumAlgorithm struct {
	parameterSet
	private  func([]byte) (otherPrivate, error) // of Raw
	public   func([]byte) (otherKey, error)
	generate func(random io.Reader) (otherPrivate, error)
	pkcs8    func(parameters, key []byte) (otherPrivate, error)
}

// quantumAlgorithms are all of them.
var quantumAlgorithms = func() map[kmip.CryptographicAlgorithm]quantumAlgorithm {
	all := map[kmip.CryptographicAlgorithm]quantumAlgorithm{}
	for _, list := range [][]quantumAlgorithm{mlkemAlgorithms(), mldsaAlgorithms(), slhdsaAlgorithms()} {
		for _, a := range list {
			all[a.algorithm] = a
		}
	}
	return all
}()

// generateQuantum makes a key pair; ok is false for other algorithms.
func generateQuantum(alg kmip.CryptographicAlgorithm, lengthBits int32, random io.Reader) (key otherPrivate, ok bool, err error) {
	a, ok := quantumAlgorithms[alg]
	if !ok {
		return nil, false, nil
	}
	if key, err = a.generate(random); err != nil {
		return nil, true, errGenerate(err)
	}
	if lengthBits != 0 && lengthBits != key.lengthBits() && lengthBits != a.named {
		return nil, true, errKeyLength(alg, lengthBits)
	}
	return key, true, nil
}
