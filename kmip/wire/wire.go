// Package wire turns bytes into a tree of items and back. It is the first code
// that sees what a peer sent, so everything here is bounded: [ReadMessage]
// takes one message off a connection and grows its buffer only as data arrives,
// [Parse] checks the whole message in linear time and builds the tree, [Append]
// writes one, [Dump] prints one without its secrets. What the fields mean is
// the business of package dialect.
//
// There are three encodings, which say the same: TTLV, XML and JSON ([Encoding]).
// TTLV (KMIP 2.1 §10.1; KMIP 3.0 added the item types 0C to 0E) is what a
// connection carries; all three go over HTTPS. An item of TTLV is
//
//	tag (3) type (1) length (4) value (length) padding (to a multiple of 8)
//
// and numbers are big-endian. Exactly one form is accepted for each tree:
// whatever Parse accepts, Append writes again byte for byte. XML and JSON (KMIP
// Additional Message Encodings 1.0 §6, §4) have many forms for one tree, of
// which [AppendXML] and [AppendJSON] write the plainest.
//
// The package imports kmip and nothing else of Claviger. The TTLV library
// gemalto/kmip-go may be imported here and nowhere else; it is the oracle of the
// tests and is never given bytes of a peer (docs/adr/0001-ttlv-writer.md).
package wire

import "fmt"

// Limits bound what one message may cost before anything is known about it.
type Limits struct {
	// MaxBytes is the largest message, header included.
	MaxBytes int
	// MaxDepth is how deep structures may nest; the message itself is 1.
	MaxDepth int
	// MaxItems is the largest number of items. One costs 64 bytes of tree, so
	// that a message of empty items cannot cost more than MaxItems of them.
	MaxItems int
}

// DefaultLimits are 1 MiB, 32 levels and 65,536 items, which makes a tree of
// 4 MiB at most. No message of the protocol nests deeper than 12.
func DefaultLimits() Limits {
	return Limits{MaxBytes: 1 << 20, MaxDepth: 32, MaxItems: 1 << 16}
}

// SyntaxError says why bytes are not a message. Reason holds no content.
type SyntaxError struct {
	Offset   int // of the item at fault, from the start of the message
	Reason   string
	Encoding Encoding
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%s: %s at offset %d", e.Encoding, e.Reason, e.Offset)
}

// TooLargeError says that a message was refused by its length, before it was
// read. The connection is of no use any more: the message is still in it.
type TooLargeError struct {
	Bytes int64 // claimed size, header included; of a text what was read of it
	Limit int
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("message of %d bytes is larger than the limit of %d", e.Bytes, e.Limit)
}

const (
	headerBytes = 8
	typeOffset  = 3 // in the header
)

// padded rounds a length up to the next multiple of eight.
func padded(n int) int { return (n + 7) &^ 7 }
