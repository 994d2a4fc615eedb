package wire

import (
	"encoding/binary"

	"github.com/claviger/claviger/kmip"
)

// Append appends the encoding of an item to b (KMIP 2.1 §10.1; all types).
//
// The item is trusted: its numbers are cut to the width of their type. A Big
// Integer of any length is extended by its sign to a multiple of eight bytes,
// and one without bytes is zero. An item of no known type leaves no bytes.
//
// Secrets: the result holds those of the item; the caller overwrites it.
func Append(b []byte, item kmip.Item) []byte {
	return appendItem(b, &item)
}

func appendItem(b []byte, item *kmip.Item) []byte {
	switch item.Type {
	case kmip.TypeStructure:
		b = appendHeader(b, item, 0)
		start := len(b)
		for i := range item.Items {
			b = appendItem(b, &item.Items[i])
		}
		binary.BigEndian.PutUint32(b[start-4:], uint32(len(b)-start)) //nolint:gosec // messages are bounded
		return b
	case kmip.TypeInteger, kmip.TypeEnumeration, kmip.TypeInterval:
		b = appendHeader(b, item, 4)
		return binary.BigEndian.AppendUint64(b, uint64(item.Int)<<32) //nolint:gosec // the low 32 bits, then padding
	case kmip.TypeLongInteger, kmip.TypeBoolean, kmip.TypeDateTime, kmip.TypeDateTimeExtended:
		b = appendHeader(b, item, 8)
		return binary.BigEndian.AppendUint64(b, uint64(item.Int)) //nolint:gosec // two's complement
	case kmip.TypeBigInteger:
		n := bigIntegerBytes(item)
		b = appendHeader(b, item, n)
		sign := byte(0)
		if len(item.Bytes) > 0 && item.Bytes[0] >= 0x80 {
			sign = 0xff
		}
		for range n - len(item.Bytes) {
			b = append(b, sign)
		}
		return append(b, item.Bytes...)
	case kmip.TypeTextString, kmip.TypeByteString, kmip.TypeIdentifier, kmip.TypeReference, kmip.TypeNameReference:
		b = appendHeader(b, item, len(item.Bytes))
		b = append(b, item.Bytes...)
		var zeros [7]byte
		return append(b, zeros[:padded(len(item.Bytes))-len(item.Bytes)]...)
	default:
		return b
	}
}

func appendHeader(b []byte, item *kmip.Item, length int) []byte {
	head := uint64(item.Tag&0xffffff)<<40 | uint64(item.Type)<<32 | uint64(uint32(length)) //nolint:gosec // messages are bounded
	return binary.BigEndian.AppendUint64(b, head)
}

func bigIntegerBytes(item *kmip.Item) int { return max(8, padded(len(item.Bytes))) }

// Size returns how many bytes Append adds for an item, padding included.
func Size(item kmip.Item) int { return size(&item) }

func size(item *kmip.Item) int {
	switch item.Type {
	case kmip.TypeStructure:
		n := headerBytes
		for i := range item.Items {
			n += size(&item.Items[i])
		}
		return n
	case kmip.TypeBigInteger:
		return headerBytes + bigIntegerBytes(item)
	case kmip.TypeTextString, kmip.TypeByteString, kmip.TypeIdentifier, kmip.TypeReference, kmip.TypeNameReference:
		return headerBytes + padded(len(item.Bytes))
	case kmip.TypeInteger, kmip.TypeEnumeration, kmip.TypeInterval,
		kmip.TypeLongInteger, kmip.TypeBoolean, kmip.TypeDateTime, kmip.TypeDateTimeExtended:
		return headerBytes + 8
	default:
		return 0
	}
}
