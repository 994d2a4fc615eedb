package kmip

import (
	"fmt"
	"strings"
)

// Tag identifies a field (§11.56).
type Tag uint32

type tagEntry struct {
	tag   Tag
	name  string // normalised: ActivationDate
	title string // as in the headings of the specification: Activation Date
}

type enumEntry struct {
	value uint32
	name  string
	title string
}

const (
	tagBase  = 0x420000
	tagCount = 0x200
)

var (
	tagsByNumber = func() (table [tagCount]*tagEntry) {
		for i := range tagTable {
			table[tagTable[i].tag-tagBase] = &tagTable[i]
		}
		return table
	}()
	tagsByName = func() map[string]Tag {
		m := make(map[string]Tag, 2*len(tagTable))
		for _, e := range tagTable {
			m[e.name] = e.tag
			m[e.title] = e.tag
		}
		return m
	}()
	enumsByName = func() map[string]map[string]uint32 {
		all := make(map[string]map[string]uint32, len(enumTables))
		for enum, entries := range enumTables {
			m := make(map[string]uint32, 2*len(entries))
			for _, e := range entries {
				m[strings.ToLower(e.name)] = e.value
				m[strings.ToLower(e.title)] = e.value
			}
			all[enum] = m
		}
		return all
	}()
)

func (t Tag) entry() *tagEntry {
	if t < tagBase || t >= tagBase+tagCount {
		return nil
	}
	return tagsByNumber[t-tagBase]
}

// String returns the normalised name of the tag, such as ActivationDate, or
// its number in hexadecimal.
func (t Tag) String() string {
	if e := t.entry(); e != nil {
		return e.name
	}
	return fmt.Sprintf("0x%06X", uint32(t))
}

// Title returns the name as the specification writes it, which is also the
// Attribute Name of KMIP 1.x: "Activation Date".
func (t Tag) Title() string {
	if e := t.entry(); e != nil {
		return e.title
	}
	return t.String()
}

// Known reports whether the tag is in the tables of any version.
func (t Tag) Known() bool { return t.entry() != nil }

// TagByName returns the tag with a normalised name or title.
func TagByName(name string) (Tag, bool) {
	t, ok := tagsByName[name]
	return t, ok
}

// EnumOf names the enumeration or mask that the values of a tag come from;
// empty when it has none.
func EnumOf(t Tag) string { return enumOfTag[t] }

func enumName(enum string, value uint32) string {
	for _, e := range enumTables[enum] {
		if e.value == value {
			return e.name
		}
	}
	return fmt.Sprintf("0x%08X", value)
}

// EnumName returns the normalised name of a value of the enumeration that
// belongs to a tag, or its number in hexadecimal.
func EnumName(t Tag, value uint32) string { return enumName(enumOfTag[t], value) }

// EnumByName returns the value with a normalised name or title, whatever its
// case, in the enumeration that belongs to a tag.
func EnumByName(t Tag, name string) (uint32, bool) {
	v, ok := enumsByName[enumOfTag[t]][strings.ToLower(name)]
	return v, ok
}

// EnumValues lists the values of the enumeration that belongs to a tag.
func EnumValues(t Tag) []uint32 {
	entries := enumTables[enumOfTag[t]]
	values := make([]uint32, len(entries))
	for i, e := range entries {
		values[i] = e.value
	}
	return values
}

// MaskNames returns the names of the bits of a mask, lowest first; bits
// without a name appear in hexadecimal.
func MaskNames(t Tag, value uint32) []string {
	var names []string
	for bit := uint32(1); bit != 0; bit <<= 1 {
		if value&bit == 0 {
			continue
		}
		name := fmt.Sprintf("0x%08X", bit)
		for _, e := range maskTables[enumOfTag[t]] {
			if e.value == bit {
				name = e.name
			}
		}
		names = append(names, name)
	}
	return names
}

// MaskByName returns the bit of a mask with a normalised name or title.
func MaskByName(t Tag, name string) (uint32, bool) {
	for _, e := range maskTables[enumOfTag[t]] {
		if strings.EqualFold(e.name, name) || strings.EqualFold(e.title, name) {
			return e.value, true
		}
	}
	return 0, false
}
