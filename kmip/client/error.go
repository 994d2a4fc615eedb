package client

import (
	"fmt"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

// Error is the refusal of an operation by the server.
type Error struct {
	Operation kmip.Operation
	Status    kmip.ResultStatus
	Reason    kmip.ResultReason
	Message   string
}

func (e *Error) Error() string {
	text := "the server refused"
	if e.Operation != 0 {
		text += " " + e.Operation.String()
	}
	if e.Status != kmip.ResultStatusOperationFailed {
		text += fmt.Sprintf(" (%s)", e.Status)
	}
	if e.Reason != 0 {
		text += ": " + e.Reason.String()
	}
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// ItemError returns the refusal of a batch item as an *Error; nil when it
// succeeded.
func ItemError(i payload.ResponseItem) error {
	if i.Status == kmip.ResultStatusSuccess {
		return nil
	}
	return &Error{Operation: i.Operation, Status: i.Status, Reason: i.Reason, Message: i.Message}
}
