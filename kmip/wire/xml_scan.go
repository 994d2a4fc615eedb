package wire

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
)

// characters refuses what is not UTF-8 and what XML has no place for.
func (p *xmlParser) characters() error {
	for at := 0; at < len(p.b); {
		r, n := utf8.DecodeRune(p.b[at:])
		if r == utf8.RuneError && n == 1 || !isXMLChar(r) {
			return p.fail(at, "character that XML does not allow")
		}
		at += n
	}
	return nil
}

func (p *xmlParser) has(s string) bool { return bytes.HasPrefix(p.b[p.at:], []byte(s)) }

// skip passes over s and reports whether it was there.
func (p *xmlParser) skip(s string) bool {
	if !p.has(s) {
		return false
	}
	p.at += len(s)
	return true
}

// white passes over white space and reports whether there was any.
func (p *xmlParser) white() bool {
	start := p.at
	for p.at < len(p.b) && isSpace(p.b[p.at]) {
		p.at++
	}
	return p.at > start
}

// between passes over white space and comments.
func (p *xmlParser) between() error {
	for {
		p.white()
		start := p.at
		if !p.skip("<!--") {
			return nil
		}
		n := bytes.Index(p.b[p.at:], []byte("--"))
		if n < 0 {
			return p.fail(start, "comment without end")
		}
		if p.at += n; !p.skip("-->") {
			return p.fail(p.at, "-- inside a comment")
		}
	}
}

// declaration reads <?xml version="1.0" encoding="UTF-8"?>.
func (p *xmlParser) declaration() error {
	start := p.at
	p.skip("<?xml")
	var version []byte
	for {
		gap := p.white()
		if p.skip("?>") {
			break
		}
		name, value, err := p.attribute(gap)
		if err != nil {
			return err
		}
		switch string(name) {
		case "version":
			version = value
		case "encoding":
			if !bytes.EqualFold(value, []byte("UTF-8")) {
				return p.fail(start, "encoding is not UTF-8")
			}
		case "standalone":
		default:
			return p.fail(start, "XML declaration is damaged")
		}
	}
	if string(version) != "1.0" {
		return p.fail(start, "version of XML is not 1.0")
	}
	return nil
}

// name reads the name of an element or attribute. Names of KMIP are ASCII.
func (p *xmlParser) name() ([]byte, error) {
	start := p.at
	colons := 0
	for ; p.at < len(p.b); p.at++ {
		c := p.b[p.at]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		if c == ':' && p.at > start {
			colons++
		} else if !letter && (p.at == start || c != '-' && c != '.' && (c < '0' || c > '9')) {
			break
		}
	}
	if p.at == start || colons > 1 || p.b[p.at-1] == ':' {
		return nil, p.fail(start, "name is missing or damaged")
	}
	return p.b[start:p.at], nil
}

// attribute reads name="value"; gap says whether white space stood before it.
func (p *xmlParser) attribute(gap bool) (name, value []byte, err error) {
	if !gap {
		return nil, nil, p.fail(p.at, "white space is missing")
	}
	if name, err = p.name(); err != nil {
		return nil, nil, err
	}
	p.white()
	if !p.skip("=") {
		return nil, nil, p.fail(p.at, "attribute without value")
	}
	p.white()
	if !p.has(`"`) && !p.has("'") {
		return nil, nil, p.fail(p.at, "attribute without quotes")
	}
	quote := p.b[p.at]
	p.at++
	start := p.at
	n := bytes.IndexByte(p.b[p.at:], quote)
	if n < 0 {
		return nil, nil, p.fail(start, "attribute without end")
	}
	p.at += n + 1
	value = p.b[start : start+n : start+n]
	if bytes.IndexByte(value, '<') >= 0 {
		return nil, nil, p.fail(start, "< inside an attribute")
	}
	return name, value, nil
}

// references are the entities that XML has by itself.
var references = map[string]rune{"lt": '<', "gt": '>', "amp": '&', "quot": '"', "apos": '\''}

// undoXML undoes references in place and turns white space into blanks, as
// XML 1.0 §3.3.3 has it for attributes.
func undoXML(v []byte) ([]byte, bool) {
	to := v[:0]
	for at := 0; at < len(v); at++ {
		switch v[at] {
		case '&':
			n := bytes.IndexByte(v[at:min(len(v), at+12)], ';')
			if n < 0 {
				return nil, false
			}
			r, ok := reference(string(v[at+1 : at+n]))
			if !ok {
				return nil, false
			}
			to = utf8.AppendRune(to, r)
			at += n
		case '\r':
			if at+1 < len(v) && v[at+1] == '\n' {
				at++
			}
			to = append(to, ' ')
		case '\t', '\n':
			to = append(to, ' ')
		default:
			to = append(to, v[at])
		}
	}
	return to[:len(to):len(to)], true
}

// reference returns the character of what stands between & and ;. It is
// written in no more bytes than the reference.
func reference(s string) (rune, bool) {
	digits, isNumber := strings.CutPrefix(s, "#")
	if !isNumber {
		r, ok := references[s]
		return r, ok
	}
	base := 10
	if hex, isHex := strings.CutPrefix(digits, "x"); isHex {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, 21)
	return rune(n), err == nil && isXMLChar(rune(n))
}
