package wire

import "github.com/claviger/claviger/kmip"

// Encoding is a way to write a message.
type Encoding uint8

// The encodings. TTLV is that of every connection that is not HTTPS.
const (
	TTLV Encoding = iota
	XML
	JSON
)

func (e Encoding) String() string {
	switch e {
	case XML:
		return "XML"
	case JSON:
		return "JSON"
	default:
		return "TTLV"
	}
}

// Parse checks a message and builds its tree, as [Parse], [ParseXML] and
// [ParseJSON] do. The items alias b, which XML and JSON change.
func (e Encoding) Parse(b []byte, lim Limits) (kmip.Item, error) {
	switch e {
	case XML:
		return ParseXML(b, lim)
	case JSON:
		return ParseJSON(b, lim)
	default:
		return Parse(b, lim)
	}
}

// Append appends the encoding of an item to b, as [Append], [AppendXML] and
// [AppendJSON] do.
func (e Encoding) Append(b []byte, item kmip.Item) []byte {
	switch e {
	case XML:
		return AppendXML(b, item)
	case JSON:
		return AppendJSON(b, item)
	default:
		return Append(b, item)
	}
}

// Size returns how many bytes Append adds for an item. That of TTLV is also
// what Maximum Response Size means in XML and JSON.
func (e Encoding) Size(item kmip.Item) int {
	w := writer{dry: true}
	switch e {
	case XML:
		w.xml(&item, item.Tag)
	case JSON:
		w.json(&item, item.Tag)
	default:
		return Size(item)
	}
	return w.n
}
