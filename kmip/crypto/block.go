package crypto

import (
	"crypto/cipher"

	"github.com/claviger/claviger/kmip"
)

// newBlockMode makes a block cipher in a mode of operation (KMIP 2.1 §11.6). The
// IV is returned if it was made here.
func newBlockMode(r *CipherRequest, encrypt, inParts bool) (parts, []byte, error) {
	var block, tweak cipher.Block
	var err error
	if r.Parameters.BlockCipherMode == kmip.BlockCipherModeXTS {
		block, tweak, err = xtsCiphers(r, encrypt)
	} else {
		block, err = blockCipher(r)
	}
	if err != nil {
		return nil, nil, err
	}
	if err := checkMode(r, block); err != nil {
		return nil, nil, err
	}
	made, err := needIV(r, block, encrypt)
	if err != nil {
		return nil, nil, err
	}
	c, err := modeOf(r, block, tweak, encrypt, inParts)
	if err != nil {
		return nil, nil, err
	}
	return c, made, nil
}

// modeOf makes the mode; the IV of the request is there.
func modeOf(r *CipherRequest, block, tweak cipher.Block, encrypt, inParts bool) (parts, error) {
	switch r.Parameters.BlockCipherMode {
	case kmip.BlockCipherModeECB, kmip.BlockCipherModeCBC, kmip.BlockCipherModePCBC:
		return newBlocks(r, block, encrypt)
	case kmip.BlockCipherModeCFB:
		return newCFB(r, block, encrypt)
	case kmip.BlockCipherModeOFB:
		return newOFB(r, block)
	case kmip.BlockCipherModeCTR:
		return newCTR(r, block)
	case kmip.BlockCipherModeGCM:
		if inParts {
			return newGCMParts(r, block, encrypt)
		}
		return newGCM(r, block, encrypt)
	case kmip.BlockCipherModeCCM:
		return newCCM(r, block, encrypt)
	case kmip.BlockCipherModeXTS:
		return newXTS(r, block, tweak, encrypt)
	default:
		return newKeyWrap(r, encrypt)
	}
}

// checkMode refuses modes that are not there, and paddings where none belongs.
func checkMode(r *CipherRequest, block cipher.Block) error {
	p := &r.Parameters
	switch p.BlockCipherMode {
	case 0:
		return kmip.Fail(kmip.KindParametersMissing, "a Block Cipher Mode is needed")
	case kmip.BlockCipherModeECB, kmip.BlockCipherModeCBC, kmip.BlockCipherModePCBC:
		return checkPadding(p.PaddingMethod)
	case kmip.BlockCipherModeGCM, kmip.BlockCipherModeCCM, kmip.BlockCipherModeXTS:
		if block.BlockSize() != 16 {
			return errUnsupported(p.BlockCipherMode, r.Algorithm)
		}
	case kmip.BlockCipherModeNISTKeyWrap, kmip.BlockCipherModeAESKeyWrapPadding:
		if r.Algorithm != kmip.CryptographicAlgorithmAES {
			return errUnsupported(p.BlockCipherMode, r.Algorithm)
		}
	case kmip.BlockCipherModeCTR, kmip.BlockCipherModeCFB, kmip.BlockCipherModeOFB:
	default:
		return errUnsupported(p.BlockCipherMode, r.Algorithm)
	}
	return checkNoPadding(r)
}

func errUnsupported(mode kmip.BlockCipherMode, a kmip.CryptographicAlgorithm) error {
	return kmip.Fail(kmip.KindParametersUnsupported, "Block Cipher Mode %v is not supported with %v", mode, a)
}
