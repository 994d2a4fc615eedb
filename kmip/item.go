package kmip

import (
	"bytes"
	"slices"
	"time"
)

// ItemType is the type of an item (§10.1.1; 0C to 0E: KMIP 3.0).
type ItemType uint8

// The item types.
const (
	TypeStructure        ItemType = 0x01
	TypeInteger          ItemType = 0x02
	TypeLongInteger      ItemType = 0x03
	TypeBigInteger       ItemType = 0x04
	TypeEnumeration      ItemType = 0x05
	TypeBoolean          ItemType = 0x06
	TypeTextString       ItemType = 0x07
	TypeByteString       ItemType = 0x08
	TypeDateTime         ItemType = 0x09
	TypeInterval         ItemType = 0x0A
	TypeDateTimeExtended ItemType = 0x0B
	TypeIdentifier       ItemType = 0x0C
	TypeReference        ItemType = 0x0D
	TypeNameReference    ItemType = 0x0E
)

var itemTypeNames = [...]string{"", "Structure", "Integer", "LongInteger", "BigInteger", "Enumeration", "Boolean", "TextString", "ByteString", "DateTime", "Interval", "DateTimeExtended", "Identifier", "Reference", "NameReference"}

func (t ItemType) String() string {
	if t >= TypeStructure && t <= TypeNameReference {
		return itemTypeNames[t]
	}
	return "unknown item type"
}

// IsText reports whether the value is UTF-8 text.
func (t ItemType) IsText() bool {
	return t == TypeTextString || t >= TypeIdentifier && t <= TypeNameReference
}

// Item is a field of a message or a value of an attribute: a tag, a type and
// one of three kinds of value. It is a plain value; Bytes may alias memory of
// the message that it came from.
type Item struct {
	Tag   Tag
	Type  ItemType
	Int   int64  // Integer, Long Integer; Enumeration and Interval, unsigned; Boolean, 0 or 1; Date-Time in seconds; Date-Time Extended in microseconds
	Bytes []byte // Byte String; Big Integer, two's complement; text in UTF-8
	Items []Item // Structure
}

// Structure makes a Structure.
func Structure(tag Tag, items ...Item) Item {
	return Item{Tag: tag, Type: TypeStructure, Items: items}
}

// Integer makes an Integer.
func Integer(tag Tag, v int32) Item { return Item{Tag: tag, Type: TypeInteger, Int: int64(v)} }

// LongInteger makes a Long Integer.
func LongInteger(tag Tag, v int64) Item { return Item{Tag: tag, Type: TypeLongInteger, Int: v} }

// Enumeration makes an Enumeration.
func Enumeration[T ~uint32](tag Tag, v T) Item {
	return Item{Tag: tag, Type: TypeEnumeration, Int: int64(v)}
}

// Mask makes an Integer that holds a bit mask.
func Mask[T ~uint32](tag Tag, v T) Item {
	return Item{Tag: tag, Type: TypeInteger, Int: int64(int32(v))}
}

// Boolean makes a Boolean.
func Boolean(tag Tag, v bool) Item {
	i := Item{Tag: tag, Type: TypeBoolean}
	if v {
		i.Int = 1
	}
	return i
}

// Text makes a Text String.
func Text(tag Tag, v string) Item { return Item{Tag: tag, Type: TypeTextString, Bytes: []byte(v)} }

// ByteString makes a Byte String that aliases v.
func ByteString(tag Tag, v []byte) Item { return Item{Tag: tag, Type: TypeByteString, Bytes: v} }

// DateTime makes a Date-Time: whole seconds.
func DateTime(tag Tag, v time.Time) Item { return Item{Tag: tag, Type: TypeDateTime, Int: v.Unix()} }

// Interval makes an Interval: whole seconds.
func Interval(tag Tag, v time.Duration) Item {
	return Item{Tag: tag, Type: TypeInterval, Int: int64(v / time.Second)}
}

// Text returns the value of a text.
func (i Item) Text() string { return string(i.Bytes) }

// Time returns the value of a Date-Time or Date-Time Extended in UTC.
func (i Item) Time() time.Time {
	if i.Type == TypeDateTimeExtended {
		return time.UnixMicro(i.Int).UTC()
	}
	return time.Unix(i.Int, 0).UTC()
}

// Bool returns the value of a Boolean.
func (i Item) Bool() bool { return i.Int != 0 }

// Duration returns the value of an Interval.
func (i Item) Duration() time.Duration { return time.Duration(i.Int) * time.Second }

// Uint32 returns the value of an Enumeration, or the bits of a mask.
func (i Item) Uint32() uint32 { return uint32(i.Int) } //nolint:gosec // 32 bits on the wire

// Field returns the first field of a structure that has the tag.
func (i Item) Field(tag Tag) (Item, bool) {
	for _, f := range i.Items {
		if f.Tag == tag {
			return f, true
		}
	}
	return Item{}, false
}

// Equal reports whether two items have the same tag, type and value. A Text
// String equals an Identifier or a reference with the same text, because a
// client of another version writes it so.
func (i Item) Equal(o Item) bool {
	if i.Tag != o.Tag || i.Type != o.Type && (!i.Type.IsText() || !o.Type.IsText()) {
		return false
	}
	if i.Type == TypeStructure {
		return slices.EqualFunc(i.Items, o.Items, Item.Equal)
	}
	return i.Int == o.Int && bytes.Equal(i.Bytes, o.Bytes)
}

// Clone returns a copy that shares no memory with the item.
func (i Item) Clone() Item {
	i.Bytes = bytes.Clone(i.Bytes)
	if i.Items != nil {
		items := make([]Item, len(i.Items))
		for n, f := range i.Items {
			items[n] = f.Clone()
		}
		i.Items = items
	}
	return i
}

// WithTag returns the same value under another tag.
func (i Item) WithTag(tag Tag) Item {
	i.Tag = tag
	return i
}
