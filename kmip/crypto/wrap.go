package crypto

import (
	"github.com/claviger/claviger/hsm/keywrap"
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
)

// Wrap encrypts a key, or an encoded Key Value, under a wrapping key (KMIP 2.1
// §3.10): AES key wrap by RFC 3394, which is also what no Block Cipher Mode
// means, and with padding by RFC 5649; RSA with a Padding Method. Data of r is
// not used.
//
// Returns KindParametersUnsupported, and KindCryptographicFailure for a
// plaintext that does not fit.
func Wrap(r CipherRequest, plaintext *secret.Bytes) ([]byte, error) {
	if r.Algorithm == kmip.CryptographicAlgorithmRSA {
		r.Data = plaintext.Reveal()
		out, err := Encrypt(r)
		return out.Data, err
	}
	if r.Algorithm != kmip.CryptographicAlgorithmAES {
		return nil, kmip.Fail(kmip.KindParametersUnsupported, "wrapping with %v is not supported", r.Algorithm)
	}
	key, err := symmetricBytes(r.Format, r.Key.Reveal(), r.Transparent)
	if err != nil {
		return nil, err
	}
	kek := secret.Copy(key)
	defer kek.Destroy()
	var wrapped []byte
	switch r.Parameters.BlockCipherMode {
	case 0, kmip.BlockCipherModeNISTKeyWrap:
		wrapped, err = keywrap.Wrap(kek, plaintext)
	case kmip.BlockCipherModeAESKeyWrapPadding:
		wrapped, err = keywrap.WrapPadded(kek, plaintext)
	default:
		return nil, kmip.Fail(kmip.KindParametersUnsupported, "wrapping by Block Cipher Mode %v is not supported", r.Parameters.BlockCipherMode)
	}
	if err != nil {
		return nil, kmip.FailFrom(err, kmip.KindCryptographicFailure, "the key cannot be wrapped so: RFC 3394 takes whole blocks of 8 bytes, two at least")
	}
	return wrapped, nil
}
