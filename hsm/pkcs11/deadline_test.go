//go:build cgo

package pkcs11

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestADeadlineDoesWhatAContextDoes(t *testing.T) {
	type made struct {
		d      *deadline
		parent context.Context
		cancel context.CancelFunc
	}
	for _, tc := range []struct {
		name   string
		parent time.Duration // its timeout; 0 for none
		own    time.Duration
		act    func(made) // while it is waited for
		over   bool
		err    error
	}{
		{"its own time is up", time.Hour, 10 * time.Millisecond, nil, false, context.DeadlineExceeded},
		{"the time of the parent is up", 10 * time.Millisecond, time.Hour, nil, false, context.DeadlineExceeded},
		{"the caller gives up", 0, time.Hour, func(m made) { m.cancel() }, false, context.Canceled},
		{"the operation is over", 0, time.Hour, func(m made) { m.d.c <- true }, true, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for range 20 { // signals are used again
				parent, cancel := context.WithCancel(t.Context())
				if tc.parent > 0 {
					parent, cancel = context.WithTimeout(t.Context(), tc.parent)
				}
				d := newDeadline(parent, tc.own)
				if tc.act != nil {
					tc.act(made{d, parent, cancel})
				}
				over := d.wait()
				if over != tc.over || !errors.Is(d.Err(), tc.err) {
					t.Errorf("wait = %t, error %v, want %t and %v", over, d.Err(), tc.over, tc.err)
				}
				if tc.parent == 10*time.Millisecond && parent.Err() == nil {
					t.Error("it ended before its parent")
				}
				d.release(over)
				select {
				case <-d.Done():
				default:
					t.Error("it is not done after its release")
				}
				cancel()
			}
		})
	}
}
