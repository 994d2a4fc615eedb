package crypto

import (
	"crypto/cipher"
	"crypto/subtle"

	"github.com/claviger/claviger/kmip"
)

const fullTagBytes = 16 // of GCM, CCM and ChaCha20-Poly1305

// tagLength returns the length of the tag in bytes, 16 when the parameters do
// not say: 4, 8 or 12 to 16 (SP 800-38D §5.2.1.2), for CCM even numbers from 4
// (SP 800-38C §A.1). ChaCha20-Poly1305 has the full tag only (RFC 8439 §2.8);
// clients shorten it as they do with GCM.
func tagLength(p *kmip.CryptographicParameters) (int, error) {
	if p.TagLength == nil {
		return fullTagBytes, nil
	}
	n := int(*p.TagLength)
	if p.BlockCipherMode == kmip.BlockCipherModeCCM {
		if n >= 4 && n <= fullTagBytes && n%2 == 0 {
			return n, nil
		}
		return 0, kmip.Fail(kmip.KindTagLength, "Tag Length is an even number of 4 to 16 bytes")
	}
	if n == 4 || n == 8 || n >= 12 && n <= fullTagBytes {
		return n, nil
	}
	return 0, kmip.Fail(kmip.KindTagLength, "Tag Length is 4, 8 or 12 to 16 bytes")
}

// tagOf returns the length of the tag of a request. A decryption has a tag of
// that length.
func tagOf(r *CipherRequest, encrypt bool) (int, error) {
	n, err := tagLength(&r.Parameters)
	if err == nil && !encrypt && len(r.Tag) != n {
		err = kmip.Fail(kmip.KindTagLength, "an Authenticated Encryption Tag of %d bytes is needed", n)
	}
	return n, err
}

// newAEAD makes an authenticated cipher of a library, which takes its data at
// once. The IV has the right length.
func newAEAD(r *CipherRequest, aead cipher.AEAD, encrypt bool) (parts, error) {
	n, err := tagOf(r, encrypt)
	if err != nil {
		return nil, err
	}
	iv, aad, tag := r.IV, r.AAD, r.Tag
	if encrypt {
		return &whole{compute: func(data, _ []byte) (StreamResult, error) { return seal(aead, iv, data, aad, n), nil }}, nil
	}
	return &whole{compute: func(data, _ []byte) (StreamResult, error) {
		out, err := open(aead, iv, data, aad, tag)
		return StreamResult{Data: out}, err
	}}, nil
}

// seal encrypts and returns the tag apart from the data. A shorter tag is the
// beginning of the full one (SP 800-38D §7.1).
func seal(aead cipher.AEAD, iv, data, aad []byte, n int) StreamResult {
	out := aead.Seal(nil, iv, data, aad)
	at := len(data)
	return StreamResult{Data: out[:at:at], Tag: out[at : at+n : at+n]}
}

// open decrypts and checks the tag. The library opens full tags only; with a
// shorter one the data is decrypted by encrypting it, since both ciphers are
// key streams, and the tag is the beginning of the one that the result has.
func open(aead cipher.AEAD, iv, data, aad, tag []byte) ([]byte, error) {
	if len(tag) == fullTagBytes {
		sealed := append(append(make([]byte, 0, len(data)+len(tag)), data...), tag...)
		out, err := aead.Open(sealed[:0], iv, sealed, aad)
		if err != nil {
			return nil, errDecrypt()
		}
		return out, nil
	}
	out := aead.Seal(nil, iv, data, nil)[:len(data)]
	again := aead.Seal(nil, iv, out, aad)[len(out):]
	if subtle.ConstantTimeCompare(again[:len(tag)], tag) != 1 {
		clear(out)
		return nil, errDecrypt()
	}
	return out, nil
}

// authenticated is an authenticated cipher in parts: a key stream, and a code of
// the additional data and the ciphertext. A decryption gives its data out before
// the tag was seen to be right: only finish tells.
type authenticated struct {
	stream  *keyStream
	code    tagger
	encrypt bool
	n       int    // length of the tag
	tag     []byte // of a decryption
}

// tagger computes the full tag of ciphertext that is written to it.
type tagger interface {
	write(ciphertext []byte)
	sum() []byte
	destroy()
}

func (a *authenticated) update(data []byte) ([]byte, error) {
	out, err := a.stream.update(data)
	switch {
	case err != nil:
		return nil, err
	case a.encrypt:
		a.code.write(out)
	default:
		a.code.write(data)
	}
	return out, nil
}

func (a *authenticated) finish(data, _ []byte) (StreamResult, error) {
	out, err := a.update(data)
	if err != nil {
		return StreamResult{}, err
	}
	tag := a.code.sum()[:a.n:a.n]
	if a.encrypt {
		return StreamResult{Data: out, Tag: tag}, nil
	}
	if subtle.ConstantTimeCompare(tag, a.tag) != 1 {
		clear(out)
		return StreamResult{}, errDecrypt()
	}
	return StreamResult{Data: out}, nil
}

func (a *authenticated) destroy() {
	a.stream.destroy()
	a.code.destroy()
}
