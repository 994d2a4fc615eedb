package wire

import (
	"unicode/utf8"

	"github.com/claviger/claviger/kmip"
)

// AppendJSON appends an item as JSON to b (Additional Message Encodings 1.0
// §4.1): one object an item, with tag, type (but for structures) and value.
//
// The item is trusted, as with [Append].
//
// Secrets: the result holds those of the item; the caller overwrites it, and
// gives b the room of [Encoding.Size] to have no copies left.
func AppendJSON(b []byte, item kmip.Item) []byte {
	w := writer{b: b}
	w.json(&item, item.Tag)
	return w.b
}

// json writes one object; the names of its value are those of the tag named.
func (w *writer) json(item *kmip.Item, named kmip.Tag) {
	switch {
	case !hasForm(item.Type):
	case item.Type == kmip.TypeStructure:
		w.str(`{"tag":"`, item.Tag.String(), `","value":[`)
		var names naming
		separator := ""
		for i := range item.Items {
			if f := &item.Items[i]; hasForm(f.Type) {
				w.str(separator)
				separator = ","
				w.json(f, names.tag(f.Tag))
				names.passed(f)
			}
		}
		w.str("]}")
	default:
		w.str(`{"tag":"`, item.Tag.String(), `","type":"`, item.Type.String(), `","value":`)
		w.jsonValue(item, named)
		w.str("}")
	}
}

func (w *writer) jsonValue(item *kmip.Item, named kmip.Tag) {
	// exact is the largest integer that a Number says exactly everywhere (§4.1.6.5).
	const exact = 1<<52 - 1
	switch item.Type {
	case kmip.TypeInteger:
		if isMask(named) && item.Int != 0 {
			w.str(`"`, maskText(named, item.Uint32(), "|"), `"`)
			return
		}
		w.str(decimal(item.Int))
	case kmip.TypeLongInteger:
		if item.Int > exact || item.Int < -exact {
			w.str(`"`, hexText(item.Int), `"`)
			return
		}
		w.str(decimal(item.Int))
	case kmip.TypeInterval:
		w.str(decimal(item.Int))
	case kmip.TypeBigInteger:
		w.str(`"0x`)
		w.bigInteger(item)
		w.str(`"`)
	case kmip.TypeEnumeration:
		w.str(`"`, enumName(named, item.Uint32()), `"`)
	case kmip.TypeBoolean:
		w.str(booleanText(item))
	case kmip.TypeByteString:
		w.str(`"`)
		w.hex(item.Bytes)
		w.str(`"`)
	case kmip.TypeDateTime, kmip.TypeDateTimeExtended:
		w.str(`"`, dateText(item), `"`)
	default:
		w.str(`"`)
		w.jsonText(item.Bytes)
		w.str(`"`)
	}
}

// jsonText writes the inside of a string.
func (w *writer) jsonText(v []byte) {
	const digits = "0123456789abcdef"
	done := 0
	for at := 0; at < len(v); {
		r, n := utf8.DecodeRune(v[at:])
		escaped := ""
		switch {
		case r == '"':
			escaped = `\"`
		case r == '\\':
			escaped = `\\`
		case r == '\n':
			escaped = `\n`
		case r < 0x20:
			escaped = `\u00` + string(digits[r>>4]) + string(digits[r&15])
		case r == utf8.RuneError && n == 1:
			escaped = "\uFFFD"
		}
		if escaped != "" {
			w.bytes(v[done:at])
			w.str(escaped)
			done = at + n
		}
		at += n
	}
	w.bytes(v[done:])
}
