package interop

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/client"
	"github.com/claviger/claviger/kmip/dialect"
	"github.com/claviger/claviger/kmip/payload"
	"github.com/claviger/claviger/kmip/wire"
	"github.com/claviger/claviger/testenv"
)

// TestHostileBytes sends over real connections what no client sends. Through
// all of it another client goes on, and each connection that can still be
// understood gets an answer and survives.
func TestHostileBytes(t *testing.T) {
	t.Parallel()
	n := testenv.Start(t, testenv.Options{})
	query := wire.Append(nil, dialect.EncodeRequest(&payload.Request{
		Version: kmip.V14,
		Items:   []payload.RequestItem{{Operation: kmip.OperationQuery, Payload: &payload.QueryRequest{QueryFunction: []kmip.QueryFunction{kmip.QueryFunctionQueryOperations}}}},
	}))
	bystander := dial(t, n, "", "")

	t.Run("a header that never ends holds up nobody", func(t *testing.T) {
		var open []net.Conn
		for range 16 {
			c := raw(t, n)
			write(t, c, query[:5])
			open = append(open, c)
		}
		start := time.Now()
		for range 20 {
			if _, err := bystander.Query(t.Context(), kmip.QueryFunctionQueryOperations); err != nil {
				t.Fatal(err)
			}
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("20 requests beside silent connections took %v", d)
		}
		for _, c := range open {
			_ = c.Close()
		}
	})
	t.Run("a claim beyond the limit gets an answer or the end, and no memory", func(t *testing.T) {
		for _, claim := range []uint32{2 << 20, 1 << 30, 0xFFFFFFF8, 0xFFFFFFFF} {
			c := raw(t, n)
			frame := bytes.Clone(query)
			binary.BigEndian.PutUint32(frame[4:], claim)
			write(t, c, frame)
			if answer, err := wire.ReadMessage(c, nil, wire.DefaultLimits()); err == nil {
				refused(t, answer)
			} else if ne := net.Error(nil); errors.As(err, &ne) && ne.Timeout() {
				t.Errorf("a claim of %d bytes got neither an answer nor the end", claim)
			}
		}
	})
	for name, frame := range map[string][]byte{
		"nesting without end":                            nested(2000),
		"random bytes in a frame":                        framed(bytes.Repeat([]byte{0xA5, 0x01, 0x77}, 80)),
		"an empty message":                               framed(nil),
		"an item that says it is longer than its parent": framed([]byte{0x42, 0x00, 0x77, 1, 0x7F, 0, 0, 0}),
		"a text that is no UTF-8":                        framed([]byte{0x42, 0x00, 0x77, 7, 0, 0, 0, 2, 0xFF, 0xFE, 0, 0, 0, 0, 0, 0}),
		"an integer of seven bytes":                      framed([]byte{0x42, 0x00, 0x77, 2, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0}),
		"a version that does not exist":                  patched(query, 9, 9),
		"an operation that does not exist":               operation(query, 0x7FFFFF),
	} {
		t.Run(name+": the connection survives and answers", func(t *testing.T) {
			c := raw(t, n)
			for range 3 {
				write(t, c, frame)
				answer, err := wire.ReadMessage(c, nil, wire.DefaultLimits())
				if err != nil {
					t.Fatalf("no answer: %v", err)
				}
				refused(t, answer)
			}
			write(t, c, query)
			answer, err := wire.ReadMessage(c, nil, wire.DefaultLimits())
			if err != nil {
				t.Fatalf("no answer to a good request after bad ones: %v", err)
			}
			if r := response(t, answer); r.Items[0].Status != kmip.ResultStatusSuccess {
				t.Errorf("a good request after bad ones: %+v", r.Items[0])
			}
		})
	}
	if _, err := bystander.Query(t.Context(), kmip.QueryFunctionQueryOperations); err != nil {
		t.Errorf("the bystander at the end: %v", err)
	}
}

// TestHandshakes tries connections that are no KMIP over TLS at all.
func TestHandshakes(t *testing.T) {
	t.Parallel()
	n := testenv.Start(t, testenv.Options{})
	var d net.Dialer
	for range 16 { // open, and silent
		c, err := d.DialContext(t.Context(), "tcp", n.KMIP)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	c, err := d.DialContext(t.Context(), "tcp", n.KMIP)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	write(t, c, []byte("GET / HTTP/1.1\r\n\r\n"))

	conf := n.TLS(t, "", "")
	conf.Certificates = nil
	td := tls.Dialer{Config: conf}
	if c, err := td.DialContext(t.Context(), "tcp", n.KMIP); err == nil {
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("a client without a certificate was served")
		}
		_ = c.Close()
	}
	if _, err := dial(t, n, "", "").Query(t.Context(), kmip.QueryFunctionQueryOperations); err != nil {
		t.Error(err)
	}
}

// dial connects as the client of a certificate, or as the demo client.
func dial(t testing.TB, n *testenv.Node, cert, key string) *client.Client {
	t.Helper()
	c, err := client.Dial(t.Context(), client.Config{Address: n.KMIP, TLS: n.TLS(t, cert, key)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func raw(t *testing.T, n *testenv.Node) net.Conn {
	t.Helper()
	d := tls.Dialer{Config: n.TLS(t, "", "")}
	c, err := d.DialContext(t.Context(), "tcp", n.KMIP)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

func write(t *testing.T, c net.Conn, b []byte) {
	t.Helper()
	if _, err := c.Write(b); err != nil {
		t.Fatalf("write: %v", err)
	}
}

func response(t *testing.T, b []byte) *payload.Response {
	t.Helper()
	tree, err := wire.Parse(b, wire.DefaultLimits())
	if err != nil {
		t.Fatalf("the answer is no TTLV: %v", err)
	}
	r, err := dialect.DecodeResponse(tree)
	if err != nil {
		t.Fatalf("the answer is no response: %v", err)
	}
	if len(r.Items) != 1 {
		t.Fatalf("%d items in the answer, want 1", len(r.Items))
	}
	return r
}

func refused(t *testing.T, b []byte) {
	t.Helper()
	if i := response(t, b).Items[0]; i.Status != kmip.ResultStatusOperationFailed || i.Reason == 0 || i.Payload != nil {
		t.Errorf("the answer is %+v, want a refusal with a reason", i)
	}
}

// framed puts bytes into a Request Message of the right length.
func framed(b []byte) []byte {
	head := []byte{0x42, 0x00, 0x78, 1}
	return append(binary.BigEndian.AppendUint32(head, uint32(len(b))), b...)
}

func nested(depth int) []byte {
	var b []byte
	for range depth {
		b = framed(b)
	}
	return b
}

// patched is a request of a version that does not exist.
func patched(request []byte, major, minor uint32) []byte {
	b := bytes.Clone(request)
	at := bytes.Index(b, []byte{0x42, 0x00, 0x6A, 2, 0, 0, 0, 4})
	binary.BigEndian.PutUint32(b[at+8:], major)
	at = bytes.Index(b, []byte{0x42, 0x00, 0x6B, 2, 0, 0, 0, 4})
	binary.BigEndian.PutUint32(b[at+8:], minor)
	return b
}

func operation(request []byte, code uint32) []byte {
	b := bytes.Clone(request)
	at := bytes.Index(b, []byte{0x42, 0x00, 0x5C, 5, 0, 0, 0, 4})
	binary.BigEndian.PutUint32(b[at+8:], code)
	return b
}
