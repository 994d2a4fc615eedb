package crypto

import (
	"crypto/rsa"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
)

// WrapResult is a wrapped key.
type WrapResult struct {
	Data []byte
	IV   []byte // IV/Counter/Nonce of the Key Wrapping Data, when it was made here
}

// Wrap encrypts a key, or an encoded Key Value, under a wrapping key (KMIP 2.1
// §3.3, §7.18). With AES, no Block Cipher Mode means AES key wrap by RFC 3394,
// as NISTKeyWrap does; AESKeyWrapPadding is RFC 5649. Other modes, algorithms and
// paddings are those of Encrypt; a tag of authenticated encryption follows the
// data, because Key Wrapping Data has no field for it. Data of r is not used.
//
// Returns the kinds that Encrypt returns; KindParametersUnsupported for
// algorithms that take no IV and so wrap one key only, and
// KindCryptographicFailure for a plaintext that does not fit.
func Wrap(r CipherRequest, plaintext *secret.Bytes) (WrapResult, error) {
	if err := wrapping(&r); err != nil {
		return WrapResult{}, err
	}
	r.Data = plaintext.Reveal()
	out, err := Encrypt(r)
	if err != nil {
		return WrapResult{}, err
	}
	return WrapResult{Data: append(out.Data, out.Tag...), IV: out.IV}, nil
}

// Unwrap decrypts what Wrap made. The caller destroys the result.
//
// Returns KindParametersMissing, KindParametersUnsupported and KindMissingIV for
// requests that cannot be computed. Whatever else is wrong, with the key, the IV
// or the data, is one KindCryptographicFailure.
func Unwrap(r CipherRequest, wrapped []byte) (*secret.Bytes, error) {
	if err := wrapping(&r); err != nil {
		return nil, err
	}
	if r.Algorithm == kmip.CryptographicAlgorithmRSA && r.Parameters.PaddingMethod == kmip.PaddingMethodPKCS1V15 {
		return unwrapPKCS1(&r, wrapped)
	}
	r.Data = wrapped
	if Authenticated(r.Algorithm, r.Parameters) {
		var err error
		if r.Data, r.Tag, err = SplitTag(wrapped, r.Parameters); err != nil {
			return nil, errUnwrapFrom(err)
		}
	}
	out, err := Decrypt(r)
	if err != nil {
		return nil, errUnwrapFrom(err)
	}
	return secret.New(out.Data), nil
}

// wrapping refuses what is no wrapping, and chooses the mode when nothing does.
func wrapping(r *CipherRequest) error {
	switch r.Algorithm {
	case kmip.CryptographicAlgorithmOneTimePad:
		return kmip.Fail(kmip.KindParametersUnsupported, "wrapping with %v is not supported", r.Algorithm)
	case kmip.CryptographicAlgorithmAES:
		if r.Parameters.BlockCipherMode == 0 {
			r.Parameters.BlockCipherMode = kmip.BlockCipherModeNISTKeyWrap
		}
	}
	return nil
}

// unwrapPKCS1 decrypts by PKCS #1 v1.5 (RFC 8017 §7.2), which Decrypt does not:
// whoever may ask whether a padding is right can decrypt. Here the question is
// one of those who may unwrap with the key, and so decrypt, anyway.
func unwrapPKCS1(r *CipherRequest, wrapped []byte) (*secret.Bytes, error) {
	if err := checkAlgorithm(r); err != nil {
		return nil, err
	}
	parsed, err := ParsePrivate(r.Format, r.Algorithm, r.Key.Reveal(), r.Transparent)
	if err != nil {
		return nil, errUnwrapFrom(err)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, errUnwrap()
	}
	//lint:ignore SA1019 keys of clients are wrapped so
	out, err := key.Decrypt(r.rand(), wrapped, &rsa.PKCS1v15DecryptOptions{}) //nolint:staticcheck // keys of clients are wrapped so
	if err != nil {
		return nil, errUnwrap()
	}
	return secret.New(out), nil
}

func errUnwrap() error {
	return kmip.Fail(kmip.KindCryptographicFailure, "the key cannot be unwrapped")
}

// errUnwrapFrom keeps what is wrong with the question, and of the answer says
// only that there is none.
func errUnwrapFrom(err error) error {
	switch kmip.KindOf(err) {
	case kmip.KindParametersMissing, kmip.KindParametersUnsupported, kmip.KindMissingIV:
		return err
	default:
		return errUnwrap()
	}
}
