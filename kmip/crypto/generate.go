package crypto

import (
	"crypto/rand"
	"fmt"
	"io"
	"math/bits"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
)

// keyLengths are the lengths of the keys of an algorithm, in bits: from least
// to most, in steps.
type keyLengths struct{ least, most, step int32 }

func (k keyLengths) has(n int32) bool {
	return n >= k.least && n <= k.most && (n-k.least)%k.step == 0
}

// maxGeneratedBits bounds the keys of algorithms that take any length.
const maxGeneratedBits = 1 << 16

// xtsBits is the length of two AES keys of 256 bits, as XTS takes them; two of
// 128 have the length of one of 256.
const xtsBits = 512

var (
	aesLike  = keyLengths{128, 256, 64}
	exactly  = func(n int32) keyLengths { return keyLengths{n, n, 1} }
	hmacLike = keyLengths{8, maxGeneratedBits, 8}
)

// symmetricLengths lists the algorithms whose keys are plain random bytes. Those
// of DES and 3DES have parity bits: see desBytes.
var symmetricLengths = map[kmip.CryptographicAlgorithm]keyLengths{
	kmip.CryptographicAlgorithmAES:              aesLike,
	kmip.CryptographicAlgorithmCamellia:         aesLike,
	kmip.CryptographicAlgorithmTwofish:          aesLike,
	kmip.CryptographicAlgorithmARIA:             aesLike,
	kmip.CryptographicAlgorithmMARS:             {128, 448, 32},
	kmip.CryptographicAlgorithmBlowfish:         {32, 448, 8},
	kmip.CryptographicAlgorithmCAST5:            {40, 128, 8},
	kmip.CryptographicAlgorithmIDEA:             exactly(128),
	kmip.CryptographicAlgorithmSEED:             exactly(128),
	kmip.CryptographicAlgorithmSM4:              exactly(128),
	kmip.CryptographicAlgorithmSKIPJACK:         exactly(80),
	kmip.CryptographicAlgorithmRC2:              {8, 1024, 8},
	kmip.CryptographicAlgorithmRC4:              {40, 2048, 8},
	kmip.CryptographicAlgorithmRC5:              {8, 2040, 8},
	kmip.CryptographicAlgorithmChaCha20:         {128, 256, 128},
	kmip.CryptographicAlgorithmPoly1305:         exactly(256),
	kmip.CryptographicAlgorithmChaCha20Poly1305: exactly(256),
	kmip.CryptographicAlgorithmGOSTR34132015:    exactly(256),
	kmip.CryptographicAlgorithmGOST2814789:      exactly(256),
	kmip.CryptographicAlgorithmOneTimePad:       hmacLike,
	kmip.CryptographicAlgorithmHMACMD5:          hmacLike,
	kmip.CryptographicAlgorithmHMACSHA1:         hmacLike,
	kmip.CryptographicAlgorithmHMACSHA224:       hmacLike,
	kmip.CryptographicAlgorithmHMACSHA256:       hmacLike,
	kmip.CryptographicAlgorithmHMACSHA384:       hmacLike,
	kmip.CryptographicAlgorithmHMACSHA512:       hmacLike,
	kmip.CryptographicAlgorithmHMACSHA3224:      hmacLike,
	kmip.CryptographicAlgorithmHMACSHA3256:      hmacLike,
	kmip.CryptographicAlgorithmHMACSHA3384:      hmacLike,
	kmip.CryptographicAlgorithmHMACSHA3512:      hmacLike,
}

// desBytes are the sizes of the keys of DES and 3DES by Cryptographic Length,
// which may count the parity bits or not (KMIP 2.1 §3.1, Table 11).
var desBytes = map[kmip.CryptographicAlgorithm]map[int32]int{
	kmip.CryptographicAlgorithmDES:  {56: 8, 64: 8},
	kmip.CryptographicAlgorithmDES3: {112: 16, 128: 16, 168: 24, 192: 24},
}

// GenerateSymmetric makes a random key for an algorithm; from crypto/rand if
// random is nil.
//
// KMIP 2.1 §6.1.8 (Create). Returns KindAttributeValue if the algorithm has no
// symmetric keys, or none of that length. The result is the caller's to destroy.
func GenerateSymmetric(alg kmip.CryptographicAlgorithm, lengthBits int32, random io.Reader) (*secret.Bytes, error) {
	if random == nil {
		random = rand.Reader
	}
	size, parity := int(lengthBits/8), false
	if sizes, ok := desBytes[alg]; ok {
		size, parity = sizes[lengthBits], true
	} else if lengths, ok := symmetricLengths[alg]; !ok {
		return nil, kmip.Fail(kmip.KindAttributeValue, "Cryptographic Algorithm %v has no symmetric keys that can be made", alg)
	} else if !lengths.has(lengthBits) && (alg != kmip.CryptographicAlgorithmAES || lengthBits != xtsBits) {
		size = 0
	}
	if size == 0 {
		return nil, kmip.Fail(kmip.KindAttributeValue, "Cryptographic Length %d is not possible for %v", lengthBits, alg)
	}
	key := make([]byte, size)
	if _, err := io.ReadFull(random, key); err != nil {
		return nil, fmt.Errorf("random key: %w", err)
	}
	if parity {
		for i, b := range key {
			key[i] = b&^1 | byte(1^bits.OnesCount8(b&^1)&1) //nolint:gosec // a bit
		}
	}
	return secret.New(key), nil
}
