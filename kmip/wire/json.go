package wire

import (
	"bytes"
	"unicode/utf8"

	"github.com/claviger/claviger/kmip"
)

// ParseJSON checks a message in JSON and builds its tree (Additional Message
// Encodings 1.0 §4.1). The items alias b, in which values are undone in place:
// b is of no other use afterwards, and whoever overwrites it overwrites the
// secrets of the tree.
//
// Every object has a tag and may have type, name and value, each once and in
// any order. Numbers are integers. The limits hold as for [Parse].
//
// Returns *SyntaxError for the first thing that is wrong, *TooLargeError when
// b is longer than the limit.
func ParseJSON(b []byte, lim Limits) (kmip.Item, error) {
	p := jsonParser{text{encoding: JSON, b: b, lim: lim}}
	return p.parse(p.document)
}

type jsonParser struct{ text }

// document reads a whole message.
func (p *jsonParser) document(root *kmip.Item) error {
	if !p.build && !utf8.Valid(p.b) {
		return p.fail(0, "text is not UTF-8")
	}
	p.white()
	if err := p.object(root, naming{}, 0); err != nil {
		return err
	}
	p.white()
	if p.at != len(p.b) {
		return p.fail(p.at, "text after the end of the message")
	}
	return nil
}

func (p *jsonParser) white() {
	for p.at < len(p.b) && isSpace(p.b[p.at]) {
		p.at++
	}
}

// skip passes over one character, white space around it, and reports whether
// it was there.
func (p *jsonParser) skip(c byte) bool {
	p.white()
	if p.at == len(p.b) || p.b[p.at] != c {
		return false
	}
	p.at++
	p.white()
	return true
}

// object reads an object inside so many structures, after fields that said how
// values are named.
func (p *jsonParser) object(item *kmip.Item, names naming, depth int) error {
	begin := p.at
	if err := p.item(depth); err != nil {
		return err
	}
	if !p.skip('{') {
		return p.fail(begin, "an object belongs here")
	}
	var m members
	for {
		if err := p.member(item, &m, depth); err != nil {
			return err
		}
		if p.skip(',') {
			continue
		}
		if p.at < len(p.b) && p.b[p.at] == '}' {
			p.at++
			break
		}
		return p.fail(p.at, "object without end")
	}
	var ok bool
	if item.Tag, ok = tagOf(m.tag); !ok {
		return p.fail(begin, "unknown tag")
	}
	item.Type = kmip.TypeStructure
	if m.typ != nil {
		if item.Type, ok = typeOf(m.typ); !ok {
			return p.fail(begin, "unknown item type")
		}
	}
	return p.finish(item, m, names, begin, depth)
}

// finish gives an item what stood in its value.
func (p *jsonParser) finish(item *kmip.Item, m members, names naming, begin, depth int) error {
	switch structure := item.Type == kmip.TypeStructure; {
	case structure && m.form != formItems && m.form != formNone, !structure && m.form == formItems:
		return p.fail(begin, "value does not fit the type "+item.Type.String())
	case structure && depth == p.lim.MaxDepth:
		return p.fail(begin, "structures nest too deep")
	case structure, !p.build:
		return nil
	}
	v := m.value
	if m.form == formString {
		var ok bool
		if v, ok = undoJSON(v); !ok {
			return p.fail(begin, "half of a surrogate pair")
		}
	}
	if reason := setValue(item, names.tag(item.Tag), m.form, v); reason != "" {
		return p.fail(begin, reason)
	}
	return nil
}

// members are what an object holds.
type members struct {
	tag, typ, name, value []byte
	form                  form
	hasValue              bool
}

// member reads one "name": value of an object.
func (p *jsonParser) member(item *kmip.Item, m *members, depth int) error {
	begin := p.at
	key, err := p.str()
	if err != nil {
		return err
	}
	if !p.skip(':') {
		return p.fail(p.at, "colon is missing")
	}
	var into *[]byte
	switch string(key) {
	case "tag":
		into = &m.tag
	case "type":
		into = &m.typ
	case "name": // for people
		into = &m.name
	case "value":
		if m.hasValue {
			return p.fail(begin, "member appears twice")
		}
		m.hasValue = true
		return p.value(item, m, depth)
	default:
		return p.fail(begin, "unknown member")
	}
	if *into != nil {
		return p.fail(begin, "member appears twice")
	}
	*into, err = p.str()
	return err
}

// value reads the value of an object.
func (p *jsonParser) value(item *kmip.Item, m *members, depth int) (err error) {
	begin := p.at
	rest := p.b[p.at:]
	switch {
	case bytes.HasPrefix(rest, []byte(`"`)):
		m.form = formString
		m.value, err = p.str()
		return err
	case bytes.HasPrefix(rest, []byte("[")):
		m.form = formItems
		return p.array(item, depth+1)
	case bytes.HasPrefix(rest, []byte("null")):
		p.at += len("null")
		return nil
	case bytes.HasPrefix(rest, []byte("true")):
		p.at += len("true")
		m.form = formBoolean
	case bytes.HasPrefix(rest, []byte("false")):
		p.at += len("false")
		m.form = formBoolean
	default:
		m.form = formNumber
		if !p.number() {
			return p.fail(begin, "value is missing or damaged")
		}
	}
	m.value = p.b[begin:p.at:p.at]
	return nil
}

// array reads the fields of a structure.
func (p *jsonParser) array(item *kmip.Item, depth int) error {
	f := p.fields(depth)
	item.Items = f.places
	begin := p.at
	p.skip('[')
	if p.skip(']') {
		return nil
	}
	for {
		err := f.read(func(place *kmip.Item, names naming) error { return p.object(place, names, depth) })
		if err != nil {
			return err
		}
		if p.skip(',') {
			continue
		}
		if p.skip(']') {
			return nil
		}
		return p.fail(begin, "array without end")
	}
}
