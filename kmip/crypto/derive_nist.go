package crypto

import (
	"encoding/binary"

	"github.com/claviger/claviger/kmip"
)

// pseudorandom returns the function that the methods of NIST SP 800-108 iterate:
// HMAC, or CMAC with Block Cipher Mode CMAC.
func (r *DeriveRequest) pseudorandom(n int) (prf, error) {
	if !r.HasData {
		return nil, errNeeds("Derivation Data")
	}
	if err := r.checkRepeated(n); err != nil {
		return nil, err
	}
	switch r.Parameters.BlockCipherMode {
	case 0:
		return r.hmac()
	case kmip.BlockCipherModeCMAC:
		block, err := newBlock(r.Algorithm, r.Key.Reveal())
		if err != nil {
			return nil, err
		}
		return func(data ...[]byte) []byte {
			m := newCMAC(block)
			for _, d := range data {
				m.write(d)
			}
			sum, _ := m.sum() // never fails
			return sum
		}, nil
	default:
		return nil, kmip.Fail(kmip.KindParametersUnsupported, "a pseudorandom function by %v is not supported", r.Parameters.BlockCipherMode)
	}
}

// deriveCounter is the KDF in Counter Mode (SP 800-108r1 §4.1).
func deriveCounter(r *DeriveRequest, n int) ([]byte, error) {
	f, err := r.pseudorandom(n)
	if err != nil {
		return nil, err
	}
	return iterate(n, func(counter []byte) []byte { return f(counter, r.Data) }), nil
}

// deriveFeedback is the KDF in Feedback Mode (§4.2), with a counter.
func deriveFeedback(r *DeriveRequest, n int) ([]byte, error) {
	f, err := r.pseudorandom(n)
	if err != nil {
		return nil, err
	}
	last := r.IV
	return iterate(n, func(counter []byte) []byte {
		last = f(last, counter, r.Data)
		return last
	}), nil
}

// deriveDoublePipeline is the KDF in Double-Pipeline Mode (§4.3), with a counter.
func deriveDoublePipeline(r *DeriveRequest, n int) ([]byte, error) {
	f, err := r.pseudorandom(n)
	if err != nil {
		return nil, err
	}
	first := r.Data
	return iterate(n, func(counter []byte) []byte {
		first = f(first)
		return f(first, counter, r.Data)
	}), nil
}

// iterate puts blocks together until there are n bytes.
func iterate(n int, block func(counter []byte) []byte) []byte {
	out := make([]byte, 0, n+maxBlockBytes)
	for i := uint32(1); len(out) < n; i++ {
		out = append(out, block(binary.BigEndian.AppendUint32(nil, i))...)
	}
	return out
}

const maxBlockBytes = 64 // of a pseudorandom function: SHA-512
