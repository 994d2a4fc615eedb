package kmip

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The canonical form of items and attributes is what the store keeps and what
// MACs are computed over. It is ours, not the protocol's: no version of the
// protocol changes it. Every item is
//
//	tag (4) type (1) then  length (4) bytes | int (8) | count (4) items
//
// and numbers are big-endian.

const canonicalDepth = 40

var errCanonical = errors.New("kmip: stored form is damaged")

// AppendItem appends the canonical form of an item.
func AppendItem(b []byte, i Item) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(i.Tag))
	b = append(b, byte(i.Type))
	switch {
	case i.Type == TypeStructure:
		b = binary.BigEndian.AppendUint32(b, uint32(len(i.Items))) //nolint:gosec // bounded by the message size
		for _, f := range i.Items {
			b = AppendItem(b, f)
		}
	case i.Type.IsText() || i.Type == TypeByteString || i.Type == TypeBigInteger:
		b = appendBlob(b, i.Bytes)
	default:
		b = binary.BigEndian.AppendUint64(b, uint64(i.Int)) //nolint:gosec // bits
	}
	return b
}

// ParseItem reads one canonical item and returns the rest. The item aliases b.
func ParseItem(b []byte) (Item, []byte, error) { return parseItem(b, 0) }

func parseItem(b []byte, depth int) (Item, []byte, error) {
	if len(b) < 9 || depth > canonicalDepth {
		return Item{}, nil, errCanonical
	}
	i := Item{Tag: Tag(binary.BigEndian.Uint32(b)), Type: ItemType(b[4])}
	b = b[5:]
	switch {
	case i.Type == TypeStructure:
		n := int(binary.BigEndian.Uint32(b))
		b = b[4:]
		if n > len(b)/9 {
			return Item{}, nil, errCanonical
		}
		i.Items = make([]Item, n)
		for k := range i.Items {
			var err error
			if i.Items[k], b, err = parseItem(b, depth+1); err != nil {
				return Item{}, nil, err
			}
		}
	case i.Type.IsText() || i.Type == TypeByteString || i.Type == TypeBigInteger:
		var err error
		if i.Bytes, b, err = parseBlob(b); err != nil {
			return Item{}, nil, err
		}
	case i.Type >= TypeInteger && i.Type <= TypeDateTimeExtended:
		if len(b) < 8 {
			return Item{}, nil, errCanonical
		}
		i.Int = int64(binary.BigEndian.Uint64(b)) //nolint:gosec // bits
		b = b[8:]
	default:
		return Item{}, nil, fmt.Errorf("%w: item type %d", errCanonical, i.Type)
	}
	return i, b, nil
}

func appendBlob(b, v []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(v))) //nolint:gosec // bounded by the message size
	return append(b, v...)
}

func parseBlob(b []byte) (v, rest []byte, err error) {
	if len(b) < 4 {
		return nil, nil, errCanonical
	}
	n := int(binary.BigEndian.Uint32(b))
	b = b[4:]
	if n > len(b) {
		return nil, nil, errCanonical
	}
	return b[:n:n], b[n:], nil
}

const canonicalAttributes = 1 // format version

// AppendCanonical appends the canonical form of all attributes, in their order.
func (a Attributes) AppendCanonical(b []byte) []byte {
	b = append(b, canonicalAttributes)
	b = binary.BigEndian.AppendUint32(b, uint32(len(a))) //nolint:gosec // bounded by the message size
	for _, at := range a {
		b = appendBlob(b, []byte(at.Vendor))
		b = appendBlob(b, []byte(at.Name))
		b = binary.BigEndian.AppendUint32(b, uint32(at.Index)) //nolint:gosec // small and not negative
		b = AppendItem(b, at.Value)
	}
	return b
}

// ParseAttributes reads what AppendCanonical wrote. The attributes alias b.
func ParseAttributes(b []byte) (Attributes, error) {
	if len(b) < 5 || b[0] != canonicalAttributes {
		return nil, errCanonical
	}
	n := int(binary.BigEndian.Uint32(b[1:]))
	b = b[5:]
	if n > len(b)/21 {
		return nil, errCanonical
	}
	attrs := make(Attributes, n)
	for k := range attrs {
		vendor, rest, err := parseBlob(b)
		if err != nil {
			return nil, err
		}
		name, rest, err := parseBlob(rest)
		if err != nil {
			return nil, err
		}
		if len(rest) < 4 {
			return nil, errCanonical
		}
		attrs[k].Vendor, attrs[k].Name = string(vendor), string(name)
		attrs[k].Index = int(binary.BigEndian.Uint32(rest))
		if attrs[k].Value, b, err = ParseItem(rest[4:]); err != nil {
			return nil, err
		}
		attrs[k].Tag = attrs[k].Value.Tag
	}
	if len(b) != 0 {
		return nil, errCanonical
	}
	return attrs, nil
}
