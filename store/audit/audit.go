// Package audit defines what is recorded of every batch item and every
// administrative action, and the bytes that a record is authenticated by. It
// is pure: no SQL, no keys of its own.
package audit

import (
	"encoding/binary"
	"time"
)

// Outcomes of an entry.
const (
	Success = "success"
	Failure = "failure"
	Undone  = "undone"
)

// Entry is one record. Node and Counter are given by the process that wrote
// it, in the order of its commits and without gaps, so that a record that was
// removed shows. Sequence is the number that the store gave it.
type Entry struct {
	Sequence  int64     `json:"sequence"`
	Node      string    `json:"node"`
	Counter   int64     `json:"counter"`
	Time      time.Time `json:"time"`
	Domain    string    `json:"domain,omitempty"`
	Actor     string    `json:"actor"`            // typed: "client:demo", "admin:root", "user:alice"
	Source    string    `json:"source,omitempty"` // network address
	Door      string    `json:"door"`             // "kmip", "admin", "system"
	Operation string    `json:"operation"`
	UID       string    `json:"uid,omitempty"` // object concerned
	Outcome   string    `json:"outcome"`
	Reason    string    `json:"reason,omitempty"`      // kind of failure
	Detail    string    `json:"detail,omitempty"`      // a sentence; never secret
	Request   string    `json:"correlation,omitempty"` // correlation value of the request
	MAC       []byte    `json:"mac,omitempty"`
}

// Canonical returns the bytes that MAC authenticates: every field but
// Sequence and MAC, each with its length, in the order of the struct.
func (e Entry) Canonical() []byte {
	b := make([]byte, 0, 256)
	text := func(s string) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s))) //nolint:gosec // lengths of short texts
		b = append(b, s...)
	}
	b = append(b, "claviger audit 1\x00"...)
	text(e.Node)
	b = binary.BigEndian.AppendUint64(b, uint64(e.Counter)) //nolint:gosec // bits, not a number
	b = binary.BigEndian.AppendUint64(b, uint64(e.Time.UnixMicro()))
	for _, s := range []string{e.Domain, e.Actor, e.Source, e.Door, e.Operation, e.UID, e.Outcome, e.Reason, e.Detail, e.Request} {
		text(s)
	}
	return b
}
