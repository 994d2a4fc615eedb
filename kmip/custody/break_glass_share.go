package custody

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"strings"

	"github.com/claviger/claviger/hsm/split"
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
)

// A break-glass code as text is codePrefix and the base 32 of: identifier of the
// set, threshold, index, value, and the beginning of a SHA-256 of all that, which
// finds typing errors. Hyphens, spaces and the case of letters do not count when it
// is read. The identifier is long, so that only who has a code can use up attempts.
const (
	codePrefix    = "claviger-break-glass-1-"
	codeSetBytes  = 8
	codeBytes     = 32 // of the secret, and of each value
	codeSumBytes  = 4
	codeAllBytes  = codeSetBytes + 2 + codeBytes + codeSumBytes
	codeGroup     = 8
	maxCodeShares = 32
)

var codeText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// breakGlassSharing is how the secret is shared: by the field of FIPS 197.
func breakGlassSharing(threshold int) split.Sharing {
	return split.Sharing{Method: split.GF256, Threshold: threshold, Polynomial: split.Polynomial283}
}

// code is a break-glass code. Value is secret.
type code struct {
	set              []byte
	threshold, index int
	value            []byte
}

func codeSum(raw []byte) []byte {
	sum := sha256.Sum256(append([]byte(codePrefix), raw...))
	return sum[:codeSumBytes]
}

// text writes a code; the caller destroys it.
func (c code) text() *secret.Bytes {
	raw := make([]byte, 0, codeAllBytes)
	raw = append(raw, c.set...)
	raw = append(raw, byte(c.threshold), byte(c.index)) //nolint:gosec // at most 32
	raw = append(raw, c.value...)
	raw = append(raw, codeSum(raw)...)
	defer clear(raw)
	chars := make([]byte, codeText.EncodedLen(len(raw)))
	defer clear(chars)
	codeText.Encode(chars, raw)
	text := make([]byte, 0, len(codePrefix)+len(chars)+len(chars)/codeGroup)
	text = append(text, codePrefix...)
	for i := 0; i < len(chars); i += codeGroup {
		if i > 0 {
			text = append(text, '-')
		}
		text = append(text, chars[i:min(i+codeGroup, len(chars))]...)
	}
	return secret.New(text)
}

// parseCode reads a code, without a word about it when it is none.
func parseCode(text *secret.Bytes) (code, error) {
	refused := kmip.Fail(kmip.KindInvalidField, "this is no break-glass code, or it was mistyped")
	if text.Len() > 4*codeAllBytes {
		return code{}, refused
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
	prefix := strings.ReplaceAll(codePrefix, "-", "")
	if len(plain) != len(prefix)+codeText.EncodedLen(codeAllBytes) || string(plain[:len(prefix)]) != prefix {
		return code{}, refused
	}
	raw := make([]byte, codeAllBytes)
	if _, err := codeText.Decode(raw, plain[len(prefix):]); err != nil {
		return code{}, refused
	}
	body, sum := raw[:codeAllBytes-codeSumBytes], raw[codeAllBytes-codeSumBytes:]
	if subtle.ConstantTimeCompare(sum, codeSum(body)) == 0 {
		return code{}, refused
	}
	return code{set: body[:codeSetBytes], threshold: int(body[codeSetBytes]), index: int(body[codeSetBytes+1]), value: body[codeSetBytes+2:]}, nil
}
