package server

import (
	"errors"
	"syscall"
)

// isTemporary tells errors of Accept that go away by themselves.
func isTemporary(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ECONNABORTED)
}
