package proxy

import (
	"bytes"
	"strings"
	"testing"
)

func header(command, family byte, body ...byte) []byte {
	b := append([]byte(nil), signature...)
	return append(append(b, 0x20|command, family, byte(len(body)>>8), byte(len(body))), body...)
}

func TestReadHeader(t *testing.T) {
	v4 := []byte{192, 0, 2, 7, 10, 0, 0, 1, 0x12, 0x34, 0x16, 0x40}
	v6 := append(append(bytes.Repeat([]byte{0x20}, 16), make([]byte, 16)...), 0, 80, 0, 81)
	for _, c := range []struct {
		name  string
		bytes []byte
		want  string
		bad   string
	}{
		{"IPv4", header(1, 0x11, v4...), "192.0.2.7:4660", ""},
		{"IPv4 with extensions", header(1, 0x11, append(v4, 1, 2, 3)...), "192.0.2.7:4660", ""},
		{"IPv6", header(1, 0x21, v6...), "[2020:2020:2020:2020:2020:2020:2020:2020]:80", ""},
		{"the load balancer itself", header(0, 0), "", ""},
		{"another family", header(1, 0x31, make([]byte, 216)...), "", ""},
		{"no header", append([]byte{0x16, 3, 1}, make([]byte, 40)...), "", "turn it on"},
		{"version 1", []byte("PROXY TCP4 192.0.2.7 10.0.0.1 1 2\r\n"), "", "turn it on"},
		{"too short for its addresses", header(1, 0x11, 1, 2, 3), "", "too short"},
		{"cut", header(1, 0x11, v4...)[:20], "", "EOF"},
		{"too long", append(header(1, 0x11)[:14], 0xff, 0xff), "", "at most"},
	} {
		got, err := ReadHeader(bytes.NewReader(c.bytes))
		if got != c.want || (err != nil) != (c.bad != "") || err != nil && !strings.Contains(err.Error(), c.bad) {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
	}
}

func FuzzReadHeader(f *testing.F) {
	f.Add(header(1, 0x11, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12))
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = ReadHeader(bytes.NewReader(b)) })
}
