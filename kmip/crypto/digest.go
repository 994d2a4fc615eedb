package crypto

import (
	"crypto"
	_ "crypto/md5"  //nolint:gosec // the protocol has it
	_ "crypto/sha1" //nolint:gosec // the protocol has it
	_ "crypto/sha256"
	_ "crypto/sha3"
	_ "crypto/sha512"

	//lint:ignore SA1019 the protocol has it
	_ "golang.org/x/crypto/md4" //nolint:staticcheck,gosec // the protocol has it
	//lint:ignore SA1019 the protocol has it
	_ "golang.org/x/crypto/ripemd160" //nolint:staticcheck,gosec // the protocol has it

	"github.com/claviger/claviger/kmip"
)

// hashes are the Hashing Algorithms (KMIP 2.1 §11.21) that are there: all but
// MD2, Tiger and Whirlpool, which have no library that the project would rely on.
var hashes = map[kmip.HashingAlgorithm]crypto.Hash{
	kmip.HashingAlgorithmMD4:       crypto.MD4,
	kmip.HashingAlgorithmMD5:       crypto.MD5,
	kmip.HashingAlgorithmSHA1:      crypto.SHA1,
	kmip.HashingAlgorithmSHA224:    crypto.SHA224,
	kmip.HashingAlgorithmSHA256:    crypto.SHA256,
	kmip.HashingAlgorithmSHA384:    crypto.SHA384,
	kmip.HashingAlgorithmSHA512:    crypto.SHA512,
	kmip.HashingAlgorithmRIPEMD160: crypto.RIPEMD160,
	kmip.HashingAlgorithmSHA512224: crypto.SHA512_224,
	kmip.HashingAlgorithmSHA512256: crypto.SHA512_256,
	kmip.HashingAlgorithmSHA3224:   crypto.SHA3_224,
	kmip.HashingAlgorithmSHA3256:   crypto.SHA3_256,
	kmip.HashingAlgorithmSHA3384:   crypto.SHA3_384,
	kmip.HashingAlgorithmSHA3512:   crypto.SHA3_512,
}

func hashOf(a kmip.HashingAlgorithm) (crypto.Hash, error) {
	h, ok := hashes[a]
	if !ok || !h.Available() {
		return 0, kmip.Fail(kmip.KindParametersUnsupported, "Hashing Algorithm %v is not supported", a)
	}
	return h, nil
}

// Digest hashes data. Returns KindParametersUnsupported for a Hashing Algorithm
// that is not there.
func Digest(a kmip.HashingAlgorithm, data []byte) ([]byte, error) {
	h, err := hashOf(a)
	if err != nil {
		return nil, err
	}
	d := h.New()
	_, _ = d.Write(data) // never fails
	return d.Sum(nil), nil
}
