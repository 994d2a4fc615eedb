package crypto

import (
	"crypto/cipher"
	"encoding/binary"
	"math"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
)

// keyStream is a cipher that takes data of any length.
type keyStream struct {
	stream cipher.Stream
	left   uint64 // bytes that it lasts
	short  string // what is wrong with data that is longer
	key    *secret.Bytes
}

func (k *keyStream) update(data []byte) ([]byte, error) {
	if uint64(len(data)) > k.left {
		return nil, kmip.Fail(kmip.KindCryptographicFailure, "%s", k.short)
	}
	if k.left != math.MaxUint64 {
		k.left -= uint64(len(data))
	}
	out := make([]byte, len(data))
	k.stream.XORKeyStream(out, data)
	return out, nil
}

func (k *keyStream) finish(data, _ []byte) (StreamResult, error) {
	out, err := k.update(data)
	return StreamResult{Data: out}, err
}

func (k *keyStream) destroy() { k.key.Destroy() }

// endless is a key stream that nothing limits.
func endless(s cipher.Stream) *keyStream { return &keyStream{stream: s, left: math.MaxUint64} }

const shortCounter = "the data is longer than the counter lasts"

// newCTR makes CTR mode (SP 800-38A §6.5). The IV is the first counter block;
// or, with Initial Counter Value, what stands before it. A counter that has a
// width does not run into what stands before it.
func newCTR(r *CipherRequest, block cipher.Block) (parts, error) {
	size, width := block.BlockSize(), counterBytes(&r.Parameters)
	first := append(make([]byte, 0, size), r.IV...)
	if v := r.Parameters.InitialCounterValue; v != nil {
		if len(r.IV) != size-width {
			return nil, errIVLength()
		}
		value := binary.BigEndian.AppendUint64(make([]byte, 8, 16), uint64(uint32(*v))) //nolint:gosec // bits
		if width < 4 && uint64(uint32(*v))>>(8*width) != 0 {                            //nolint:gosec // bits
			return nil, kmip.Fail(kmip.KindInvalidField, "Initial Counter Value is longer than Counter Length")
		}
		first = append(first, value[16-width:]...)
	}
	if len(first) != size {
		return nil, errIVLength()
	}
	k := endless(cipher.NewCTR(block, first))
	if width > 0 && width < 8 {
		var value uint64
		for _, b := range first[size-width:] {
			value = value<<8 | uint64(b)
		}
		if lasts := uint64(1)<<(8*width) - value; lasts < math.MaxUint64/uint64(size) { //nolint:gosec // small
			k.left, k.short = lasts*uint64(size), shortCounter //nolint:gosec // small
		}
	}
	return k, nil
}

// newCFB makes CFB mode in segments of a block (SP 800-38A §6.3); the last one
// may be shorter.
func newCFB(r *CipherRequest, block cipher.Block, encrypt bool) (parts, error) {
	if len(r.IV) != block.BlockSize() {
		return nil, errIVLength()
	}
	if encrypt {
		//lint:ignore SA1019 the protocol has it
		return endless(cipher.NewCFBEncrypter(block, r.IV)), nil //nolint:staticcheck // the protocol has it
	}
	//lint:ignore SA1019 the protocol has it
	return endless(cipher.NewCFBDecrypter(block, r.IV)), nil //nolint:staticcheck // the protocol has it
}

// newOFB makes OFB mode (SP 800-38A §6.4).
func newOFB(r *CipherRequest, block cipher.Block) (parts, error) {
	if len(r.IV) != block.BlockSize() {
		return nil, errIVLength()
	}
	//lint:ignore SA1019 the protocol has it
	return endless(cipher.NewOFB(block, r.IV)), nil //nolint:staticcheck // the protocol has it
}
