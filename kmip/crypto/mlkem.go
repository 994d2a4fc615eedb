package crypto

import (
	"crypto"
	"crypto/mlkem"
	"errors"
	"io"

	"github.com/cloudflare/circl/kem/mlkem/mlkem512"

	"github.com/claviger/claviger/kmip"
)

// mlkemSet is a parameter set of ML-KEM. Those of 768 and 1024 are the standard
// library's, that of 512 is circl's.
type mlkemSet struct {
	parameterSet
	open  func(seed []byte) (mlkemKey, error)
	check func(public []byte) error
}

// mlkemKey is a private key of one of the libraries: its public half, and what
// it does.
type mlkemKey struct {
	public      []byte
	decapsulate func(ciphertext []byte) ([]byte, error)
}

type (
	mlkemPrivate struct {
		mlkemSet
		mlkemKey
		seed []byte
	}
	mlkemPublic struct {
		mlkemSet
		key []byte
	}
)

var errMLKEM = errors.New("not a key of ML-KEM")

func mlkemAlgorithms() (all []quantumAlgorithm) {
	for _, s := range []mlkemSet{
		{parameterSet{kmip.CryptographicAlgorithmMLKEM512, "2.16.840.1.101.3.4.4.1", 512}, openMLKEM512, checkMLKEM512},
		{parameterSet{kmip.CryptographicAlgorithmMLKEM768, "2.16.840.1.101.3.4.4.2", 768}, openMLKEM768, checkMLKEM768},
		{parameterSet{kmip.CryptographicAlgorithmMLKEM1024, "2.16.840.1.101.3.4.4.3", 1024}, openMLKEM1024, checkMLKEM1024},
	} {
		all = append(all, quantumAlgorithm{s.parameterSet, s.private, s.public, s.generate, seedPrivate(s.private)})
	}
	return all
}

func openMLKEM512(seed []byte) (mlkemKey, error) {
	public, private := mlkem512.NewKeyFromSeed(seed)
	b, err := public.MarshalBinary()
	return mlkemKey{b, func(c []byte) ([]byte, error) { return mlkem512.Scheme().Decapsulate(private, c) }}, err
}

func openMLKEM768(seed []byte) (mlkemKey, error) {
	k, err := mlkem.NewDecapsulationKey768(seed)
	if err != nil {
		return mlkemKey{}, err
	}
	return mlkemKey{k.EncapsulationKey().Bytes(), k.Decapsulate}, nil
}

func openMLKEM1024(seed []byte) (mlkemKey, error) {
	k, err := mlkem.NewDecapsulationKey1024(seed)
	if err != nil {
		return mlkemKey{}, err
	}
	return mlkemKey{k.EncapsulationKey().Bytes(), k.Decapsulate}, nil
}

func checkMLKEM512(b []byte) error {
	_, err := mlkem512.Scheme().UnmarshalBinaryPublicKey(b)
	return err
}

func checkMLKEM768(b []byte) error {
	_, err := mlkem.NewEncapsulationKey768(b)
	return err
}

func checkMLKEM1024(b []byte) error {
	_, err := mlkem.NewEncapsulationKey1024(b)
	return err
}

func (s mlkemSet) private(seed []byte) (otherPrivate, error) {
	if len(seed) != mlkem.SeedSize {
		return nil, errMLKEM
	}
	key, err := s.open(seed)
	if err != nil {
		return nil, err
	}
	return mlkemPrivate{s, key, append([]byte(nil), seed...)}, nil
}

func (s mlkemSet) public(b []byte) (otherKey, error) {
	if err := s.check(b); err != nil {
		return nil, err
	}
	return mlkemPublic{s, append([]byte(nil), b...)}, nil
}

func (s mlkemSet) generate(random io.Reader) (otherPrivate, error) {
	seed := make([]byte, mlkem.SeedSize)
	defer clear(seed)
	if _, err := io.ReadFull(random, seed); err != nil {
		return nil, err
	}
	return s.private(seed)
}

func (k mlkemPrivate) algorithm() kmip.CryptographicAlgorithm { return k.parameterSet.algorithm }
func (k mlkemPublic) algorithm() kmip.CryptographicAlgorithm  { return k.parameterSet.algorithm }
func (k mlkemPrivate) lengthBits() int32                      { return byteBits(len(k.mlkemKey.public)) }
func (k mlkemPublic) lengthBits() int32                       { return byteBits(len(k.key)) }

// Public returns the other half.
func (k mlkemPrivate) Public() crypto.PublicKey { return mlkemPublic{k.mlkemSet, k.mlkemKey.public} }

func (k mlkemPrivate) encode(f kmip.KeyFormatType) ([]byte, *kmip.Item) {
	return quantumPrivate(f, k.oid, k.seed, marshalSeed), nil
}

func (k mlkemPublic) encode(f kmip.KeyFormatType) ([]byte, *kmip.Item) {
	return bareFormat(f, kmip.KeyFormatTypeX509, k.oid, k.key), nil
}

// decryptMLKEM decapsulates: the data is a ciphertext of FIPS 203, the result
// the secret that both sides share. A ciphertext that was changed gives another
// secret, not an error: ML-KEM is made so.
func decryptMLKEM(r *CipherRequest) (CipherResult, error) {
	key, err := ParsePrivate(r.Format, r.Algorithm, r.Key.Reveal(), r.Transparent)
	if err != nil {
		return CipherResult{}, err
	}
	k, ok := key.(mlkemPrivate)
	if !ok {
		return CipherResult{}, errFormat(r.Format)
	}
	shared, err := k.decapsulate(r.Data)
	if err != nil {
		return CipherResult{}, errDecrypt()
	}
	return CipherResult{Data: shared}, nil
}

// errEncapsulate is the answer to Encrypt with ML-KEM: KMIP 3.0 names the
// algorithms and has no field for the second of the two results.
func errEncapsulate() error {
	return kmip.Fail(kmip.KindParametersUnsupported, "Encrypt has no field for the shared secret that ML-KEM makes beside the ciphertext; encapsulate with the public key")
}
