package wire

import (
	"bytes"
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/gemalto/kmip-go/kmip14"
	"github.com/gemalto/kmip-go/ttlv"
	"pgregory.net/rapid"

	"github.com/claviger/claviger/kmip"
)

// libraryEncode writes an item with the encoder of the library, which knows the
// types 01 to 0B.
func libraryEncode(e *ttlv.Encoder, item kmip.Item) error {
	tag := ttlv.Tag(item.Tag)
	switch item.Type {
	case kmip.TypeStructure:
		return e.EncodeStructure(tag, func(e *ttlv.Encoder) error {
			for _, f := range item.Items {
				if err := libraryEncode(e, f); err != nil {
					return err
				}
			}
			return nil
		})
	case kmip.TypeInteger:
		e.EncodeInteger(tag, int32(item.Int))
	case kmip.TypeLongInteger:
		e.EncodeLongInteger(tag, item.Int)
	case kmip.TypeBigInteger:
		e.EncodeBigInteger(tag, bigInt(item.Bytes))
	case kmip.TypeEnumeration:
		e.EncodeEnumeration(tag, item.Uint32())
	case kmip.TypeBoolean:
		e.EncodeBoolean(tag, item.Bool())
	case kmip.TypeTextString:
		e.EncodeTextString(tag, string(item.Bytes))
	case kmip.TypeByteString:
		e.EncodeByteString(tag, item.Bytes)
	case kmip.TypeDateTime:
		e.EncodeDateTime(tag, item.Time())
	case kmip.TypeInterval:
		e.EncodeInterval(tag, item.Duration())
	case kmip.TypeDateTimeExtended:
		e.EncodeDateTimeExtended(tag, item.Time())
	default:
		return fmt.Errorf("the library cannot write %v", item.Type)
	}
	return nil
}

func bigInt(b []byte) *big.Int {
	v := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0] >= 0x80 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return v
}

func libraryMarshal(item kmip.Item) ([]byte, error) {
	var b bytes.Buffer
	e := ttlv.NewEncoder(&b)
	if err := libraryEncode(e, item); err != nil {
		return nil, err
	}
	if err := e.Flush(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// items draws a tree of the types up to last. Values are those that the
// library can carry: it keeps times to the nanosecond.
func items(last kmip.ItemType, depth int) *rapid.Generator[kmip.Item] {
	return rapid.Custom(func(t *rapid.T) kmip.Item {
		item := kmip.Item{
			Tag:  kmip.Tag(rapid.SampledFrom([]uint32{0x420000, 0x540000}).Draw(t, "range") | rapid.Uint32Range(0, 0xffff).Draw(t, "tag")),
			Type: kmip.ItemType(rapid.Uint8Range(1, uint8(last)).Draw(t, "type")),
		}
		switch item.Type {
		case kmip.TypeStructure:
			if depth > 0 {
				item.Items = rapid.SliceOfN(items(last, depth-1), 0, 6).Draw(t, "items")
			}
		case kmip.TypeInteger:
			item.Int = int64(rapid.Int32().Draw(t, "value"))
		case kmip.TypeEnumeration, kmip.TypeInterval:
			item.Int = int64(rapid.Uint32().Draw(t, "value"))
		case kmip.TypeLongInteger:
			item.Int = rapid.Int64().Draw(t, "value")
		case kmip.TypeDateTime:
			item.Int = rapid.Int64Range(-1<<40, 1<<40).Draw(t, "value")
		case kmip.TypeDateTimeExtended:
			item.Int = rapid.Int64Range(-1<<60, 1<<60).Draw(t, "value")
		case kmip.TypeBoolean:
			item.Int = rapid.Int64Range(0, 1).Draw(t, "value")
		case kmip.TypeBigInteger:
			item.Bytes = minimal(rapid.SliceOfN(rapid.Byte(), 1, 40).Draw(t, "value"))
		case kmip.TypeByteString:
			item.Bytes = rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "value")
		default:
			item.Bytes = []byte(rapid.String().Draw(t, "value"))
		}
		return item
	})
}

// minimal drops the bytes of a Big Integer that only repeat its sign.
func minimal(b []byte) []byte {
	for len(b) > 1 && (b[0] == 0 && b[1] < 0x80 || b[0] == 0xff && b[1] >= 0x80) {
		b = b[1:]
	}
	return b
}

func TestAppendAgreesWithLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		item := items(kmip.TypeDateTimeExtended, 4).Draw(t, "item")
		want, err := libraryMarshal(item)
		if err != nil {
			t.Fatal(err)
		}
		if got := Append(nil, item); !bytes.Equal(got, want) {
			t.Fatalf("Append  %x\nlibrary %x", got, want)
		}
	})
}

func TestParseReadsWhatAppendWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		item := items(kmip.TypeNameReference, 4).Draw(t, "item")
		prefix := []byte("before")
		b := Append(prefix, item)[len(prefix):]
		if Size(item) != len(b) {
			t.Fatalf("Size = %d, encoding has %d bytes", Size(item), len(b))
		}
		got, err := Parse(b, DefaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		if again := Append(nil, got); !bytes.Equal(again, b) {
			t.Fatalf("read and written again:\n%x\n%x", b, again)
		}
	})
}

// The numbers of the generated vocabulary against those that the library
// registers for KMIP 1.4.
func TestVocabularyAgreesWithLibrary(t *testing.T) {
	var registry ttlv.Registry
	ttlv.RegisterTypes(&registry)
	kmip14.Register(&registry)
	tags, enums := 0, 0
	for tag := kmip.Tag(0x420000); tag < 0x420200; tag++ {
		name, ok := registry.Tags().Name(uint32(tag))
		if !ok {
			continue
		}
		tags++
		if !tag.Known() {
			t.Errorf("tag %06X, %s in the library, is not in the vocabulary", uint32(tag), name)
			continue
		}
		enum := registry.EnumForTag(ttlv.Tag(tag))
		if enum == nil || enum.Bitmask() {
			continue
		}
		for _, value := range enum.Values() {
			enums++
			libraryName, _ := enum.CanonicalName(value)
			if kmip.EnumOf(tag) == "" {
				t.Errorf("%v: no enumeration in the vocabulary", tag)
				break
			}
			if got, ok := kmip.EnumByName(tag, kmip.EnumName(tag, value)); !ok || got != value {
				t.Errorf("%v: value %08X, %s in the library, is not in the vocabulary", tag, value, libraryName)
			}
		}
	}
	if tags < 200 || enums < 300 {
		t.Errorf("compared %d tags and %d values only", tags, enums)
	}
}

func TestLibraryReadsDatesAsWeDo(t *testing.T) {
	at := time.Date(2026, 11, 23, 20, 15, 0, 0, time.UTC)
	got, ok := ttlv.TTLV(Append(nil, kmip.DateTime(kmip.TagActivationDate, at))).Value().(time.Time)
	if !ok || !got.Equal(at) {
		t.Errorf("the library reads %v, want %v", got, at)
	}
}
