// Package column says how values of Go stand in the columns of both schemas.
package column

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/claviger/claviger/store"
)

// Micro is a time in a column that is always set.
func Micro(t time.Time) int64 { return t.UnixMicro() }

// Time is the opposite of Micro, and turns the zero time into itself.
func Time(micro int64) time.Time { return time.UnixMicro(micro).UTC() }

// OptionalTime is the time of a column that may be NULL: then it is zero.
func OptionalTime(micro *int64) time.Time {
	if micro == nil {
		return time.Time{}
	}
	return Time(*micro)
}

// NameHash is what a Name is found by.
func NameHash(value string) []byte {
	sum := sha256.Sum256([]byte(value))
	return sum[:]
}

// Bytes is a value for a column that has no NULL.
func Bytes(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// ContextError maps an error that has to do with a context: a deadline is an
// ErrUnavailable too, a cancelled context stays what it is. Nil if err is
// neither.
func ContextError(err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("store: %w", context.Canceled)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: %w", store.ErrUnavailable, context.DeadlineExceeded)
	}
	return nil
}

// What a counter change does to a limit before it takes and gives.
const (
	KeepUsage = 0
	SetUsage  = 1
	DropUsage = 2
)

// Usage says what a counter change does to a limit, and the new limit.
func Usage(u store.CounterChange) (mode int, limit int64) {
	switch {
	case u.RemoveUsage:
		return DropUsage, 0
	case u.SetUsage != nil:
		return SetUsage, *u.SetUsage
	}
	return KeepUsage, 0
}
