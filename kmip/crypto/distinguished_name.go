package crypto

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/claviger/claviger/kmip"
)

// maxNameBytes bounds the text of a distinguished name.
const maxNameBytes = 4096

// nameTypes are the attribute types of names by their short names (RFC 4514 §3)
// and those that clients use besides.
var nameTypes = map[string]asn1.ObjectIdentifier{
	"CN":           {2, 5, 4, 3},
	"SN":           {2, 5, 4, 4},
	"SERIALNUMBER": {2, 5, 4, 5},
	"C":            {2, 5, 4, 6},
	"L":            {2, 5, 4, 7},
	"ST":           {2, 5, 4, 8},
	"S":            {2, 5, 4, 8},
	"STREET":       {2, 5, 4, 9},
	"O":            {2, 5, 4, 10},
	"OU":           {2, 5, 4, 11},
	"TITLE":        {2, 5, 4, 12},
	"POSTALCODE":   {2, 5, 4, 17},
	"GN":           {2, 5, 4, 42},
	"DNQUALIFIER":  {2, 5, 4, 46},
	"DC":           {0, 9, 2342, 19200300, 100, 1, 25},
	"UID":          {0, 9, 2342, 19200300, 100, 1, 1},
	"E":            {1, 2, 840, 113549, 1, 9, 1},
	"EMAIL":        {1, 2, 840, 113549, 1, 9, 1},
	"EMAILADDRESS": {1, 2, 840, 113549, 1, 9, 1},
}

// ia5Types are the types whose values are IA5String (RFC 4519 §2.4, RFC 2985
// §5.2.1).
var ia5Types = []string{"0.9.2342.19200300.100.1.25", "1.2.840.113549.1.9.1"}

// parseName reads a distinguished name in the text form of RFC 4514, which
// stands in the reverse order of the DER that is returned. A text that is empty
// is the name without attributes.
func parseName(text string) ([]byte, error) {
	if len(text) > maxNameBytes || !utf8.ValidString(text) {
		return nil, errName(nil)
	}
	var name pkix.RDNSequence
	if strings.TrimSpace(text) != "" {
		for _, rdn := range splitName(text, ",;") {
			var set pkix.RelativeDistinguishedNameSET
			for _, part := range splitName(rdn, "+") {
				a, err := parseNamePart(part)
				if err != nil {
					return nil, err
				}
				set = append(set, a)
			}
			name = append(name, set)
		}
	}
	slices.Reverse(name)
	der, err := asn1.Marshal(name)
	if err == nil { // a value given in BER may be one that no reader of the certificate takes
		err = unmarshal(der, new(pkix.RDNSequence))
	}
	if err != nil {
		return nil, errName(err)
	}
	return der, nil
}

// splitName splits at separators that are neither escaped nor quoted.
func splitName(text, separators string) []string {
	var parts []string
	start, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && strings.IndexByte(separators, c) >= 0:
			parts = append(parts, text[start:i])
			start = i + 1
		}
	}
	return append(parts, text[start:])
}

func parseNamePart(part string) (pkix.AttributeTypeAndValue, error) {
	key, value, found := strings.Cut(part, "=")
	key = strings.TrimSpace(key)
	oid, known := nameTypes[strings.ToUpper(key)]
	if !known {
		oid = parseOID(strings.TrimPrefix(strings.ToUpper(key), "OID."))
	}
	if !found || oid == nil {
		return pkix.AttributeTypeAndValue{}, errName(nil)
	}
	value = trimValue(value)
	if strings.HasPrefix(value, "#") { // the value in BER
		raw, err := hex.DecodeString(value[1:])
		var v asn1.RawValue
		if err == nil {
			err = unmarshal(raw, &v)
		}
		if err != nil {
			return pkix.AttributeTypeAndValue{}, errName(err)
		}
		return pkix.AttributeTypeAndValue{Type: oid, Value: v}, nil
	}
	plain, err := unescape(value)
	if err != nil {
		return pkix.AttributeTypeAndValue{}, err
	}
	if slices.Contains(ia5Types, oid.String()) {
		for _, r := range plain {
			if r > 0x7e {
				return pkix.AttributeTypeAndValue{}, errName(nil)
			}
		}
		return pkix.AttributeTypeAndValue{Type: oid, Value: asn1.RawValue{Tag: asn1.TagIA5String, Bytes: []byte(plain)}}, nil
	}
	return pkix.AttributeTypeAndValue{Type: oid, Value: plain}, nil
}

// trimValue drops spaces around a value that are not escaped.
func trimValue(v string) string {
	v = strings.TrimLeft(v, " ")
	for strings.HasSuffix(v, " ") && !strings.HasSuffix(v, `\ `) {
		v = v[:len(v)-1]
	}
	return v
}

// unescape undoes the escapes of RFC 4514 §2.4, and the quotes of RFC 2253 §4.
func unescape(v string) (string, error) {
	if len(v) > 1 && v[0] == '"' && v[len(v)-1] == '"' {
		v = v[1 : len(v)-1]
	}
	var b strings.Builder
	for i := 0; i < len(v); i++ {
		if v[i] != '\\' {
			b.WriteByte(v[i])
			continue
		}
		if i+2 < len(v) {
			if pair, err := hex.DecodeString(v[i+1 : i+3]); err == nil {
				b.Write(pair)
				i += 2
				continue
			}
		}
		if i++; i >= len(v) {
			return "", errName(nil)
		}
		b.WriteByte(v[i])
	}
	if b.Len() == 0 || !utf8.ValidString(b.String()) {
		return "", errName(nil)
	}
	return b.String(), nil
}

// parseOID reads an object identifier in dots; nil if it is none.
func parseOID(text string) asn1.ObjectIdentifier {
	var oid asn1.ObjectIdentifier
	for _, part := range strings.Split(text, ".") {
		n, err := strconv.ParseUint(part, 10, 31)
		if err != nil {
			return nil
		}
		oid = append(oid, int(n))
	}
	if len(oid) < 2 {
		return nil
	}
	return oid
}

func errName(cause error) error {
	return kmip.FailFrom(cause, kmip.KindInvalidField, "the subject is not a distinguished name as RFC 4514 writes it")
}
