package crypto

import (
	"crypto/cipher"
	"crypto/subtle"

	"github.com/claviger/claviger/kmip"
)

const fullTagBytes = 16 // of GCM and of ChaCha20-Poly1305

// tagLength returns the length of the tag in bytes: 4, 8 or 12 to 16 (SP
// 800-38D §5.2.1.2), 16 when the parameters do not say. ChaCha20-Poly1305 has
// the full tag only (RFC 8439 §2.8); clients shorten it as they do with GCM.
func tagLength(p *kmip.CryptographicParameters) (int, error) {
	if p.TagLength == nil {
		return fullTagBytes, nil
	}
	n := int(*p.TagLength)
	if n == 4 || n == 8 || n >= 12 && n <= fullTagBytes {
		return n, nil
	}
	return 0, kmip.Fail(kmip.KindTagLength, "Tag Length is 4, 8 or 12 to 16 bytes")
}

// newGCM makes GCM for nonces of the length of iv, with the full tag.
func newGCM(block cipher.Block, iv []byte) (cipher.AEAD, error) {
	aead, err := cipher.NewGCMWithNonceSize(block, len(iv))
	if err != nil {
		return nil, kmip.FailFrom(err, kmip.KindCryptographicFailure, "GCM is not possible with this key and IV")
	}
	return aead, nil
}

// seal encrypts and returns the tag apart from the data. A shorter tag is the
// beginning of the full one (SP 800-38D §7.1). The IV has the right length.
func seal(r *CipherRequest, aead cipher.AEAD) (data, tag []byte, err error) {
	n, err := tagLength(&r.Parameters)
	if err != nil {
		return nil, nil, err
	}
	out := aead.Seal(nil, r.IV, r.Data, r.AAD)
	at := len(r.Data)
	return out[:at:at], out[at : at+n : at+n], nil
}

// open decrypts and checks the tag. The library opens full tags only; with a
// shorter one the data is decrypted by encrypting it, since both ciphers are
// key streams, and the tag is the beginning of the one that the result has.
func open(r *CipherRequest, aead cipher.AEAD) ([]byte, error) {
	n, err := tagLength(&r.Parameters)
	if err != nil {
		return nil, err
	}
	if len(r.Tag) != n {
		return nil, kmip.Fail(kmip.KindTagLength, "an Authenticated Encryption Tag of %d bytes is needed", n)
	}
	if n == fullTagBytes {
		sealed := append(append(make([]byte, 0, len(r.Data)+n), r.Data...), r.Tag...)
		data, err := aead.Open(sealed[:0], r.IV, sealed, r.AAD)
		if err != nil {
			return nil, errDecrypt()
		}
		return data, nil
	}
	data := aead.Seal(nil, r.IV, r.Data, nil)[:len(r.Data)]
	tag := aead.Seal(nil, r.IV, data, r.AAD)[len(data):]
	if subtle.ConstantTimeCompare(tag[:n], r.Tag) != 1 {
		clear(data)
		return nil, errDecrypt()
	}
	return data, nil
}
