package crypto

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des" //nolint:gosec // DES and Triple DES: the protocol has them

	//lint:ignore SA1019 keys of clients use it
	"golang.org/x/crypto/blowfish" //nolint:staticcheck // keys of clients use it
	//lint:ignore SA1019 keys of clients use it
	"golang.org/x/crypto/cast5" //nolint:staticcheck // keys of clients use it
	//lint:ignore SA1019 keys of clients use it
	"golang.org/x/crypto/twofish" //nolint:staticcheck // keys of clients use it

	"github.com/claviger/claviger/kmip"
)

// blockCiphers are the block ciphers (KMIP 2.1 §11.12) that are there. Those of
// blocks of 8 bytes are for data that exists: 2^32 blocks are too many for a key.
// Camellia, ARIA, SEED, SM4, IDEA, MARS, RC2, RC5, SKIPJACK and the GOST ciphers
// have no library that the project would rely on.
var blockCiphers = map[kmip.CryptographicAlgorithm]func(key []byte) (cipher.Block, error){
	kmip.CryptographicAlgorithmAES:      aes.NewCipher,
	kmip.CryptographicAlgorithmDES:      des.NewCipher,
	kmip.CryptographicAlgorithmDES3:     tripleDES,
	kmip.CryptographicAlgorithmBlowfish: func(key []byte) (cipher.Block, error) { return blowfish.NewCipher(key) },
	kmip.CryptographicAlgorithmCAST5:    func(key []byte) (cipher.Block, error) { return cast5.NewCipher(key) },
	kmip.CryptographicAlgorithmTwofish:  func(key []byte) (cipher.Block, error) { return twofish.NewCipher(key) },
}

// tripleDES takes three keys, or two: then the first is the third.
func tripleDES(key []byte) (cipher.Block, error) {
	if len(key) == 16 {
		three := append(append(make([]byte, 0, 24), key...), key[:8]...)
		defer clear(three)
		key = three
	}
	return des.NewTripleDESCipher(key) //nolint:gosec // the protocol has it
}

// newBlock makes the block cipher of an algorithm.
func newBlock(a kmip.CryptographicAlgorithm, key []byte) (cipher.Block, error) {
	construct, ok := blockCiphers[a]
	if !ok {
		return nil, kmip.Fail(kmip.KindParametersUnsupported, "encryption with %v is not supported", a)
	}
	block, err := construct(key)
	if err != nil {
		return nil, kmip.Fail(kmip.KindCryptographicFailure, "the key does not have a length that %v takes", a)
	}
	return block, nil
}

// symmetricKey returns the key of a request; it aliases what is given.
func symmetricKey(r *CipherRequest) ([]byte, error) {
	return symmetricBytes(r.Format, r.Key.Reveal(), r.Transparent)
}

// blockCipher makes the block cipher of a request.
func blockCipher(r *CipherRequest) (cipher.Block, error) {
	key, err := symmetricKey(r)
	if err != nil {
		return nil, err
	}
	return newBlock(r.Algorithm, key)
}
