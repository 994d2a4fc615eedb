package store

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxKeyBytes bounds texts that are part of a key of a table.
const maxKeyBytes = 255

// IndexValue returns the form in which a text is indexed: the text itself up
// to 255 bytes, beyond that the hexadecimal SHA-256 of it.
func IndexValue(value string) string {
	if len(value) <= maxKeyBytes {
		return value
	}
	sum := sha256.Sum256([]byte(value))
	return hex.EncodeToString(sum[:])
}

// CheckText returns ErrInvalid for a text that not every backend can keep: one
// that is not UTF-8 or has U+0000. What says which text it is.
func CheckText(what string, values ...string) error {
	for _, v := range values {
		if strings.IndexByte(v, 0) >= 0 {
			return fmt.Errorf("%w: %s has U+0000", ErrInvalid, what)
		}
		if !utf8.ValidString(v) {
			return fmt.Errorf("%w: %s is not UTF-8", ErrInvalid, what)
		}
	}
	return nil
}

// CheckKey is CheckText for texts that are part of a key of a table: at most
// 255 bytes and not empty.
func CheckKey(what string, values ...string) error {
	for _, v := range values {
		switch {
		case v == "":
			return fmt.Errorf("%w: %s is empty", ErrInvalid, what)
		case len(v) > maxKeyBytes:
			return fmt.Errorf("%w: %s is longer than %d bytes", ErrInvalid, what, maxKeyBytes)
		}
	}
	return CheckText(what, values...)
}
