package wire

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"testing"
	"testing/iotest"

	"github.com/claviger/claviger/kmip"
)

func TestReadMessage(t *testing.T) {
	small := Append(nil, getRequest())
	large := Append(nil, kmip.Structure(kmip.TagRequestMessage, kmip.ByteString(kmip.TagData, bytes.Repeat([]byte{7}, 100_000))))
	stream := append(append(append([]byte(nil), small...), large...), small...)
	for name, r := range map[string]io.Reader{
		"all at once":            bytes.NewReader(stream),
		"byte by byte":           iotest.OneByteReader(bytes.NewReader(stream)),
		"last bytes with an EOF": iotest.DataErrReader(bytes.NewReader(stream)),
	} {
		t.Run(name, func(t *testing.T) {
			var buf []byte
			for i, want := range [][]byte{small, large, small} {
				var err error
				if buf, err = ReadMessage(r, buf, DefaultLimits()); err != nil {
					t.Fatalf("message %d: %v", i, err)
				}
				if !bytes.Equal(buf, want) {
					t.Fatalf("message %d: %d bytes, want %d, or not the same", i, len(buf), len(want))
				}
			}
			if _, err := ReadMessage(r, buf, DefaultLimits()); !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("after the last message: %v, want EOF", err)
			}
		})
	}
}

func TestReadMessageRefuses(t *testing.T) {
	broken := errors.New("connection reset")
	lim := DefaultLimits()
	for _, c := range []struct {
		name string
		r    io.Reader
		is   func(error) bool
	}{
		{"end inside the header", bytes.NewReader(claimed(8)[:5]), func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
		{"end after the header", bytes.NewReader(claimed(8)), func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
		{"end inside the body", bytes.NewReader(append(claimed(16), 1, 2, 3)), func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
		{"a read that fails", io.MultiReader(bytes.NewReader(claimed(8)), iotest.ErrReader(broken)), func(err error) bool { return errors.Is(err, broken) }},
		{"HTTP", bytes.NewReader([]byte("GET / HTTP/1.1\r\n\r\n")), isSyntax},
		{"an Integer", bytes.NewReader([]byte{0x42, 0, 0x20, 2, 0, 0, 0, 4, 0, 0, 0, 8, 0, 0, 0, 0}), isSyntax},
		{"one byte over the limit", bytes.NewReader(claimed(uint32(lim.MaxBytes - headerBytes + 1))), func(err error) bool {
			var large *TooLargeError
			return errors.As(err, &large) && large.Bytes == int64(lim.MaxBytes)+1 && large.Limit == lim.MaxBytes
		}},
		{"4 GiB", bytes.NewReader(claimed(0xffffffff)), func(err error) bool {
			var large *TooLargeError
			return errors.As(err, &large) && large.Bytes == 1<<32+7
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := ReadMessage(c.r, nil, lim); !c.is(err) {
				t.Errorf("error = %v", err)
			}
		})
	}
}

func isSyntax(err error) bool {
	var syntax *SyntaxError
	return errors.As(err, &syntax)
}

// An eight-byte header must not make the server allocate what it claims, not
// even where the operator allows messages as large as that.
func TestReadMessageDoesNotAllocateWhatIsClaimed(t *testing.T) {
	lim := DefaultLimits()
	lim.MaxBytes = 2 << 30
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := ReadMessage(bytes.NewReader(append(claimed(1<<30), 1, 2, 3)), nil, lim)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error = %v, want unexpected EOF", err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 64<<10 {
		t.Errorf("a claim of 1 GiB made %d bytes of allocation", n)
	}
}

func TestReadMessageReusesItsBuffer(t *testing.T) {
	b := Append(nil, getRequest())
	r := bytes.NewReader(b)
	buf := make([]byte, 0, firstChunk)
	allocs := testing.AllocsPerRun(100, func() {
		r.Reset(b)
		var err error
		if buf, err = ReadMessage(r, buf, DefaultLimits()); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 0 {
		t.Errorf("%v allocations a message, want none", allocs)
	}
}

func TestReadMessageClearsTheBufferThatItReplaces(t *testing.T) {
	b := Append(nil, kmip.Structure(kmip.TagRequestMessage, kmip.ByteString(kmip.TagData, bytes.Repeat([]byte{7}, 1000))))
	old := make([]byte, 0, 100)
	if _, err := ReadMessage(bytes.NewReader(b), old, DefaultLimits()); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(old[:100], make([]byte, 100)) {
		t.Error("the old buffer still holds a part of the message")
	}
}
