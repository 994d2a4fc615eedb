package wire

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/claviger/claviger/kmip"
)

// firstChunk is how much is allocated for a message before its data arrive.
const firstChunk = 4096

// ReadMessage reads one message from r and returns its bytes, header included.
// It uses the memory of buf and replaces it when that is too small; the caller
// keeps the result as buf of the next call. It never reads beyond the message.
//
// Returns io.EOF when r ends before the first byte, io.ErrUnexpectedEOF when it
// ends inside the message, *SyntaxError when what is there does not begin like
// a message, *TooLargeError when its length is over the limit. Other errors are
// those of r.
//
// Secrets: the result may hold key material. A buffer that was too small is
// overwritten before it is dropped; the result is the caller's to overwrite.
func ReadMessage(r io.Reader, buf []byte, lim Limits) ([]byte, error) {
	if cap(buf) < headerBytes {
		buf = make([]byte, headerBytes, firstChunk)
	}
	buf = buf[:headerBytes]
	if _, err := io.ReadFull(r, buf); err != nil {
		return buf[:0], err
	}
	if buf[0] != 0x42 && buf[0] != 0x54 {
		return buf[:0], &SyntaxError{Offset: 0, Reason: "tag out of range"}
	}
	if kmip.ItemType(buf[typeOffset]) != kmip.TypeStructure {
		return buf[:0], &SyntaxError{Offset: 0, Reason: "a message is a Structure"}
	}
	total := headerBytes + int64(binary.BigEndian.Uint32(buf[4:]))
	if total > int64(lim.MaxBytes) {
		return buf[:0], &TooLargeError{total, lim.MaxBytes}
	}
	return readBody(r, buf, int(total))
}

// readBody reads on until the message has all its bytes. The buffer is never
// more than twice as large as what has arrived, or firstChunk.
func readBody(r io.Reader, buf []byte, total int) ([]byte, error) {
	for len(buf) < total {
		if len(buf) == cap(buf) {
			bigger := make([]byte, len(buf), min(total, max(firstChunk, 2*len(buf))))
			copy(bigger, buf)
			clear(buf)
			buf = bigger
		}
		have := len(buf)
		buf = buf[:min(total, cap(buf))]
		if _, err := io.ReadFull(r, buf[have:]); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return buf[:0], err
		}
	}
	return buf, nil
}

// ReadAll reads a message that ends where r does, as the body of a request over
// HTTPS. It holds no more than twice what has arrived.
//
// Returns *TooLargeError when there is more than the limit. Other errors are
// those of r.
//
// Secrets: as with [ReadMessage], buffers that were too small are overwritten;
// the result is the caller's to overwrite.
func ReadAll(r io.Reader, lim Limits) ([]byte, error) {
	buf := make([]byte, 0, firstChunk)
	for {
		if len(buf) == cap(buf) {
			bigger := make([]byte, len(buf), min(lim.MaxBytes+1, 2*cap(buf)))
			copy(bigger, buf)
			clear(buf)
			buf = bigger
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case len(buf) > lim.MaxBytes:
			err = &TooLargeError{int64(len(buf)), lim.MaxBytes}
		case errors.Is(err, io.EOF):
			return buf, nil
		}
		if err != nil {
			clear(buf)
			return nil, err
		}
	}
}
