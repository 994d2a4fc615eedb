package crypto

import (
	"crypto"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/pbkdf2"
	"math"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
)

// DeriveRequest is a derivation (KMIP 2.1 §6.1.14; Derivation Parameters: §7.12,
// 1.4 §4.6).
type DeriveRequest struct {
	Method     kmip.DerivationMethod
	Algorithm  kmip.CryptographicAlgorithm  // of the base key, 0 for secret data
	Key        *secret.Bytes                // base key or password, raw
	Parameters kmip.CryptographicParameters // of the Derivation Parameters
	IV         []byte
	Data       []byte // Derivation Data
	HasData    bool
	// Repeated are the Derivation Data of a request that has several, in order
	// and in place of Data.
	Repeated   [][]byte
	Salt       []byte
	Iterations int32
	LengthBits int32 // Cryptographic Length of what is derived
}

// What a derivation may cost.
const (
	maxDerivedBits = 1 << 20
	// maxPBKDF2Rounds bounds the iterations of all blocks of the output together.
	maxPBKDF2Rounds = 10_000_000
	// maxRepeatedBytes bounds the length of the output times that of data that is
	// taken again for each block of it.
	maxRepeatedBytes = 1 << 28
)

// Derive derives a key or secret data: the leading bits of what the Derivation
// Method (KMIP 2.1 §11.14) gives. The caller destroys the result.
//
// Asymmetric Key is not done here. What the text leaves open:
//   - PBKDF2 and HKDF: the hash is that of the parameters' HMAC algorithm, or
//     Hashing Algorithm, or SHA-1 and SHA-256; PBKDF2 has no use for Derivation
//     Data;
//   - HMAC and NIST SP 800-108: as with MAC; the latter also AES-CMAC, with Block
//     Cipher Mode CMAC;
//   - HASH: of the key or of Derivation Data, not of both;
//   - ENCRYPT: an empty IV is one of zeros, where the mode needs one;
//   - NIST SP 800-108: a counter of 32 bits before the Derivation Data, which is
//     used as it comes: who wants the length in it puts it there;
//   - AWS Signature Version 4: Date, Region and Service are three Derivation Data,
//     or one with slashes between, as in a credential scope.
//
// Returns KindParametersMissing and KindParametersUnsupported; KindInvalidField
// for other Derivation Parameters that are missing, impossible or too expensive;
// KindCryptographicFailure for a Cryptographic Length that is longer than what
// the method gives.
func Derive(r DeriveRequest) (*secret.Bytes, error) {
	if r.LengthBits <= 0 || r.LengthBits%8 != 0 {
		return nil, kmip.Fail(kmip.KindInvalidField, "Cryptographic Length is a positive multiple of 8")
	}
	if r.LengthBits > maxDerivedBits {
		return nil, errTooLong()
	}
	if r.Repeated != nil && r.Method != kmip.DerivationMethodAWSSignatureVersion4 {
		return nil, kmip.Fail(kmip.KindInvalidField, "this Derivation Method takes one Derivation Data")
	}
	derive, ok := derivations[r.Method]
	if !ok {
		return nil, kmip.Fail(kmip.KindUnsupportedFeature, "Derivation Method %v is not supported", r.Method)
	}
	if r.Key.Len() == 0 && r.Method != kmip.DerivationMethodHASH {
		return nil, errNeeds("a key")
	}
	n := int(r.LengthBits / 8)
	out, err := derive(&r, n)
	if err != nil {
		return nil, err
	}
	defer clear(out)
	if len(out) < n {
		return nil, errTooLong()
	}
	return secret.Copy(out[:n]), nil
}

// derivations give n bytes, or more; or fewer when there are no more.
var derivations = map[kmip.DerivationMethod]func(r *DeriveRequest, n int) ([]byte, error){
	kmip.DerivationMethodPBKDF2:               derivePBKDF2,
	kmip.DerivationMethodHASH:                 deriveHash,
	kmip.DerivationMethodHMAC:                 deriveHMAC,
	kmip.DerivationMethodENCRYPT:              deriveEncrypt,
	kmip.DerivationMethodNIST800108C:          deriveCounter,
	kmip.DerivationMethodNIST800108F:          deriveFeedback,
	kmip.DerivationMethodNIST800108DPI:        deriveDoublePipeline,
	kmip.DerivationMethodAWSSignatureVersion4: deriveAWS,
	kmip.DerivationMethodHKDF:                 deriveHKDF,
}

func errTooLong() error {
	return kmip.Fail(kmip.KindCryptographicFailure, "Cryptographic Length is longer than what the Derivation Method gives")
}

func errNeeds(what string) error {
	return kmip.Fail(kmip.KindInvalidField, "the Derivation Method needs %s", what)
}

// hash returns the hash that the parameters name, or else the default.
func (r *DeriveRequest) hash(otherwise kmip.HashingAlgorithm) (crypto.Hash, error) {
	name := macHash(&r.Parameters, 0)
	if name == 0 {
		name = otherwise
	}
	return hashOf(name)
}

// derivePBKDF2 is PBKDF2 (RFC 8018 §5.2), HMAC-SHA-1 unless the parameters say
// otherwise. The key is the password.
func derivePBKDF2(r *DeriveRequest, n int) ([]byte, error) {
	h, err := r.hash(kmip.HashingAlgorithmSHA1)
	if err != nil {
		return nil, err
	}
	blocks := int64((n + h.Size() - 1) / h.Size())
	switch {
	case len(r.Salt) == 0:
		return nil, errNeeds("a Salt")
	case r.Iterations <= 0:
		return nil, errNeeds("an Iteration Count")
	case int64(r.Iterations)*blocks > maxPBKDF2Rounds:
		return nil, kmip.Fail(kmip.KindInvalidField, "Iteration Count is too high for this length: together at most %d", maxPBKDF2Rounds)
	}
	out, err := pbkdf2.Key(h.New, string(r.Key.Reveal()), r.Salt, int(r.Iterations), n)
	return out, errDerivation(err)
}

// deriveHash hashes the key or the data.
func deriveHash(r *DeriveRequest, _ int) ([]byte, error) {
	if r.Parameters.HashingAlgorithm == 0 {
		return nil, kmip.Fail(kmip.KindParametersMissing, "the Derivation Method needs a Hashing Algorithm")
	}
	if (r.Key.Len() > 0) == r.HasData {
		return nil, errNeeds("a key or Derivation Data, not both")
	}
	input := r.Data
	if !r.HasData {
		input = r.Key.Reveal()
	}
	return Digest(r.Parameters.HashingAlgorithm, input)
}

// deriveHMAC is HMAC of the data.
func deriveHMAC(r *DeriveRequest, _ int) ([]byte, error) {
	if !r.HasData {
		return nil, errNeeds("Derivation Data")
	}
	prf, err := r.hmac()
	if err != nil {
		return nil, err
	}
	return prf(r.Data), nil
}

// deriveHKDF is HKDF (RFC 5869), SHA-256 unless the parameters say otherwise.
func deriveHKDF(r *DeriveRequest, n int) ([]byte, error) {
	h, err := r.hash(kmip.HashingAlgorithmSHA256)
	if err != nil {
		return nil, err
	}
	if n > math.MaxUint8*h.Size() {
		return nil, errTooLong()
	}
	if err := r.checkRepeated(n); err != nil {
		return nil, err
	}
	out, err := hkdf.Key(h.New, r.Key.Reveal(), r.Salt, string(r.Data), n)
	return out, errDerivation(err)
}

// deriveEncrypt encrypts the data under the key.
func deriveEncrypt(r *DeriveRequest, _ int) ([]byte, error) {
	if !r.HasData {
		return nil, errNeeds("Derivation Data")
	}
	p := r.Parameters
	p.RandomIV = nil
	algorithm := r.Algorithm
	if algorithm == 0 {
		if algorithm = p.CryptographicAlgorithm; algorithm == 0 {
			return nil, kmip.Fail(kmip.KindParametersMissing, "the Derivation Method needs a Cryptographic Algorithm")
		}
	}
	// Reading zeros makes the IV that is not given; what else is random is
	// refused.
	if p.PaddingMethod == kmip.PaddingMethodISO10126 || algorithm == kmip.CryptographicAlgorithmRSA {
		return nil, kmip.Fail(kmip.KindParametersUnsupported, "encryption with random bytes derives nothing")
	}
	out, err := Encrypt(CipherRequest{Algorithm: algorithm, Key: r.Key, Parameters: p, Data: r.Data, IV: r.IV, Rand: zeros{}})
	return out.Data, err
}

// zeros is a source of zeros.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// checkRepeated refuses what would take too long.
func (r *DeriveRequest) checkRepeated(n int) error {
	if int64(n)*int64(len(r.Data)) > maxRepeatedBytes {
		return kmip.Fail(kmip.KindInvalidField, "Derivation Data is too long for this Cryptographic Length")
	}
	return nil
}

// prf is a pseudorandom function under a key.
type prf = func(data ...[]byte) []byte

// hmac returns HMAC under the key.
func (r *DeriveRequest) hmac() (prf, error) {
	name := macHash(&r.Parameters, r.Algorithm)
	if name == 0 {
		return nil, kmip.Fail(kmip.KindParametersMissing, "the Derivation Method needs an HMAC algorithm or a Hashing Algorithm")
	}
	h, err := hashOf(name)
	if err != nil {
		return nil, err
	}
	m := hmac.New(h.New, r.Key.Reveal())
	return func(data ...[]byte) []byte {
		m.Reset()
		for _, d := range data {
			_, _ = m.Write(d) // never fails
		}
		return m.Sum(nil)
	}, nil
}

func errDerivation(err error) error {
	if err == nil {
		return nil
	}
	return kmip.FailFrom(err, kmip.KindCryptographicFailure, "nothing can be derived so")
}
