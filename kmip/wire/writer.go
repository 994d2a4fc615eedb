package wire

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/claviger/claviger/kmip"
)

// writer collects the text of a message, or only counts it: a buffer of the
// right size need not grow, which would leave copies of secrets behind.
type writer struct {
	b   []byte
	n   int
	dry bool // count only
}

// hasForm reports whether items of the type can be written.
func hasForm(t kmip.ItemType) bool { return t >= kmip.TypeStructure && t <= kmip.TypeNameReference }

func (w *writer) str(parts ...string) {
	for _, s := range parts {
		w.n += len(s)
		if !w.dry {
			w.b = append(w.b, s...)
		}
	}
}

func (w *writer) bytes(v []byte) {
	w.n += len(v)
	if !w.dry {
		w.b = append(w.b, v...)
	}
}

func (w *writer) hex(v []byte) {
	w.n += 2 * len(v)
	if !w.dry {
		w.b = hex.AppendEncode(w.b, v)
	}
}

// bigInteger writes a Big Integer in hexadecimal, extended by its sign to a
// multiple of eight bytes.
func (w *writer) bigInteger(item *kmip.Item) {
	sign := "00"
	if len(item.Bytes) > 0 && item.Bytes[0] >= 0x80 {
		sign = "ff"
	}
	for range bigIntegerBytes(item) - len(item.Bytes) {
		w.str(sign)
	}
	w.hex(item.Bytes)
}

// maskText returns the names of a mask, or its number where a bit has none.
func maskText(named kmip.Tag, mask uint32, separator string) string {
	names := kmip.MaskNames(named, mask)
	for _, n := range names {
		if strings.HasPrefix(n, "0x") {
			return fmt.Sprintf("0x%08x", mask)
		}
	}
	return strings.Join(names, separator)
}

// dateText returns a time as ISO 8601, or its number where that cannot say it.
func dateText(item *kmip.Item) string {
	if s, ok := formatDateTime(item.Time(), item.Type == kmip.TypeDateTimeExtended); ok {
		return s
	}
	return hexText(item.Int)
}

func hexText(v int64) string {
	return "0x" + hex.EncodeToString(binary.BigEndian.AppendUint64(nil, uint64(v))) //nolint:gosec // two's complement
}

func decimal(v int64) string { return strconv.FormatInt(v, 10) }
