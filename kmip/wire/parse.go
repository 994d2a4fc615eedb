package wire

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/claviger/claviger/kmip"
)

// Parse checks a message and builds its tree. The items alias b.
//
// KMIP 2.1 §10.1. Everything is checked before anything is built: tags are
// 42xxxx or 54xxxx, types 01 to 0E, lengths fit their types, padding is there
// and zero, Booleans are 0 or 1, texts are UTF-8, children exactly fill their
// parent, nothing follows the item, and the limits hold. Each byte is looked
// at a fixed number of times, whatever the nesting.
//
// Returns *SyntaxError for the first thing that is wrong, *TooLargeError when
// b is longer than the limit.
func Parse(b []byte, lim Limits) (kmip.Item, error) {
	if len(b) > lim.MaxBytes {
		return kmip.Item{}, &TooLargeError{int64(len(b)), lim.MaxBytes}
	}
	c := checker{b: b, lim: lim}
	end, err := c.item(0, len(b), 0)
	if err != nil {
		return kmip.Item{}, err
	}
	if end != len(b) {
		return kmip.Item{}, &SyntaxError{Offset: end, Reason: "bytes after the end of the message"}
	}
	t := builder{slab: make([]kmip.Item, c.items-1)}
	var root kmip.Item
	t.build(&root, b)
	return root, nil
}

// checker walks the bytes once and counts the items.
type checker struct {
	b     []byte
	lim   Limits
	items int
}

// item checks the item at offset at, which must end at or before end, inside
// depth structures. It returns where the next one starts.
func (c *checker) item(at, end, depth int) (int, error) {
	if end-at < headerBytes {
		return 0, &SyntaxError{Offset: at, Reason: "truncated header"}
	}
	if c.items++; c.items > c.lim.MaxItems {
		return 0, &SyntaxError{Offset: at, Reason: "too many items"}
	}
	header := c.b[at : at+headerBytes]
	if header[0] != 0x42 && header[0] != 0x54 {
		return 0, &SyntaxError{Offset: at, Reason: "tag out of range"}
	}
	typ := kmip.ItemType(header[typeOffset])
	length := int64(binary.BigEndian.Uint32(header[4:]))
	start := at + headerBytes
	if length > int64(end-start) {
		return 0, &SyntaxError{Offset: at, Reason: "value reaches beyond its parent"}
	}
	n := int(length)
	next := start + padded(n)
	if next > end {
		return 0, &SyntaxError{Offset: at, Reason: "padding is missing"}
	}
	if typ == kmip.TypeStructure {
		if n%8 != 0 {
			return 0, &SyntaxError{Offset: at, Reason: "length of a Structure is not a multiple of 8"}
		}
		return next, c.children(start, next, depth+1)
	}
	if reason := checkValue(typ, c.b[start:start+n]); reason != "" {
		return 0, &SyntaxError{Offset: at, Reason: reason}
	}
	for _, pad := range c.b[start+n : next] {
		if pad != 0 {
			return 0, &SyntaxError{Offset: at, Reason: "padding is not zero"}
		}
	}
	return next, nil
}

func (c *checker) children(at, end, depth int) error {
	if depth > c.lim.MaxDepth {
		return &SyntaxError{Offset: at - headerBytes, Reason: "structures nest too deep"}
	}
	var err error
	for at < end && err == nil {
		at, err = c.item(at, end, depth)
	}
	return err
}

// checkValue says what is wrong with the value of an item that is not a
// structure; empty when nothing is.
func checkValue(typ kmip.ItemType, v []byte) string {
	switch typ {
	case kmip.TypeInteger, kmip.TypeEnumeration, kmip.TypeInterval:
		if len(v) != 4 {
			return "length of " + typ.String() + " is not 4"
		}
	case kmip.TypeLongInteger, kmip.TypeDateTime, kmip.TypeDateTimeExtended:
		if len(v) != 8 {
			return "length of " + typ.String() + " is not 8"
		}
	case kmip.TypeBoolean:
		if len(v) != 8 {
			return "length of Boolean is not 8"
		}
		if binary.BigEndian.Uint64(v) > 1 {
			return "Boolean is neither 0 nor 1"
		}
	case kmip.TypeBigInteger:
		if len(v) == 0 || len(v)%8 != 0 {
			return "length of BigInteger is not a multiple of 8"
		}
	case kmip.TypeTextString, kmip.TypeIdentifier, kmip.TypeReference, kmip.TypeNameReference:
		if !utf8.Valid(v) {
			return "text is not UTF-8"
		}
	case kmip.TypeByteString:
	default:
		return "unknown item type"
	}
	return ""
}

// builder makes the tree of bytes that were checked. All items but the root
// come from one slab, in which the children of a structure are neighbours.
type builder struct{ slab []kmip.Item }

// build fills dst from the item at the start of b and returns its size.
func (t *builder) build(dst *kmip.Item, b []byte) int {
	head := binary.BigEndian.Uint32(b)
	n := int(binary.BigEndian.Uint32(b[4:]))
	v := b[headerBytes : headerBytes+n : headerBytes+n]
	dst.Tag, dst.Type = kmip.Tag(head>>8), kmip.ItemType(head&0xff)
	switch dst.Type {
	case kmip.TypeStructure:
		count := 0
		for at := 0; at < n; at += headerBytes + padded(int(binary.BigEndian.Uint32(v[at+4:]))) {
			count++
		}
		children := t.slab[:count:count]
		t.slab = t.slab[count:]
		at := 0
		for i := range children {
			at += t.build(&children[i], v[at:])
		}
		dst.Items = children
	case kmip.TypeInteger:
		dst.Int = int64(int32(binary.BigEndian.Uint32(v))) //nolint:gosec // two's complement
	case kmip.TypeEnumeration, kmip.TypeInterval:
		dst.Int = int64(binary.BigEndian.Uint32(v))
	case kmip.TypeLongInteger, kmip.TypeBoolean, kmip.TypeDateTime, kmip.TypeDateTimeExtended:
		dst.Int = int64(binary.BigEndian.Uint64(v)) //nolint:gosec // two's complement
	default:
		dst.Bytes = v
	}
	return headerBytes + padded(n)
}
