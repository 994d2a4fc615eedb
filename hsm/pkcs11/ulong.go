//go:build cgo

package pkcs11

import "encoding/binary"

// ulong reads a CK_ULONG, which has the size and byte order of C; 0 if the
// bytes are not one.
func ulong(b []byte) uint64 {
	switch len(b) {
	case 4:
		return uint64(binary.NativeEndian.Uint32(b))
	case 8:
		return binary.NativeEndian.Uint64(b)
	}
	return 0
}
