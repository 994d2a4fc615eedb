package soft

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/hsm/split"
	"github.com/claviger/claviger/kmip/secret"
)

// A share as text is sharePrefix and the base 32 of: serial number of the token,
// identifier of the sharing, threshold, index, value, and the beginning of a
// SHA-256 of all that, which finds typing errors. Hyphens part groups of eight
// characters; they, spaces and the case of letters do not count when it is read.
const (
	sharePrefix   = "claviger-share-1-"
	serialBytes   = 8
	setBytes      = 4
	checksumBytes = 4
	shareBytes    = serialBytes + setBytes + 2 + fileKeyBytes + checksumBytes // 50: 80 characters
	shareGroup    = 8
)

var shareText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// sharing is how the key of a file is shared: by the field of FIPS 197.
func sharing(threshold int) split.Sharing {
	return split.Sharing{Method: split.GF256, Threshold: threshold, Polynomial: split.Polynomial283}
}

// splitHeader is what the file says about its shares.
type splitHeader struct {
	Set       []byte `json:"set"` // made at random with them
	Threshold int    `json:"threshold"`
	Shares    int    `json:"shares"`
}

func (s splitHeader) sane() bool {
	return len(s.Set) == setBytes && s.Threshold >= 2 && s.Threshold <= s.Shares && s.Shares <= 255
}

// Share is one of the shares of the key of a file. It prints as "[redacted]";
// Text is the form for people. Fewer than the threshold say nothing about the key.
type Share struct {
	serial    string
	set       []byte
	threshold int
	index     int
	value     *secret.Bytes
}

// Serial is the serial number of the token that the share is of.
func (s Share) Serial() string { return s.serial }

// Threshold is how many shares open the file.
func (s Share) Threshold() int { return s.threshold }

// Index numbers the share, from 1 on.
func (s Share) Index() int { return s.index }

// Destroy overwrites the share.
func (s Share) Destroy() { s.value.Destroy() }

// String implements fmt.Stringer.
func (s Share) String() string { return s.value.String() }

// Format implements fmt.Formatter, so that no verb prints the share.
func (s Share) Format(f fmt.State, verb rune) { s.value.Format(f, verb) }

func destroyShares(shares []Share) {
	for _, s := range shares {
		s.Destroy()
	}
}

// split shares the key of a file.
func (p protection) split(serial string, threshold, n int) (*splitHeader, []Share, error) {
	parts, err := sharing(threshold).Split(p.key.Reveal(), n, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("%d of %d shares: %w: %w", threshold, n, err, hsm.ErrUnsupported)
	}
	h := &splitHeader{Set: make([]byte, setBytes), Threshold: threshold, Shares: n}
	_, _ = rand.Read(h.Set) // never fails
	shares := make([]Share, n)
	for i, part := range parts {
		shares[i] = Share{serial: serial, set: h.Set, threshold: threshold, index: part.Identifier, value: secret.New(part.Value)}
	}
	return h, shares, nil
}

// join makes the key of the file from shares.
func (h header) join(shares []Share) (protection, error) {
	if h.kind() != GuardShares {
		return protection{}, fmt.Errorf("shares were given: %w", h.need())
	}
	var parts []split.Part
	seen := map[int]bool{}
	for _, s := range shares {
		switch {
		case s.serial != h.Serial:
			return protection{}, fmt.Errorf("share %d is of the token with serial number %s, this one is %s: %w", s.index, s.serial, h.Serial, hsm.ErrPIN)
		case subtle.ConstantTimeCompare(s.set, h.Split.Set) == 0 || s.threshold != h.Split.Threshold:
			return protection{}, fmt.Errorf("share %d was made for this token at another time than the shares that the file needs: %w", s.index, hsm.ErrPIN)
		case s.index < 1 || s.index > h.Split.Shares:
			return protection{}, fmt.Errorf("there is no share %d of this file, it has %d: %w", s.index, h.Split.Shares, hsm.ErrPIN)
		case seen[s.index]:
			return protection{}, fmt.Errorf("share %d was given twice: %w", s.index, hsm.ErrPIN)
		case s.value.Len() != fileKeyBytes:
			return protection{}, fmt.Errorf("share %d is empty: %w", s.index, hsm.ErrPIN)
		}
		seen[s.index] = true
		parts = append(parts, split.Part{Identifier: s.index, Value: s.value.Reveal()})
	}
	if len(parts) < h.Split.Threshold {
		return protection{}, fmt.Errorf("the file needs %d of its %d shares and got %d: %w", h.Split.Threshold, h.Split.Shares, len(parts), hsm.ErrPIN)
	}
	key, err := sharing(h.Split.Threshold).Join(parts, 0)
	if err != nil {
		return protection{}, fmt.Errorf("join %d shares: %w: %w", len(parts), err, hsm.ErrPIN)
	}
	return protection{key: secret.New(key)}, nil
}

// Text is the share for a person or a file to keep. Returns hsm.ErrUnsupported if
// the share was destroyed. The caller destroys the result.
func (s Share) Text() (*secret.Bytes, error) {
	serial, err := hex.DecodeString(s.serial)
	if err != nil || len(serial) != serialBytes || s.value.Len() != fileKeyBytes {
		return nil, fmt.Errorf("share %d of token %q has no text: %w", s.index, s.serial, hsm.ErrUnsupported)
	}
	raw := make([]byte, 0, shareBytes)
	raw = append(raw, serial...)
	raw = append(raw, s.set...)
	raw = append(raw, byte(s.threshold), byte(s.index)) //nolint:gosec // at most 255
	raw = append(raw, s.value.Reveal()...)
	raw = append(raw, checksum(raw)...)
	defer clear(raw)
	chars := make([]byte, shareText.EncodedLen(shareBytes))
	defer clear(chars)
	shareText.Encode(chars, raw)
	text := make([]byte, 0, len(sharePrefix)+len(chars)+len(chars)/shareGroup)
	text = append(text, sharePrefix...)
	for i := 0; i < len(chars); i += shareGroup {
		if i > 0 {
			text = append(text, '-')
		}
		text = append(text, chars[i:i+shareGroup]...)
	}
	return secret.New(text), nil
}

// checksum finds typing errors. It is over the share itself and says nothing about
// the key.
func checksum(raw []byte) []byte {
	sum := sha256.Sum256(append([]byte(sharePrefix), raw...))
	return sum[:checksumBytes]
}

var errShare = errors.New("this is no share, or it was mistyped")

// ParseShare reads the text of a share. Returns hsm.ErrPIN, without a word about
// the share, unless it is one without a typing error.
func ParseShare(text *secret.Bytes) (Share, error) {
	refused := fmt.Errorf("%w: %w", errShare, hsm.ErrPIN)
	if text.Len() > 4*shareBytes {
		return Share{}, refused
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
	prefix := strings.ReplaceAll(sharePrefix, "-", "")
	if len(plain) != len(prefix)+shareText.EncodedLen(shareBytes) || string(plain[:len(prefix)]) != prefix {
		return Share{}, refused
	}
	raw := make([]byte, shareBytes)
	defer clear(raw)
	if _, err := shareText.Decode(raw, plain[len(prefix):]); err != nil {
		return Share{}, refused
	}
	body, sum := raw[:shareBytes-checksumBytes], raw[shareBytes-checksumBytes:]
	if subtle.ConstantTimeCompare(sum, checksum(body)) == 0 {
		return Share{}, refused
	}
	at := body[serialBytes+setBytes:]
	return Share{
		serial: hex.EncodeToString(body[:serialBytes]), set: append([]byte(nil), body[serialBytes:serialBytes+setBytes]...),
		threshold: int(at[0]), index: int(at[1]), value: secret.Copy(at[2:]),
	}, nil
}
