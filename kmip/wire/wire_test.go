package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger/claviger/kmip"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.NewReplacer(" ", "", "|", "", "\n", "", "\t", "").Replace(s))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// vectors are the examples of KMIP 1.4 §9.1.2, and one for each type that
// they leave out. All use the tag 420020, Compromise Date.
var vectors = []struct {
	name string
	hex  string
	item kmip.Item
}{
	{
		"Integer", "42 00 20 | 02 | 00 00 00 04 | 00 00 00 08 00 00 00 00",
		kmip.Item{Tag: 0x420020, Type: kmip.TypeInteger, Int: 8},
	},
	{
		"negative Integer", "42 00 20 | 02 | 00 00 00 04 | ff ff ff fe 00 00 00 00",
		kmip.Item{Tag: 0x420020, Type: kmip.TypeInteger, Int: -2},
	},
	{
		"Long Integer", "42 00 20 | 03 | 00 00 00 08 | 01 B6 9B 4B A5 74 92 00",
		kmip.Item{Tag: 0x420020, Type: kmip.TypeLongInteger, Int: 123456789000000000},
	},
	{
		"Big Integer", "42 00 20 | 04 | 00 00 00 10 | 00 00 00 00 03 FD 35 EB 6B C2 DF 46 18 08 00 00",
		kmip.Item{Tag: 0x420020, Type: kmip.TypeBigInteger, Bytes: []byte{0, 0, 0, 0, 0x03, 0xfd, 0x35, 0xeb, 0x6b, 0xc2, 0xdf, 0x46, 0x18, 0x08, 0, 0}},
	},
	{
		"Enumeration", "42 00 20 | 05 | 00 00 00 04 | 00 00 00 FF 00 00 00 00",
		kmip.Item{Tag: 0x420020, Type: kmip.TypeEnumeration, Int: 255},
	},
	{
		"Enumeration of an extension is unsigned", "42 00 20 | 05 | 00 00 00 04 | 80 00 00 01 00 00 00 00",
		kmip.Item{Tag: 0x420020, Type: kmip.TypeEnumeration, Int: 0x80000001},
	},
	{
		"Boolean", "42 00 20 | 06 | 00 00 00 08 | 00 00 00 00 00 00 00 01",
		kmip.Item{Tag: 0x420020, Type: kmip.TypeBoolean, Int: 1},
	},
	{
		"Text String", "42 00 20 | 07 | 00 00 00 0B | 48 65 6C 6C 6F 20 57 6F 72 6C 64 00 00 00 00 00",
		kmip.Item{Tag: 0x420020, Type: kmip.TypeTextString, Bytes: []byte("Hello World")},
	},
	{
		"Byte String", "42 00 20 | 08 | 00 00 00 03 | 01 02 03 00 00 00 00 00",
		kmip.Item{Tag: 0x420020, Type: kmip.TypeByteString, Bytes: []byte{1, 2, 3}},
	},
	{
		"Date-Time", "42 00 20 | 09 | 00 00 00 08 | 00 00 00 00 47 DA 67 F8",
		kmip.Item{Tag: 0x420020, Type: kmip.TypeDateTime, Int: 1205495800},
	},
	{
		"Interval", "42 00 20 | 0A | 00 00 00 04 | 00 0D 2F 00 00 00 00 00",
		kmip.Item{Tag: 0x420020, Type: kmip.TypeInterval, Int: 10 * 24 * 60 * 60},
	},
	{
		"Structure", `42 00 20 | 01 | 00 00 00 20 | 42 00 04 | 05 | 00 00 00 04 | 00 00 00 FE 00 00 00 00
			| 42 00 05 | 02 | 00 00 00 04 | 00 00 00 FF 00 00 00 00`,
		kmip.Structure(0x420020,
			kmip.Item{Tag: 0x420004, Type: kmip.TypeEnumeration, Int: 254},
			kmip.Item{Tag: 0x420005, Type: kmip.TypeInteger, Int: 255}),
	},
	{
		"Date-Time Extended", "42 00 20 | 0B | 00 00 00 08 | 00 04 48 62 8C 2F 60 01",
		kmip.Item{Tag: 0x420020, Type: kmip.TypeDateTimeExtended, Int: 0x000448628C2F6001},
	},
	{
		"Identifier", "42 00 20 | 0C | 00 00 00 01 | 41 00 00 00 00 00 00 00",
		kmip.Item{Tag: 0x420020, Type: kmip.TypeIdentifier, Bytes: []byte("A")},
	},
	{
		"Reference", "42 00 20 | 0D | 00 00 00 08 | 41 42 43 44 45 46 47 48",
		kmip.Item{Tag: 0x420020, Type: kmip.TypeReference, Bytes: []byte("ABCDEFGH")},
	},
	{
		"Name Reference", "42 00 20 | 0E | 00 00 00 02 | C3 A4 00 00 00 00 00 00",
		kmip.Item{Tag: 0x420020, Type: kmip.TypeNameReference, Bytes: []byte("ä")},
	},
	{
		"tag of an extension", "54 00 01 | 08 | 00 00 00 00",
		kmip.Item{Tag: 0x540001, Type: kmip.TypeByteString, Bytes: []byte{}},
	},
	{
		"empty Structure", "42 00 20 | 01 | 00 00 00 00",
		kmip.Item{Tag: 0x420020, Type: kmip.TypeStructure, Items: []kmip.Item{}},
	},
}

func TestVectors(t *testing.T) {
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			encoded := unhex(t, v.hex)
			got, err := Parse(encoded, DefaultLimits())
			if err != nil {
				t.Fatalf("Parse: %v", err)
			}
			if diff := cmp.Diff(v.item, got, cmp.Comparer(kmip.Item.Equal)); diff != "" {
				t.Errorf("Parse (-want +got):\n%s", diff)
			}
			if got.Type != v.item.Type {
				t.Errorf("type = %v, want %v", got.Type, v.item.Type)
			}
			if b := Append(nil, v.item); !bytes.Equal(b, encoded) {
				t.Errorf("Append = %x, want %x", b, encoded)
			}
			if n := Size(v.item); n != len(encoded) {
				t.Errorf("Size = %d, want %d", n, len(encoded))
			}
		})
	}
}

func TestAppendExtendsBigIntegerBySign(t *testing.T) {
	for _, c := range []struct {
		name, value, want string
	}{
		{"zero without bytes", "", "0000000000000000"},
		{"one byte", "05", "0000000000000005"},
		{"negative byte", "fb", "fffffffffffffffb"},
		{"nine bytes", "010000000000000000", "00000000000000010000000000000000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			item := kmip.Item{Tag: 0x420020, Type: kmip.TypeBigInteger, Bytes: unhex(t, c.value)}
			got := Append(nil, item)
			if want := unhex(t, c.want); !bytes.Equal(got[headerBytes:], want) {
				t.Errorf("value = %x, want %x", got[headerBytes:], want)
			}
			if Size(item) != len(got) {
				t.Errorf("Size = %d, want %d", Size(item), len(got))
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct {
		name, hex, reason string
		offset            int
	}{
		{"nothing", "", "truncated header", 0},
		{"half a header", "420020 01", "truncated header", 0},
		{"tag 000000", "000000 02 00000004 00000000 00000000", "tag out of range", 0},
		{"tag of no range", "430020 02 00000004 00000000 00000000", "tag out of range", 0},
		{"type 00", "420020 00 00000000", "unknown item type", 0},
		{"type 0F", "420020 0f 00000000", "unknown item type", 0},
		{"Integer of 8 bytes", "420020 02 00000008 00000000 00000000", "length of Integer is not 4", 0},
		{"Integer of no bytes", "420020 02 00000000", "length of Integer is not 4", 0},
		{"Long Integer of 4 bytes", "420020 03 00000004 00000000 00000000", "length of LongInteger is not 8", 0},
		{"Big Integer of 7 bytes", "420020 04 00000007 00000000 00000000", "length of BigInteger is not a multiple of 8", 0},
		{"Big Integer of no bytes", "420020 04 00000000", "length of BigInteger is not a multiple of 8", 0},
		{"Enumeration of 3 bytes", "420020 05 00000003 00000000 00000000", "length of Enumeration is not 4", 0},
		{"Boolean of 4 bytes", "420020 06 00000004 00000000 00000000", "length of Boolean is not 8", 0},
		{"Boolean 2", "420020 06 00000008 00000000 00000002", "Boolean is neither 0 nor 1", 0},
		{"Boolean with a high bit", "420020 06 00000008 80000000 00000001", "Boolean is neither 0 nor 1", 0},
		{"text that is not UTF-8", "420020 07 00000001 ff000000 00000000", "text is not UTF-8", 0},
		{"Identifier that is not UTF-8", "420020 0c 00000001 ff000000 00000000", "text is not UTF-8", 0},
		{"padding that is not zero", "420020 08 00000001 ff000000 00000001", "padding is not zero", 0},
		{"padding of an Integer that is not zero", "420020 02 00000004 00000000 01000000", "padding is not zero", 0},
		{"padding that is missing", "420020 02 00000004 00000000", "padding is missing", 0},
		{"length beyond the end", "420020 08 00000010 00000000 00000000", "value reaches beyond its parent", 0},
		{"length of 4 GiB", "420020 08 ffffffff 00000000 00000000", "value reaches beyond its parent", 0},
		{"bytes after the end", "420020 08 00000000 420020", "bytes after the end of the message", 8},
		{"a second message", "420020 01 00000000 420020 01 00000000", "bytes after the end of the message", 8},
		{"structure of 9 bytes", "420020 01 00000009 420020 08 00000000 00 00000000 000000", "length of a Structure is not a multiple of 8", 0},
		{"inner item that is cut off", "420020 01 00000008 420020 02 00000004", "value reaches beyond its parent", 8},
		{"inner length that reaches into the next item", "420020 01 00000008 420020 08 00000008 420020 08 00000000", "value reaches beyond its parent", 8},
		{"unknown type inside", "420020 01 00000008 420020 1e 00000000", "unknown item type", 8},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse(unhex(t, c.hex), DefaultLimits())
			var syntax *SyntaxError
			if !errors.As(err, &syntax) {
				t.Fatalf("error = %v, want a SyntaxError", err)
			}
			if syntax.Reason != c.reason || syntax.Offset != c.offset {
				t.Errorf("error = %q at %d, want %q at %d", syntax.Reason, syntax.Offset, c.reason, c.offset)
			}
		})
	}
}
