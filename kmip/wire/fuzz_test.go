package wire

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"runtime"
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
		item, err := bounded(t, b, func() (kmip.Item, error) { return Parse(b, lim) })
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

// bounded fails the test if reading a message allocates more than ten times its
// size, beside what every message costs.
func bounded(t *testing.T, b []byte, parse func() (kmip.Item, error)) (kmip.Item, error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	item, err := parse()
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 10*uint64(len(b))+16<<10 {
		t.Fatalf("%d bytes allocated for a message of %d", got, len(b))
	}
	return item, err
}

// textSeeds are messages that are whole, and such that are nearly so.
func textSeeds(f *testing.F, e Encoding) {
	f.Add(e.Append(nil, getRequest()))
	for _, v := range textValues {
		for _, form := range map[Encoding][]string{XML: v.xml, JSON: v.json}[e] {
			f.Add([]byte(form))
			f.Add([]byte(form[:len(form)/2]))
		}
	}
	f.Add(nestedText(e, 40))
}

// Whatever a text says is within the limits, costs no more than its tree, and
// is said again by what is written for it; a reader for everything takes it too.
func fuzzText(f *testing.F, e Encoding, valid func([]byte) error) {
	textSeeds(f, e)
	lim := Limits{MaxBytes: 4096, MaxDepth: 16, MaxItems: 256}
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		item, err := bounded(t, b, func() (kmip.Item, error) { return e.Parse(b, lim) })
		if err != nil {
			var syntax *SyntaxError
			var large *TooLargeError
			if !errors.As(err, &syntax) && !errors.As(err, &large) {
				t.Fatalf("error of another type: %v", err)
			}
			return
		}
		if err := valid(before); err != nil {
			t.Fatalf("taken, but it is not %s: %v", e, err)
		}
		if depth, count := measure(item); depth > lim.MaxDepth || count > lim.MaxItems {
			t.Fatalf("depth %d, %d items", depth, count)
		}
		ttlv := Append(nil, item)
		if _, err := Parse(ttlv, Limits{MaxBytes: len(ttlv), MaxDepth: lim.MaxDepth, MaxItems: lim.MaxItems}); err != nil {
			t.Fatalf("the tree has no TTLV: %v", err)
		}
		again := e.Append(nil, item)
		if e.Size(item) != len(again) {
			t.Fatalf("Size = %d, want %d", e.Size(item), len(again))
		}
		second, err := e.Parse(bytes.Clone(again), DefaultLimits())
		if err != nil || !same(second, item) {
			t.Fatalf("read and written again: %v\n%s\n%s", err, before, again)
		}
		_ = Dump(item)
	})
}

func FuzzParseXML(f *testing.F) {
	fuzzText(f, XML, func(b []byte) error {
		d := xml.NewDecoder(bytes.NewReader(b))
		for {
			if _, err := d.RawToken(); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
		}
	})
}

func FuzzParseJSON(f *testing.F) {
	fuzzText(f, JSON, func(b []byte) error {
		if !json.Valid(b) {
			return errors.New("not valid")
		}
		return nil
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
