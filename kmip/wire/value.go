package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"strconv"

	"github.com/claviger/claviger/kmip"
)

// form is how JSON writes a value; XML writes strings only.
type form uint8

const (
	formNone   form = iota // no value, or null
	formString             // without quotes, escapes undone
	formNumber
	formBoolean // true or false
	formItems   // the fields of a structure
)

// setValue gives an item that is not a structure the value that stands in v,
// after the rules for its type (§4.1.6, §6.1.6). The names of its values are
// those of the tag named. It says what is wrong; empty when nothing is.
//
// Byte Strings and texts alias v, in which hexadecimal is undone in place.
func setValue(item *kmip.Item, named kmip.Tag, f form, v []byte) (reason string) {
	refused := "value does not fit the type " + item.Type.String()
	var ok bool
	switch item.Type {
	case kmip.TypeTextString, kmip.TypeIdentifier, kmip.TypeReference, kmip.TypeNameReference:
		item.Bytes, ok = v, f == formString || f == formNone
	case kmip.TypeByteString:
		n, err := hex.Decode(v, v)
		item.Bytes, ok = v[:n:n], err == nil && (f == formString || f == formNone)
	case kmip.TypeBoolean:
		item.Int, ok = parseBoolean(bytes.Trim(v, space), f)
	case kmip.TypeBigInteger:
		item.Bytes, ok = parseBigInteger(v, f)
	case kmip.TypeDateTime:
		item.Int, ok = parseDateTime(v, f, false)
	case kmip.TypeDateTimeExtended:
		item.Int, ok = parseDateTime(v, f, true)
	default:
		if f != formString && f != formNumber {
			return refused
		}
		v = bytes.Trim(v, space)
		switch item.Type {
		case kmip.TypeInteger:
			if item.Int, ok = parseSigned(v, 32); !ok && isMask(named) {
				item.Int, ok = parseMask(named, v)
			}
		case kmip.TypeLongInteger:
			item.Int, ok = parseSigned(v, 64)
		case kmip.TypeInterval:
			item.Int, ok = parseUnsigned(v)
		case kmip.TypeEnumeration:
			if item.Int, ok = parseUnsigned(v); !ok {
				n, known := enumOf(named, v)
				if !known {
					return "name of a value is not known"
				}
				item.Int, ok = int64(n), true
			}
		}
	}
	if !ok {
		return refused
	}
	return ""
}

// space is what XML and JSON take for white space.
const space = " \t\r\n"

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// parseHex reads a number in hexadecimal of at most so many bits.
func parseHex(v []byte, bits int) (uint64, bool) {
	if len(v) < 3 || len(v) > 2+bits/4 || v[0] != '0' || v[1] != 'x' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(v[2:]), 16, bits)
	return n, err == nil
}

// maxDigits is longer than any number of 64 bits.
const maxDigits = 24

// parseSigned reads an Integer or Long Integer: decimal, or the bits of its
// two's complement in hexadecimal.
func parseSigned(v []byte, bits int) (int64, bool) {
	if n, ok := parseHex(v, bits); ok {
		if bits == 32 {
			return int64(int32(uint32(n))), true //nolint:gosec // two's complement
		}
		return int64(n), true //nolint:gosec // two's complement
	}
	if len(v) > maxDigits {
		return 0, false
	}
	n, err := strconv.ParseInt(string(v), 10, bits)
	return n, err == nil
}

// parseUnsigned reads an Enumeration or Interval by its number.
func parseUnsigned(v []byte) (int64, bool) {
	if n, ok := parseHex(v, 32); ok {
		return int64(n), true //nolint:gosec // 32 bits
	}
	if len(v) > maxDigits {
		return 0, false
	}
	n, err := strconv.ParseUint(string(v), 10, 32)
	return int64(n), err == nil
}

// parseMask reads the components of a mask, names or numbers (§4.1.6.4): XML
// puts spaces between them, JSON "|".
func parseMask(named kmip.Tag, v []byte) (int64, bool) {
	var mask uint32
	some := false
	for part := range bytes.FieldsFuncSeq(v, func(r rune) bool { return r == '|' || r == ' ' || r == '\t' || r == '\n' || r == '\r' }) {
		bit, ok := bitOf(named, part)
		if !ok {
			n, isHex := parseHex(part, 32)
			if !isHex {
				return 0, false
			}
			bit = uint32(n) //nolint:gosec // 32 bits
		}
		mask, some = mask|bit, true
	}
	return int64(int32(mask)), some
}

func parseBoolean(v []byte, f form) (int64, bool) {
	if f != formString && f != formBoolean {
		return 0, false
	}
	switch string(v) {
	case "true", "1", "0x0000000000000001":
		return 1, true
	case "false", "0", "0x0000000000000000":
		return 0, true
	}
	return 0, false
}

// parseBigInteger reads a Big Integer (§4.1.6.6): whole groups of eight bytes
// in hexadecimal, because others would leave the sign open; in JSON also a
// Number.
func parseBigInteger(v []byte, f form) ([]byte, bool) {
	switch f {
	case formNumber:
		n, ok := parseSigned(v, 64)
		return binary.BigEndian.AppendUint64(nil, uint64(n)), ok //nolint:gosec // two's complement
	case formString:
		v = bytes.TrimPrefix(bytes.Trim(v, space), []byte("0x"))
		n, err := hex.Decode(v, v)
		return v[:n:n], err == nil && n > 0 && n%8 == 0
	default:
		return nil, false
	}
}
