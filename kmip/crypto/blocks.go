package crypto

import (
	"crypto/cipher"
	"crypto/subtle"
	"io"

	"github.com/claviger/claviger/kmip"
)

// blocks is a mode that takes whole blocks, with a padding.
type blocks struct {
	mode    cipher.BlockMode
	padding kmip.PaddingMethod
	encrypt bool
	rand    io.Reader
	// held is what does not make a block, or the last one, from which padding
	// may have to be removed.
	held []byte
}

// newBlocks makes ECB, CBC and PCBC.
func newBlocks(r *CipherRequest, block cipher.Block, encrypt bool) (parts, error) {
	b := &blocks{padding: r.Parameters.PaddingMethod, encrypt: encrypt, rand: r.rand(), held: make([]byte, 0, block.BlockSize())}
	m := r.Parameters.BlockCipherMode
	if m != kmip.BlockCipherModeECB && len(r.IV) != block.BlockSize() {
		return nil, errIVLength()
	}
	switch {
	case m == kmip.BlockCipherModeECB:
		b.mode = ecb{block, encrypt}
	case m == kmip.BlockCipherModePCBC:
		b.mode = newPCBC(block, r.IV, encrypt)
	case encrypt:
		b.mode = cipher.NewCBCEncrypter(block, r.IV)
	default:
		b.mode = cipher.NewCBCDecrypter(block, r.IV)
	}
	return b, nil
}

func (b *blocks) update(data []byte) ([]byte, error) {
	size := b.mode.BlockSize()
	n := len(b.held) + len(data)
	keep := n % size
	if keep == 0 && n > 0 && !b.encrypt && removable(b.padding) {
		keep = size
	}
	if n -= keep; n == 0 {
		b.held = append(b.held, data...)
		return nil, nil
	}
	out := make([]byte, n)
	from := n - copy(out, b.held)
	copy(out[n-from:], data[:from])
	clear(b.held)
	b.held = append(b.held[:0], data[from:]...)
	b.mode.CryptBlocks(out, out)
	return out, nil
}

func (b *blocks) finish(data, _ []byte) (StreamResult, error) {
	if len(b.held) > 0 {
		all := append(append(make([]byte, 0, len(b.held)+len(data)), b.held...), data...)
		defer clear(all)
		data = all
	}
	var out []byte
	var err error
	if b.encrypt {
		out, err = b.seal(data)
	} else {
		out, err = b.open(data)
	}
	return StreamResult{Data: out}, err
}

func (b *blocks) seal(data []byte) ([]byte, error) {
	size := b.mode.BlockSize()
	out, err := pad(b.padding, data, size, b.rand)
	if err != nil {
		return nil, err
	}
	if len(out)%size != 0 {
		clear(out)
		return nil, kmip.Fail(kmip.KindCryptographicFailure, "without padding, data is a multiple of %d bytes", size)
	}
	b.mode.CryptBlocks(out, out)
	return out, nil
}

func (b *blocks) open(data []byte) ([]byte, error) {
	size := b.mode.BlockSize()
	if len(data)%size != 0 {
		return nil, errDecrypt()
	}
	out := make([]byte, len(data))
	b.mode.CryptBlocks(out, data)
	return unpad(b.padding, out, size)
}

func (b *blocks) destroy() {
	clear(b.held)
	b.held = b.held[:0]
	if p, ok := b.mode.(*pcbc); ok {
		clear(p.chain)
		clear(p.work)
	}
}

// ecb is the mode of SP 800-38A §6.1.
type ecb struct {
	block   cipher.Block
	encrypt bool
}

func (e ecb) BlockSize() int { return e.block.BlockSize() }

func (e ecb) CryptBlocks(dst, src []byte) {
	size := e.block.BlockSize()
	for at := 0; at+size <= len(src); at += size {
		if e.encrypt {
			e.block.Encrypt(dst[at:], src[at:])
		} else {
			e.block.Decrypt(dst[at:], src[at:])
		}
	}
}

// pcbc is propagating CBC, as Kerberos 4 had it: what goes into the chain is the
// plain text and the ciphertext of the block before.
type pcbc struct {
	block   cipher.Block
	encrypt bool
	chain   []byte
	work    []byte
}

func newPCBC(block cipher.Block, iv []byte, encrypt bool) *pcbc {
	return &pcbc{block: block, encrypt: encrypt, chain: append([]byte(nil), iv...), work: make([]byte, len(iv))}
}

func (p *pcbc) BlockSize() int { return p.block.BlockSize() }

func (p *pcbc) CryptBlocks(dst, src []byte) {
	size := p.block.BlockSize()
	for at := 0; at+size <= len(src); at += size {
		in, out := src[at:at+size], dst[at:at+size]
		if p.encrypt {
			subtle.XORBytes(p.work, in, p.chain)
			p.block.Encrypt(p.work, p.work)
		} else {
			p.block.Decrypt(p.work, in)
			subtle.XORBytes(p.work, p.work, p.chain)
		}
		subtle.XORBytes(p.chain, in, p.work) // before out, which may be in
		copy(out, p.work)
	}
}
