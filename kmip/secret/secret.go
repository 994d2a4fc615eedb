// Package secret holds bytes that must not leak: key material, PINs and
// passwords. A Bytes prints, logs and marshals as "[redacted]"; reading it is
// a call named Reveal, so that every place that exposes a secret can be found
// by that name. Destroy overwrites the memory that the value owns; copies that
// the runtime made of it before are beyond its reach.
//
// The package uses the standard library only and imports nothing of Claviger.
package secret

import (
	"crypto/subtle"
	"fmt"
	"log/slog"
)

const redacted = "[redacted]"

// Bytes is a secret. The zero value and nil are empty secrets. It is not safe
// to Destroy one while another goroutine reads it.
type Bytes struct {
	b []byte
}

// New makes a secret that takes over b: the caller must not use b afterwards.
func New(b []byte) *Bytes { return &Bytes{b: b} }

// Copy makes a secret from a copy of b, which stays the caller's.
func Copy(b []byte) *Bytes { return &Bytes{b: append([]byte(nil), b...)} }

// Reveal returns the secret's own memory: it must not be kept, changed or
// logged, and is overwritten by Destroy.
func (s *Bytes) Reveal() []byte {
	if s == nil {
		return nil
	}
	return s.b
}

// Len returns the length in bytes.
func (s *Bytes) Len() int {
	if s == nil {
		return 0
	}
	return len(s.b)
}

// Equal compares in constant time for secrets of one length.
func (s *Bytes) Equal(other *Bytes) bool {
	return subtle.ConstantTimeCompare(s.Reveal(), other.Reveal()) == 1
}

// Clone returns a copy with memory of its own; nil of nil.
func (s *Bytes) Clone() *Bytes {
	if s == nil {
		return nil
	}
	return Copy(s.b)
}

// Destroy overwrites the memory and empties the secret.
func (s *Bytes) Destroy() {
	if s == nil {
		return
	}
	clear(s.b)
	s.b = nil
}

// String implements fmt.Stringer.
func (s *Bytes) String() string { return redacted }

// Format implements fmt.Formatter, so that no verb prints the bytes.
func (s *Bytes) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue implements slog.LogValuer.
func (s *Bytes) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler, and with it JSON.
func (s *Bytes) MarshalText() ([]byte, error) { return []byte(redacted), nil }
