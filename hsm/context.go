package hsm

import (
	"context"
	"errors"
	"fmt"
)

// ContextErr returns what a call of a token returns when its context has
// ended: nil if it has not, context.Canceled if the caller gave up, and
// ErrUnavailable with context.DeadlineExceeded if time is up.
func ContextErr(ctx context.Context) error {
	err := ctx.Err()
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer in time: %w: %w", err, ErrUnavailable)
	}
	return err
}
