package crypto

import (
	"crypto/subtle"

	"github.com/claviger/claviger/kmip/secret"
)

// newOneTimePad makes the cipher that adds the key to the data, modulo two (KMIP
// 2.1 §11.12 names One Time Pad and no text says more). Every use begins with
// the first byte of the key: that it is used once is the business of its Usage
// Limits.
func newOneTimePad(r *CipherRequest) (parts, error) {
	if m := r.Parameters.BlockCipherMode; m != 0 {
		return nil, errUnsupported(m, r.Algorithm)
	}
	if err := checkNoPadding(r); err != nil {
		return nil, err
	}
	material, err := symmetricKey(r)
	if err != nil {
		return nil, err
	}
	key := secret.Copy(material)
	return &keyStream{stream: &padStream{key.Reveal()}, left: uint64(key.Len()), short: "the data is longer than the key", key: key}, nil //nolint:gosec // a length
}

// padStream is what is left of a key.
type padStream struct{ rest []byte }

func (p *padStream) XORKeyStream(dst, src []byte) {
	p.rest = p.rest[subtle.XORBytes(dst, src, p.rest[:len(src)]):]
}
