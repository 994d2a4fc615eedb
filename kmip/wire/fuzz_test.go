package wire

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/claviger/claviger/kmip"
)

func seeds(f *testing.F) {
	for _, v := range vectors {
		f.Add(unhex(f, v.hex))
	}
	f.Add(Append(nil, getRequest()))
	f.Add(nested(26))
	f.Add(claimed(1 << 30))
	f.Add(claimed(0xffffffff))
	f.Add(unhex(f, "420078 01 00000010 42000d 08 00000001 01000000 00000000"))
	f.Add(unhex(f, "420078 01 00000008 42000d 02 00000004"))
	f.Add(unhex(f, "420078 01 00000010 42000d 1e 00000004 00000001 00000000"))
}

// Whatever Parse accepts has one encoding, is within the limits, and can be
// measured and printed.
func FuzzParse(f *testing.F) {
	seeds(f)
	lim := Limits{MaxBytes: 4096, MaxDepth: 16, MaxItems: 256}
	f.Fuzz(func(t *testing.T, b []byte) {
		item, err := Parse(b, lim)
		if err != nil {
			return
		}
		if again := Append(nil, item); !bytes.Equal(again, b) {
			t.Fatalf("read and written again:\n%x\n%x", b, again)
		}
		if Size(item) != len(b) {
			t.Fatalf("Size = %d, want %d", Size(item), len(b))
		}
		if depth, count := measure(item); depth > lim.MaxDepth || count > lim.MaxItems {
			t.Fatalf("depth %d, %d items", depth, count)
		}
		_ = Dump(item)
	})
}

// measure counts the levels of structures and the items of a tree.
func measure(item kmip.Item) (depth, count int) {
	for _, f := range item.Items {
		d, c := measure(f)
		depth, count = max(depth, d), count+c
	}
	if item.Type == kmip.TypeStructure {
		depth++
	}
	return depth, count + 1
}

// ReadMessage returns a beginning of what it read, no longer than allowed, and
// holds no more memory than twice what arrived.
func FuzzReadMessage(f *testing.F) {
	seeds(f)
	lim := Limits{MaxBytes: 1 << 20, MaxDepth: 16, MaxItems: 256}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		var buf []byte
		for {
			before := r.Len()
			message, err := ReadMessage(r, buf, lim)
			if cap(message) > max(firstChunk, 2*len(b)) {
				t.Fatalf("%d bytes of buffer for %d bytes of input", cap(message), len(b))
			}
			if err != nil {
				if errors.Is(err, io.EOF) && before != 0 {
					t.Fatalf("EOF with %d bytes left", before)
				}
				return
			}
			start := len(b) - before
			if !bytes.Equal(message, b[start:start+len(message)]) {
				t.Fatal("the message is not what was read")
			}
			buf = message
		}
	})
}
