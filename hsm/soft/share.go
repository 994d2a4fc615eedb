package soft

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/hsm/split"
	"github.com/claviger/claviger/kmip/secret"
)

// A share as text holds the serial number of the token, the identifier of the
// sharing, threshold, index and value.
const (
	serialBytes = 8
	setBytes    = 4
)

var shareText = split.Text{Prefix: "claviger-share-1-", Bytes: serialBytes + setBytes + 2 + fileKeyBytes} // 80 characters

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
	raw := make([]byte, 0, shareText.Bytes)
	raw = append(raw, serial...)
	raw = append(raw, s.set...)
	raw = append(raw, byte(s.threshold), byte(s.index)) //nolint:gosec // at most 255
	raw = append(raw, s.value.Reveal()...)
	defer clear(raw)
	return shareText.Write(raw), nil
}

var errShare = errors.New("this is no share, or it was mistyped")

// ParseShare reads the text of a share. Returns hsm.ErrPIN, without a word about
// the share, unless it is one without a typing error.
func ParseShare(text *secret.Bytes) (Share, error) {
	body, ok := shareText.Read(text)
	if !ok {
		return Share{}, fmt.Errorf("%w: %w", errShare, hsm.ErrPIN)
	}
	defer clear(body)
	at := body[serialBytes+setBytes:]
	return Share{
		serial: hex.EncodeToString(body[:serialBytes]), set: append([]byte(nil), body[serialBytes:serialBytes+setBytes]...),
		threshold: int(at[0]), index: int(at[1]), value: secret.Copy(at[2:]),
	}, nil
}
