package split

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"strings"

	"github.com/claviger/claviger/kmip/secret"
)

// Text is how a share is written for a person to keep: a prefix, and the base 32 of
// some bytes and of the beginning of a SHA-256 of prefix and bytes, which finds
// typing errors. Hyphens part groups of eight characters; they, spaces and the case
// of letters do not count when it is read.
type Text struct {
	Prefix string // lower case
	Bytes  int    // of what is written, without the checksum
}

const (
	textSumBytes = 4
	textGroup    = 8
)

var textEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

func (t Text) sum(b []byte) []byte {
	h := sha256.New()
	h.Write([]byte(t.Prefix))
	h.Write(b)
	return h.Sum(nil)[:textSumBytes]
}

// Write writes t.Bytes bytes, which stay the caller's; the caller destroys the
// result.
func (t Text) Write(b []byte) *secret.Bytes {
	raw := make([]byte, 0, t.Bytes+textSumBytes)
	raw = append(append(raw, b...), t.sum(b)...)
	defer clear(raw)
	chars := make([]byte, textEncoding.EncodedLen(len(raw)))
	defer clear(chars)
	textEncoding.Encode(chars, raw)
	text := make([]byte, 0, len(t.Prefix)+len(chars)+len(chars)/textGroup)
	text = append(text, t.Prefix...)
	for i := 0; i < len(chars); i += textGroup {
		if i > 0 {
			text = append(text, '-')
		}
		text = append(text, chars[i:min(i+textGroup, len(chars))]...)
	}
	return secret.New(text)
}

// Read reads what Write has written; false, without a word about it, if it is
// something else or was mistyped. The caller clears the result.
func (t Text) Read(text *secret.Bytes) ([]byte, bool) {
	all := t.Bytes + textSumBytes
	if text.Len() > 4*all {
		return nil, false
	}
	plain := make([]byte, 0, text.Len())
	defer func() { clear(plain) }()
	for _, c := range text.Reveal() {
		switch {
		case c >= 'A' && c <= 'Z':
			plain = append(plain, c-'A'+'a')
		case c != '-' && c != ' ' && c != '\t' && c != '\r' && c != '\n':
			plain = append(plain, c)
		}
	}
	prefix := strings.ReplaceAll(t.Prefix, "-", "")
	if len(plain) != len(prefix)+textEncoding.EncodedLen(all) || string(plain[:len(prefix)]) != prefix {
		return nil, false
	}
	raw := make([]byte, all)
	if _, err := textEncoding.Decode(raw, plain[len(prefix):]); err != nil {
		clear(raw)
		return nil, false
	}
	if subtle.ConstantTimeCompare(raw[t.Bytes:], t.sum(raw[:t.Bytes])) == 0 {
		clear(raw)
		return nil, false
	}
	return raw[:t.Bytes], true
}
