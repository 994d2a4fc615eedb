package custody

import (
	"github.com/claviger/claviger/hsm/split"
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
)

// A break-glass code as text holds the identifier of the set, threshold, index and
// value. The identifier is long, so that only who has a code can use up attempts.
const (
	codeSetBytes  = 8
	codeBytes     = 32 // of the secret, and of each value
	maxCodeShares = 32
)

var codeText = split.Text{Prefix: "claviger-break-glass-1-", Bytes: codeSetBytes + 2 + codeBytes}

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

// text writes a code; the caller destroys it.
func (c code) text() *secret.Bytes {
	raw := make([]byte, 0, codeText.Bytes)
	raw = append(raw, c.set...)
	raw = append(raw, byte(c.threshold), byte(c.index)) //nolint:gosec // at most 32
	raw = append(raw, c.value...)
	defer clear(raw)
	return codeText.Write(raw)
}

// parseCode reads a code, without a word about it when it is none.
func parseCode(text *secret.Bytes) (code, error) {
	body, ok := codeText.Read(text)
	if !ok {
		return code{}, kmip.Fail(kmip.KindInvalidField, "this is no break-glass code, or it was mistyped")
	}
	return code{set: body[:codeSetBytes], threshold: int(body[codeSetBytes]), index: int(body[codeSetBytes+1]), value: body[codeSetBytes+2:]}, nil
}
