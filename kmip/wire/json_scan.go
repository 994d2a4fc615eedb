package wire

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// number passes over an integer and reports whether there was one.
func (p *jsonParser) number() bool {
	rest := bytes.TrimPrefix(p.b[p.at:], []byte("-"))
	digits := 0
	for digits < len(rest) && rest[digits] >= '0' && rest[digits] <= '9' {
		digits++
	}
	if digits == 0 || digits > 1 && rest[0] == '0' || digits < len(rest) && bytes.IndexByte([]byte(".eE"), rest[digits]) >= 0 {
		return false
	}
	p.at = len(p.b) - len(rest) + digits
	return true
}

// str reads a string and returns what is between its quotes, which has whole
// escapes and no control characters.
func (p *jsonParser) str() ([]byte, error) {
	begin := p.at
	if p.at == len(p.b) || p.b[p.at] != '"' {
		return nil, p.fail(begin, "a string belongs here")
	}
	for p.at++; p.at < len(p.b); p.at++ {
		switch c := p.b[p.at]; {
		case c == '"':
			p.at++
			return p.b[begin+1 : p.at-1 : p.at-1], nil
		case c < 0x20:
			return nil, p.fail(begin, "control character in a string")
		case c == '\\':
			n := escapeBytes(p.b[p.at:])
			if n == 0 {
				return nil, p.fail(begin, "unknown escape")
			}
			p.at += n - 1
		}
	}
	return nil, p.fail(begin, "string without end")
}

// escapes are the characters that stand for another after a backslash.
var escapes = map[byte]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escapeBytes returns the length of the escape at the beginning of v; 0 when
// there is none.
func escapeBytes(v []byte) int {
	if len(v) < 2 {
		return 0
	}
	if _, ok := escapes[v[1]]; ok {
		return 2
	}
	if _, ok := unit(v); ok {
		return 6
	}
	return 0
}

// unit reads the escape \uXXXX at the beginning of v.
func unit(v []byte) (rune, bool) {
	if len(v) < 6 || v[0] != '\\' || v[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(v[2:6]), 16, 16)
	return rune(n), err == nil
}

// undoJSON undoes escapes in place.
func undoJSON(v []byte) ([]byte, bool) {
	to := v[:0]
	for at := 0; at < len(v); {
		if v[at] != '\\' {
			to = append(to, v[at])
			at++
			continue
		}
		if c, ok := escapes[v[at+1]]; ok {
			to = append(to, c)
			at += 2
			continue
		}
		r, _ := unit(v[at:])
		at += 6
		if utf16.IsSurrogate(r) {
			low, ok := unit(v[at:])
			if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
				return nil, false
			}
			at += 6
		}
		to = utf8.AppendRune(to, r)
	}
	return to[:len(to):len(to)], true
}
