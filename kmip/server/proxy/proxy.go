// Package proxy reads the PROXY protocol, version 2: a load balancer that
// passes TCP through says in a header before everything else who the client is.
// It imports the standard library only.
package proxy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
)

var signature = []byte("\r\n\r\n\x00\r\nQUIT\n")

const (
	fixedBytes = 16
	// maxBytes bounds what may follow the fixed part: addresses, and
	// extensions that are passed over.
	maxBytes = 4096
)

// ErrNoHeader: the peer did not begin with a header.
var ErrNoHeader = errors.New("the connection does not begin with a PROXY protocol v2 header; turn it on at the load balancer, or off here")

// ReadHeader reads the header and returns the address of the client; empty
// when the load balancer speaks for itself, as in its health checks. It reads
// nothing beyond the header.
func ReadHeader(r io.Reader) (string, error) {
	var head [fixedBytes]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return "", fmt.Errorf("PROXY header: %w", err)
	}
	version, command, family := head[12]>>4, head[12]&0x0f, head[13]
	if !bytes.Equal(head[:12], signature) || version != 2 || command > 1 {
		return "", ErrNoHeader
	}
	n := int(binary.BigEndian.Uint16(head[14:]))
	if n > maxBytes {
		return "", fmt.Errorf("PROXY header of %d bytes; at most %d are taken", n, maxBytes)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return "", fmt.Errorf("PROXY header: %w", err)
	}
	if command == 0 {
		return "", nil
	}
	size := 0
	switch family {
	case 0x11: // TCP over IPv4
		size = net.IPv4len
	case 0x21: // TCP over IPv6
		size = net.IPv6len
	default:
		return "", nil // an address that is none of the network's
	}
	if n < 2*size+4 {
		return "", errors.New("PROXY header is too short for its addresses")
	}
	ip, _ := netip.AddrFromSlice(body[:size])
	port := binary.BigEndian.Uint16(body[2*size:])
	return netip.AddrPortFrom(ip, port).String(), nil
}
