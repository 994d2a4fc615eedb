package worker

import (
	"context"
	"errors"

	"github.com/claviger/claviger/hsm"
)

// kinds are the kinds of an error, a bit for each, and failedBit for any error.
type kinds uint16

const failedBit kinds = 1 << 15

// sentinels are what an error is tested for on the other side, by their bits.
var sentinels = [...]error{
	hsm.ErrUnavailable, hsm.ErrPIN, hsm.ErrNotFound, hsm.ErrIntegrity, hsm.ErrUnsupported, hsm.ErrExtractable, hsm.ErrClosed,
	context.Canceled, context.DeadlineExceeded,
}

// fail puts an error into a message.
func (m message) fail(err error) message {
	m.failed = failedBit
	for i, s := range sentinels {
		if errors.Is(err, s) {
			m.failed |= 1 << i
		}
	}
	m.fields = [][]byte{[]byte(err.Error())}
	return m
}

// err is the error that was put into a message, nil if none was.
func (m message) err() error {
	if m.failed == 0 {
		return nil
	}
	e := &failure{text: string(m.field(0))}
	for i, s := range sentinels {
		if m.failed&(1<<i) != 0 {
			e.kinds = append(e.kinds, s)
		}
	}
	return e
}

// failure is an error of the other process: its text, and what errors.Is finds
// in it.
type failure struct {
	text  string
	kinds []error
}

func (e *failure) Error() string   { return e.text }
func (e *failure) Unwrap() []error { return e.kinds }
