package wire

import (
	"bytes"
	"testing"

	"github.com/gemalto/kmip-go/ttlv"

	"github.com/claviger/claviger/kmip"
)

func BenchmarkParse(b *testing.B) {
	message := Append(nil, getRequest())
	b.SetBytes(int64(len(message)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(message, DefaultLimits()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkParseText is the same request in the other encodings, a copy of it
// included.
func BenchmarkParseText(b *testing.B) {
	for _, e := range []Encoding{XML, JSON} {
		message := e.Append(nil, getRequest())
		buf := make([]byte, len(message))
		b.Run(e.String(), func(b *testing.B) {
			b.SetBytes(int64(len(message)))
			b.ReportAllocs()
			for b.Loop() {
				copy(buf, message)
				if _, err := e.Parse(buf, DefaultLimits()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkReadMessage(b *testing.B) {
	message := Append(nil, getRequest())
	r := bytes.NewReader(message)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		r.Reset(message)
		var err error
		if buf, err = ReadMessage(r, buf, DefaultLimits()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWrite compares our writer with the library's on the same tree; the
// ratio is in docs/adr/0001-ttlv-writer.md.
func BenchmarkWrite(b *testing.B) {
	item := getRequest()
	b.Run("Append", func(b *testing.B) {
		var buf []byte
		b.ReportAllocs()
		for b.Loop() {
			buf = Append(buf[:0], item)
		}
	})
	b.Run("library", func(b *testing.B) {
		var buf bytes.Buffer
		e := ttlv.NewEncoder(&buf)
		b.ReportAllocs()
		for b.Loop() {
			buf.Reset()
			if err := libraryEncode(e, item); err != nil {
				b.Fatal(err)
			}
			if err := e.Flush(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkDump(b *testing.B) {
	item := kmip.Structure(kmip.TagRequestMessage, getRequest().Items...)
	b.ReportAllocs()
	for b.Loop() {
		_ = Dump(item)
	}
}
