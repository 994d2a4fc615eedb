package crypto

import (
	"bytes"

	"github.com/claviger/claviger/hsm/keywrap"
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
)

// The initial values of RFC 3394 §2.2.3.1 and RFC 5649 §3. A client may name
// them; there are no others.
var (
	keyWrapIV       = []byte{0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6}
	paddedKeyWrapIV = []byte{0xa6, 0x59, 0x59, 0xa6}
)

// newKeyWrap makes AES key wrap as a cipher: by RFC 3394, and with padding by
// RFC 5649. It takes its data at once.
func newKeyWrap(r *CipherRequest, encrypt bool) (parts, error) {
	seal, open, iv := keywrap.Wrap, keywrap.Unwrap, keyWrapIV
	if r.Parameters.BlockCipherMode == kmip.BlockCipherModeAESKeyWrapPadding {
		seal, open, iv = keywrap.WrapPadded, keywrap.UnwrapPadded, paddedKeyWrapIV
	}
	if len(r.IV) > 0 && !bytes.Equal(r.IV, iv) {
		return nil, kmip.Fail(kmip.KindParametersUnsupported, "AES key wrap with an initial value of one's own is not supported")
	}
	key, err := symmetricKey(r)
	if err != nil {
		return nil, err
	}
	kek := secret.Copy(key)
	w := &whole{wipe: kek.Destroy}
	if encrypt {
		w.compute = func(data, _ []byte) (StreamResult, error) {
			plain := secret.Copy(data)
			defer plain.Destroy()
			wrapped, err := seal(kek, plain)
			if err != nil {
				return StreamResult{}, kmip.FailFrom(err, kmip.KindCryptographicFailure, "the data cannot be wrapped so: RFC 3394 takes whole blocks of 8 bytes, two at least, RFC 5649 at least one byte")
			}
			return StreamResult{Data: wrapped}, nil
		}
		return w, nil
	}
	w.compute = func(data, _ []byte) (StreamResult, error) {
		plain, err := open(kek, data)
		if err != nil {
			return StreamResult{}, errDecrypt()
		}
		return StreamResult{Data: plain.Reveal()}, nil
	}
	return w, nil
}
