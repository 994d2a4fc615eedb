package seal

import "encoding/binary"

// formatVersion is the first byte of everything sealed, and part of what it is
// bound to.
const formatVersion = 1

// Binding is what sealed material is bound to as associated data, besides the
// format version, the domain and the generation.
type Binding struct {
	UID             string
	ObjectType      uint32
	Algorithm       uint32
	LengthBits      int32
	MaterialVersion int32
}

// append writes the associated data of sealed material. Each text is preceded
// by its length, so that no two bindings have the same bytes.
func (b Binding) append(dst []byte, at ref) []byte {
	dst = append(dst, formatVersion)
	dst = append(dst, "claviger material\x00"...)
	dst = appendText(dst, at.domain)
	dst = appendUint32(dst, uint32(at.generation)) //nolint:gosec // bits, and lengths of short texts
	dst = appendText(dst, b.UID)
	dst = appendUint32(dst, b.ObjectType)
	dst = appendUint32(dst, b.Algorithm)
	dst = appendUint32(dst, uint32(b.LengthBits))       //nolint:gosec // bits, and lengths of short texts
	return appendUint32(dst, uint32(b.MaterialVersion)) //nolint:gosec // bits, and lengths of short texts
}

func appendText(dst []byte, s string) []byte {
	return append(appendUint32(dst, uint32(len(s))), s...) //nolint:gosec // bits, and lengths of short texts
}

func appendUint32(dst []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(dst, v) }
