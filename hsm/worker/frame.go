package worker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip/secret"
)

// Bounds of a frame. Neither side allocates more than these for the other.
const (
	maxFrameBytes = 4 << 20 // without its length
	maxFields     = 6
	headerBytes   = 1 + 1 + 2 + 8 + 8 + 8 + 8
)

// kind is what a message is.
type kind byte

const (
	kindOpen      kind = iota + 1 // to the worker: open the token
	kindOpened                    // from it: the token is open, or not
	kindCall                      // to it
	kindResult                    // from it
	kindCancel                    // to it: nobody waits for a call
	kindPINWanted                 // from it: it logs in
	kindPIN                       // to it
	kindHanging                   // from it: an operation does not come back
	kindClose                     // to it: close the token and end
)

// message is what crosses the socket. What the numbers and fields mean depends
// on kind and op. A decoded message aliases its frame.
type message struct {
	kind   kind
	op     op
	failed kinds // not 0 for an error, whose text is the first field
	id     uint64
	left   int64 // ns until the deadline; 0 means none
	a, b   int64
	fields [][]byte
	frame  []byte        // what a decoded message lies in
	secret *secret.Bytes // of a field, destroyed once the message is encoded
}

// field returns a field, nil if there is none or it is empty.
func (m message) field(i int) []byte {
	if i >= len(m.fields) || len(m.fields[i]) == 0 {
		return nil
	}
	return m.fields[i]
}

// wipe overwrites the frame of a decoded message.
func (m message) wipe() { clear(m.frame) }

var errFrame = errors.New("malformed frame")

// encode makes a frame: its length in 4 bytes, the header, the fields with
// their lengths. The frame is the caller's to overwrite. Returns
// hsm.ErrUnsupported if it is too large.
func (m message) encode() ([]byte, error) {
	size := headerBytes
	for _, f := range m.fields {
		size += 4 + len(f)
	}
	if size > maxFrameBytes || len(m.fields) > maxFields {
		return nil, fmt.Errorf("%d bytes for the token, at most %d are taken: %w", size, maxFrameBytes, hsm.ErrUnsupported)
	}
	b := make([]byte, 0, 4+size)
	b = binary.BigEndian.AppendUint32(b, uint32(size))
	b = append(b, byte(m.kind), byte(m.op))
	b = binary.BigEndian.AppendUint16(b, uint16(m.failed))
	b = binary.BigEndian.AppendUint64(b, m.id)
	for _, n := range []int64{m.left, m.a, m.b} {
		b = binary.BigEndian.AppendUint64(b, uint64(n)) //nolint:gosec // both ways
	}
	for _, f := range m.fields {
		b = binary.BigEndian.AppendUint32(b, uint32(len(f))) //nolint:gosec // bounded above
		b = append(b, f...)
	}
	return b, nil
}

// decode reads a frame without its length. The message aliases it.
func decode(frame []byte) (message, error) {
	if len(frame) < headerBytes {
		return message{}, errFrame
	}
	number := func(at int) int64 {
		return int64(binary.BigEndian.Uint64(frame[at:])) //nolint:gosec // both ways
	}
	m := message{
		kind: kind(frame[0]), op: op(frame[1]), failed: kinds(binary.BigEndian.Uint16(frame[2:])),
		id: binary.BigEndian.Uint64(frame[4:]), left: number(12), a: number(20), b: number(28), frame: frame,
	}
	for rest := frame[headerBytes:]; len(rest) > 0; {
		if len(rest) < 4 || len(m.fields) == maxFields {
			return message{}, errFrame
		}
		n := uint64(binary.BigEndian.Uint32(rest))
		rest = rest[4:]
		if n > uint64(len(rest)) {
			return message{}, errFrame
		}
		m.fields = append(m.fields, rest[:n:n])
		rest = rest[n:]
	}
	return m, nil
}

// frames reads frames, several by one read where they have come, and overwrites
// what it has given out.
type frames struct {
	r          io.Reader
	buf        []byte
	start, end int
}

func newFrames(r io.Reader) *frames { return &frames{r: r, buf: make([]byte, 16<<10)} }

// next returns the next message, which lies in memory of its own.
func (f *frames) next() (message, error) {
	if err := f.fill(4); err != nil {
		return message{}, err
	}
	size := int(binary.BigEndian.Uint32(f.buf[f.start:]))
	if size < headerBytes || size > maxFrameBytes {
		return message{}, errFrame
	}
	clear(f.buf[f.start : f.start+4])
	f.start += 4
	frame := make([]byte, size)
	n := copy(frame, f.buf[f.start:f.end])
	clear(f.buf[f.start : f.start+n])
	f.start += n
	if n < size {
		if _, err := io.ReadFull(f.r, frame[n:]); err != nil {
			clear(frame)
			return message{}, err
		}
	}
	return decode(frame)
}

// fill reads until n bytes are in the buffer.
func (f *frames) fill(n int) error {
	if f.start == f.end {
		f.start, f.end = 0, 0
	}
	if len(f.buf)-f.start < n {
		moved := copy(f.buf, f.buf[f.start:f.end])
		clear(f.buf[moved:f.end])
		f.start, f.end = 0, moved
	}
	for f.end-f.start < n {
		got, err := f.r.Read(f.buf[f.end:])
		f.end += got
		if f.end-f.start < n && err != nil {
			return err
		}
	}
	return nil
}
