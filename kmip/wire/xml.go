package wire

import (
	"bytes"

	"github.com/claviger/claviger/kmip"
)

// xmlNamespace is the only one that a message may declare (§6.1.6).
const xmlNamespace = "urn:oasis:tc:kmip:xmlns"

// ParseXML checks a message in XML and builds its tree (Additional Message
// Encodings 1.0 §6.1). The items alias b, in which values are undone in place:
// b is of no other use afterwards, and whoever overwrites it overwrites the
// secrets of the tree.
//
// Taken is what messages need of XML 1.0: elements without text, attributes,
// comments, an XML declaration, the five entities and character references.
// There are no document type, processing instructions or CDATA; the encoding
// is UTF-8. The limits hold as for [Parse].
//
// Returns *SyntaxError for the first thing that is wrong, *TooLargeError when
// b is longer than the limit.
func ParseXML(b []byte, lim Limits) (kmip.Item, error) {
	p := xmlParser{text{encoding: XML, b: b, lim: lim}}
	return p.parse(p.document)
}

type xmlParser struct{ text }

// document reads a whole message.
func (p *xmlParser) document(root *kmip.Item) error {
	if !p.build {
		if err := p.characters(); err != nil {
			return err
		}
	}
	p.skip("\uFEFF")
	if p.has("<?xml") {
		if err := p.declaration(); err != nil {
			return err
		}
	}
	if err := p.between(); err != nil {
		return err
	}
	if err := p.element(root, naming{}, 0); err != nil {
		return err
	}
	if err := p.between(); err != nil {
		return err
	}
	if p.at != len(p.b) {
		return p.fail(p.at, "text after the end of the message")
	}
	return nil
}

// startTag is what the start tag of an element says.
type startTag struct {
	name  []byte // as written
	tag   kmip.Tag
	typ   kmip.ItemType
	value []byte
	form  form
	empty bool // <name/>
}

// start reads a start tag (§6.1.6).
func (p *xmlParser) start() (s startTag, err error) {
	begin := p.at
	if !p.skip("<") {
		return s, p.fail(begin, "an element belongs here")
	}
	if s.name, err = p.name(); err != nil {
		return s, err
	}
	var typ, tag []byte
	for {
		gap := p.white()
		if s.empty = p.skip("/>"); s.empty || p.skip(">") {
			break
		}
		name, value, err := p.attribute(gap)
		if err != nil {
			return s, err
		}
		into := &value
		switch string(name) {
		case "type":
			into = &typ
		case "tag":
			into = &tag
		case "value":
			into, s.form = &s.value, formString
		case "name": // for people
		case "xmlns":
			if string(value) != xmlNamespace {
				return s, p.fail(begin, "another namespace than that of KMIP")
			}
		default: // xmlns:xsi and what belongs to other namespaces
			if bytes.IndexByte(name, ':') < 0 {
				return s, p.fail(begin, "unknown attribute")
			}
		}
		if into != &value && *into != nil {
			return s, p.fail(begin, "attribute appears twice")
		}
		if into != &s.value && bytes.IndexByte(value, '&') >= 0 {
			return s, p.fail(begin, "reference outside a value")
		}
		*into = value
	}
	if !s.setTag(tag) {
		return s, p.fail(begin, "unknown tag")
	}
	ok := typ == nil
	if s.typ = kmip.TypeStructure; !ok {
		s.typ, ok = typeOf(typ)
	}
	if !ok {
		return s, p.fail(begin, "unknown item type")
	}
	return s, nil
}

// setTag finds the tag by the name of the element, or by the attribute of the
// generic element TTLV.
func (s *startTag) setTag(attribute []byte) (ok bool) {
	local := s.name[bytes.IndexByte(s.name, ':')+1:]
	switch {
	case string(local) == "TTLV":
		s.tag, ok = tagOf(attribute)
	case attribute != nil:
		return false
	case len(local) == 7 && local[0] == 'x': // x540001, as in §6.1.6.5
		s.tag, ok = tagOf([]byte("0" + string(local)))
	default:
		s.tag, ok = tagOf(local)
	}
	return ok
}

// element reads an element inside so many structures, after fields that said
// how values are named.
func (p *xmlParser) element(item *kmip.Item, names naming, depth int) error {
	begin := p.at
	if err := p.item(depth); err != nil {
		return err
	}
	s, err := p.start()
	if err != nil {
		return err
	}
	item.Tag, item.Type = s.tag, s.typ
	if s.typ == kmip.TypeStructure {
		if s.form != formNone {
			return p.fail(begin, "a Structure has fields, not a value")
		}
		if depth == p.lim.MaxDepth {
			return p.fail(begin, "structures nest too deep")
		}
		return p.structure(item, s, depth+1)
	}
	if !s.empty {
		if err := p.end(s.name); err != nil {
			return err
		}
	}
	if !p.build {
		return nil
	}
	v, ok := undoXML(s.value)
	if !ok {
		return p.fail(begin, "unknown reference")
	}
	if reason := setValue(item, names.tag(s.tag), s.form, v); reason != "" {
		return p.fail(begin, reason)
	}
	return nil
}

// structure reads the fields of a structure and its end tag.
func (p *xmlParser) structure(item *kmip.Item, s startTag, depth int) error {
	f := p.fields(depth)
	item.Items = f.places
	if s.empty {
		return nil
	}
	for {
		if err := p.between(); err != nil {
			return err
		}
		if p.has("</") {
			return p.end(s.name)
		}
		err := f.read(func(place *kmip.Item, names naming) error { return p.element(place, names, depth) })
		if err != nil {
			return err
		}
	}
}

// end reads the end tag of an element.
func (p *xmlParser) end(name []byte) error {
	if err := p.between(); err != nil {
		return err
	}
	begin := p.at
	if !p.skip("</") || !p.skip(string(name)) {
		return p.fail(begin, "end tag is missing")
	}
	p.white()
	if !p.skip(">") {
		return p.fail(begin, "end tag is missing")
	}
	return nil
}
