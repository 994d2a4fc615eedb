package wire

import (
	"unicode/utf8"

	"github.com/claviger/claviger/kmip"
)

// AppendXML appends an item as XML to b (Additional Message Encodings 1.0
// §6.1): one element an item, its tag the name, without white space between.
//
// The item is trusted, as with [Append]. A text may hold characters that XML
// cannot say, such as U+0001; each becomes U+FFFD.
//
// Secrets: the result holds those of the item; the caller overwrites it, and
// gives b the room of [Encoding.Size] to have no copies left.
func AppendXML(b []byte, item kmip.Item) []byte {
	w := writer{b: b}
	w.xml(&item, item.Tag)
	return w.b
}

// xml writes one element; the names of its value are those of the tag named.
func (w *writer) xml(item *kmip.Item, named kmip.Tag) {
	if !hasForm(item.Type) {
		return
	}
	name := item.Tag.String()
	if item.Tag.Known() {
		w.str("<", name)
	} else {
		w.str(`<TTLV tag="`, name, `"`)
		name = "TTLV"
	}
	switch {
	case item.Type != kmip.TypeStructure:
		w.str(` type="`, item.Type.String(), `" value="`)
		w.xmlValue(item, named)
		w.str(`"/>`)
	case len(item.Items) == 0:
		w.str("/>")
	default:
		w.str(">")
		var names naming
		for i := range item.Items {
			w.xml(&item.Items[i], names.tag(item.Items[i].Tag))
			names.passed(&item.Items[i])
		}
		w.str("</", name, ">")
	}
}

func (w *writer) xmlValue(item *kmip.Item, named kmip.Tag) {
	switch item.Type {
	case kmip.TypeInteger:
		if isMask(named) && item.Int != 0 {
			w.str(maskText(named, item.Uint32(), " "))
			return
		}
		w.str(decimal(item.Int))
	case kmip.TypeLongInteger, kmip.TypeInterval:
		w.str(decimal(item.Int))
	case kmip.TypeBigInteger:
		w.bigInteger(item)
	case kmip.TypeEnumeration:
		w.str(enumName(named, item.Uint32()))
	case kmip.TypeBoolean:
		w.str(booleanText(item))
	case kmip.TypeByteString:
		w.hex(item.Bytes)
	case kmip.TypeDateTime, kmip.TypeDateTimeExtended:
		w.str(dateText(item))
	default:
		w.xmlText(item.Bytes)
	}
}

func booleanText(item *kmip.Item) string {
	if item.Bool() {
		return "true"
	}
	return "false"
}

// xmlText writes the value of an attribute: what would end it, or be changed
// by the reader, as a reference.
func (w *writer) xmlText(v []byte) {
	done := 0
	for at := 0; at < len(v); {
		r, n := utf8.DecodeRune(v[at:])
		escaped := ""
		switch r {
		case '<':
			escaped = "&lt;"
		case '>':
			escaped = "&gt;"
		case '&':
			escaped = "&amp;"
		case '"':
			escaped = "&quot;"
		case '\t':
			escaped = "&#9;"
		case '\n':
			escaped = "&#10;"
		case '\r':
			escaped = "&#13;"
		default:
			if !isXMLChar(r) || r == utf8.RuneError && n == 1 {
				escaped = "\uFFFD"
			}
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

// isXMLChar reports whether XML 1.0 can say a character (its production 2).
func isXMLChar(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r >= 0x20 && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= 0x10FFFF
}
