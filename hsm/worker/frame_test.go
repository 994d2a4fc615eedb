package worker

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/claviger/claviger/hsm"
)

// same compares messages by what they say.
var same = []cmp.Option{cmp.AllowUnexported(message{}), cmpopts.IgnoreFields(message{}, "frame", "secret"), cmpopts.EquateEmpty()}

func TestFramesCross(t *testing.T) {
	sent := []message{
		{},
		{kind: kindCall, op: opEncrypt, id: 1 << 63, left: -1, a: 5, b: -6, fields: [][]byte{[]byte("id"), nil, bytes.Repeat([]byte{7}, 40<<10)}},
		{kind: kindResult, failed: failedBit | 3, fields: [][]byte{[]byte("text")}},
	}
	var wire bytes.Buffer
	for _, m := range sent {
		frame, err := m.encode()
		if err != nil {
			t.Fatal(err)
		}
		wire.Write(frame)
	}
	for name, r := range map[string]io.Reader{
		"at once": bytes.NewReader(wire.Bytes()), "byte by byte": iotest.OneByteReader(bytes.NewReader(wire.Bytes())),
	} {
		in := newFrames(r)
		for _, want := range sent {
			got, err := in.next()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if diff := cmp.Diff(want, got, same...); diff != "" {
				t.Errorf("%s: -sent +got:\n%s", name, diff)
			}
		}
		if _, err := in.next(); !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v at the end, want EOF", name, err)
		}
		if !bytes.Equal(in.buf, make([]byte, len(in.buf))) && name == "at once" {
			t.Errorf("%s: what was read is left in the buffer", name)
		}
	}
}

func TestFramesAreBounded(t *testing.T) {
	m := message{fields: [][]byte{make([]byte, maxFrameBytes)}}
	if _, err := m.encode(); !errors.Is(err, hsm.ErrUnsupported) {
		t.Errorf("encode of too much = %v, want ErrUnsupported", err)
	}
	if _, err := newFrames(bytes.NewReader([]byte{0xff, 0xff, 0xff, 0xff})).next(); !errors.Is(err, errFrame) {
		t.Errorf("frame of 4 GiB = %v, want errFrame", err)
	}
}

func TestErrorsKeepKindsAndText(t *testing.T) {
	all := []error{
		hsm.ErrUnavailable, hsm.ErrPIN, hsm.ErrNotFound, hsm.ErrIntegrity, hsm.ErrUnsupported, hsm.ErrExtractable, hsm.ErrClosed,
		context.Canceled, context.DeadlineExceeded,
	}
	late, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	for _, err := range append([]error{
		errors.New("of no kind"), hsm.ContextErr(late), fmt.Errorf("x: %w: %w", hsm.ErrPIN, hsm.ErrIntegrity), hsm.Key{}.Fit(),
	}, all...) {
		frame, encodeErr := message{kind: kindResult}.fail(err).encode()
		if encodeErr != nil {
			t.Fatal(encodeErr)
		}
		m, decodeErr := decode(frame[4:])
		if decodeErr != nil {
			t.Fatal(decodeErr)
		}
		got := m.err()
		if got.Error() != err.Error() {
			t.Errorf("text %q, want %q", got, err)
		}
		for _, kind := range all {
			if errors.Is(got, kind) != errors.Is(err, kind) {
				t.Errorf("%v: is %v: %v here and %v there", err, kind, errors.Is(err, kind), errors.Is(got, kind))
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, m := range []message{{}, {kind: kindCall, op: opFind, fields: [][]byte{nil, []byte("x")}}} {
		frame, _ := m.encode()
		f.Add(frame[4:])
	}
	f.Add(append(make([]byte, headerBytes), 0xff, 0xff, 0xff, 0xff))
	f.Fuzz(func(t *testing.T, in []byte) {
		m, err := decode(bytes.Clone(in))
		if err != nil {
			return
		}
		frame, err := m.encode()
		if err != nil || !bytes.Equal(frame[4:], in) {
			t.Errorf("%x becomes %x, %v", in, frame, err)
		}
	})
}

// BenchmarkFrame is the cost of one message of a Decrypt, there and back, without
// the socket; beside it what encoding/gob takes.
func BenchmarkFrame(b *testing.B) {
	id, data := []byte("0123456789abcdef0123456789abcdef"), make([]byte, 60)
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			frame, _ := message{kind: kindCall, op: opDecrypt, id: 1, fields: [][]byte{id, data, data}}.encode()
			if _, err := decode(frame[4:]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("gob", func(b *testing.B) {
		type gobbed struct {
			Kind, Op       byte
			ID             uint64
			Left, A, B     int64
			Failed         uint16
			Field0, F1, F2 []byte
		}
		var wire bytes.Buffer
		enc, dec := gob.NewEncoder(&wire), gob.NewDecoder(&wire)
		b.ReportAllocs()
		for b.Loop() {
			if err := enc.Encode(gobbed{Kind: 3, Op: 7, ID: 1, Field0: id, F1: data, F2: data}); err != nil {
				b.Fatal(err)
			}
			var out gobbed
			if err := dec.Decode(&out); err != nil {
				b.Fatal(err)
			}
		}
	})
}
