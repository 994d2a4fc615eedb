package crypto

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des" //nolint:gosec // Triple DES: the protocol has it
	"encoding/binary"
	"io"

	"github.com/claviger/claviger/kmip"
)

// blockCipher makes the cipher of a symmetric key.
func blockCipher(r *CipherRequest) (cipher.Block, error) {
	material, err := symmetricBytes(r.Format, r.Key.Reveal(), r.Transparent)
	if err != nil {
		return nil, err
	}
	var block cipher.Block
	switch r.Algorithm {
	case kmip.CryptographicAlgorithmAES:
		block, err = aes.NewCipher(material)
	case kmip.CryptographicAlgorithmDES3:
		if len(material) == 16 { // two keys: the first is the third
			three := append(append(make([]byte, 0, 24), material...), material[:8]...)
			defer clear(three)
			material = three
		}
		block, err = des.NewTripleDESCipher(material) //nolint:gosec // the protocol has it
	default:
		return nil, kmip.Fail(kmip.KindParametersUnsupported, "encryption with %v is not supported", r.Algorithm)
	}
	if err != nil {
		return nil, kmip.Fail(kmip.KindCryptographicFailure, "the key does not have a length that %v takes", r.Algorithm)
	}
	return block, nil
}

func encryptBlock(r *CipherRequest) (CipherResult, error) {
	block, err := blockCipher(r)
	if err != nil {
		return CipherResult{}, err
	}
	if err := checkMode(r, block); err != nil {
		return CipherResult{}, err
	}
	var result CipherResult
	if len(r.IV) == 0 && r.Parameters.BlockCipherMode != kmip.BlockCipherModeECB {
		if result.IV, err = makeIV(r, block); err != nil {
			return CipherResult{}, err
		}
		r.IV = result.IV
	}
	switch r.Parameters.BlockCipherMode {
	case kmip.BlockCipherModeGCM:
		var aead cipher.AEAD
		if aead, err = newGCM(block, r.IV); err == nil {
			result.Data, result.Tag, err = seal(r, aead)
		}
	case kmip.BlockCipherModeCTR:
		result.Data, err = counter(r, block)
	default:
		result.Data, err = encryptBlocks(r, block)
	}
	if err != nil {
		return CipherResult{}, err
	}
	return result, nil
}

func decryptBlock(r *CipherRequest) (CipherResult, error) {
	block, err := blockCipher(r)
	if err != nil {
		return CipherResult{}, err
	}
	if err := checkMode(r, block); err != nil {
		return CipherResult{}, err
	}
	if len(r.IV) == 0 && r.Parameters.BlockCipherMode != kmip.BlockCipherModeECB {
		return CipherResult{}, errMissingIV()
	}
	var data []byte
	switch r.Parameters.BlockCipherMode {
	case kmip.BlockCipherModeGCM:
		var aead cipher.AEAD
		if aead, err = newGCM(block, r.IV); err == nil {
			data, err = open(r, aead)
		}
	case kmip.BlockCipherModeCTR:
		data, err = counter(r, block)
	default:
		data, err = decryptBlocks(r, block)
	}
	return CipherResult{Data: data}, err
}

// checkMode refuses modes that are not there, and paddings where none belongs.
func checkMode(r *CipherRequest, block cipher.Block) error {
	p := &r.Parameters
	switch p.BlockCipherMode {
	case 0:
		return kmip.Fail(kmip.KindParametersMissing, "a Block Cipher Mode is needed")
	case kmip.BlockCipherModeECB, kmip.BlockCipherModeCBC:
		return checkPadding(p.PaddingMethod)
	case kmip.BlockCipherModeGCM:
		if block.BlockSize() != 16 {
			return errUnsupported(p.BlockCipherMode, r.Algorithm)
		}
	case kmip.BlockCipherModeCTR:
	default:
		return errUnsupported(p.BlockCipherMode, r.Algorithm)
	}
	return checkNoPadding(r)
}

func errUnsupported(mode kmip.BlockCipherMode, a kmip.CryptographicAlgorithm) error {
	return kmip.Fail(kmip.KindParametersUnsupported, "Block Cipher Mode %v is not supported with %v", mode, a)
}

func errMissingIV() error {
	return kmip.Fail(kmip.KindMissingIV, "an IV/Counter/Nonce is needed")
}

func errIVLength() error {
	return kmip.Fail(kmip.KindInvalidField, "the IV/Counter/Nonce does not have a length that the mode takes")
}

const (
	gcmIVBytes    = 12  // what GCM is made for (SP 800-38D §5.2.1.1)
	gcmMaxIVBytes = 128 // of those that are made here
)

// makeIV makes a random IV. For GCM it has 96 bits or more, so that random ones
// do not meet too soon (SP 800-38D §8.2.2).
func makeIV(r *CipherRequest, block cipher.Block) ([]byte, error) {
	p := &r.Parameters
	n, least, most := block.BlockSize(), block.BlockSize(), block.BlockSize()
	if p.BlockCipherMode == kmip.BlockCipherModeGCM {
		n, least, most = gcmIVBytes, gcmIVBytes, gcmMaxIVBytes
	}
	if p.BlockCipherMode == kmip.BlockCipherModeCTR && p.InitialCounterValue != nil {
		n -= counterBytes
		least, most = n, n
	}
	return randomIV(r, n, least, most)
}

// randomIV makes an IV of n bytes, or what IV Length says if that is between
// least and most.
func randomIV(r *CipherRequest, n, least, most int) ([]byte, error) {
	p := &r.Parameters
	if p.RandomIV != nil && !*p.RandomIV {
		return nil, errMissingIV()
	}
	if p.IVLength != nil {
		if *p.IVLength%8 != 0 || int(*p.IVLength) < 8*least || int(*p.IVLength) > 8*most {
			return nil, kmip.Fail(kmip.KindParametersUnsupported, "IV Length is not supported with these parameters")
		}
		n = int(*p.IVLength / 8)
	}
	iv := make([]byte, n)
	if _, err := io.ReadFull(r.rand(), iv); err != nil {
		return nil, kmip.FailFrom(err, kmip.KindCryptographicFailure, "no random IV")
	}
	return iv, nil
}

// counterBytes is the width of the counter that Initial Counter Value starts
// (RFC 3686 §4).
const counterBytes = 4

// counter encrypts and decrypts in CTR mode (SP 800-38A §6.5). The IV is the
// first counter block; or, with Initial Counter Value, what stands before it.
func counter(r *CipherRequest, block cipher.Block) ([]byte, error) {
	first := r.IV
	if v := r.Parameters.InitialCounterValue; v != nil {
		first = binary.BigEndian.AppendUint32(append(make([]byte, 0, block.BlockSize()), r.IV...), uint32(*v)) //nolint:gosec // bits
	}
	if len(first) != block.BlockSize() {
		return nil, errIVLength()
	}
	out := make([]byte, len(r.Data))
	cipher.NewCTR(block, first).XORKeyStream(out, r.Data)
	return out, nil
}

// encryptBlocks encrypts in ECB and CBC mode.
func encryptBlocks(r *CipherRequest, block cipher.Block) ([]byte, error) {
	size := block.BlockSize()
	data, err := pad(r.Parameters.PaddingMethod, r.Data, size, r.rand())
	if err != nil {
		return nil, err
	}
	if len(data)%size != 0 {
		clear(data)
		return nil, kmip.Fail(kmip.KindCryptographicFailure, "without padding, data is a multiple of %d bytes", size)
	}
	if r.Parameters.BlockCipherMode == kmip.BlockCipherModeECB {
		for at := 0; at < len(data); at += size {
			block.Encrypt(data[at:], data[at:])
		}
		return data, nil
	}
	if len(r.IV) != size {
		clear(data)
		return nil, errIVLength()
	}
	cipher.NewCBCEncrypter(block, r.IV).CryptBlocks(data, data)
	return data, nil
}

// decryptBlocks decrypts in ECB and CBC mode.
func decryptBlocks(r *CipherRequest, block cipher.Block) ([]byte, error) {
	size := block.BlockSize()
	if len(r.Data)%size != 0 {
		return nil, errDecrypt()
	}
	data := make([]byte, len(r.Data))
	if r.Parameters.BlockCipherMode == kmip.BlockCipherModeECB {
		for at := 0; at < len(data); at += size {
			block.Decrypt(data[at:], r.Data[at:])
		}
	} else {
		if len(r.IV) != size {
			return nil, errIVLength()
		}
		cipher.NewCBCDecrypter(block, r.IV).CryptBlocks(data, r.Data)
	}
	return unpad(r.Parameters.PaddingMethod, data, size)
}
