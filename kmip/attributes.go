package kmip

import (
	"slices"
	"time"
)

// VendorX and VendorY are the vendor identifications reserved for the custom
// attributes of KMIP 1.x: "x-" is the client's, "y-" the server's (§4.60).
const (
	VendorX = "x"
	VendorY = "y"
)

// AttributeID says which attribute is meant: a tag, or vendor and name with
// the tag Attribute for a vendor attribute (§4.60; a Custom Attribute of 1.x).
type AttributeID struct {
	Tag    Tag
	Vendor string
	Name   string
}

// VendorAttribute makes the identity of a vendor attribute.
func VendorAttribute(vendor, name string) AttributeID {
	return AttributeID{Tag: TagAttribute, Vendor: vendor, Name: name}
}

// IsVendor reports whether the attribute is a vendor's.
func (id AttributeID) IsVendor() bool { return id.Tag == TagAttribute }

// String returns the title of the attribute, or vendor and name: "x-ID".
func (id AttributeID) String() string {
	if id.IsVendor() {
		return id.Vendor + "-" + id.Name
	}
	return id.Tag.Title()
}

// Attribute is one instance of an attribute. The tag of the value is that of
// the attribute; Attribute for a vendor attribute.
type Attribute struct {
	AttributeID
	Index int // instance, as KMIP 1.x numbers them; never renumbered
	Value Item
}

// NewAttribute makes the attribute that the tag of an item names.
func NewAttribute(value Item) Attribute {
	return Attribute{AttributeID: AttributeID{Tag: value.Tag}, Value: value}
}

// Attributes are the attributes of an object in the order in which they were
// set. Methods that change it return the changed slice.
type Attributes []Attribute

// Get returns the value of the first instance of an attribute.
func (a Attributes) Get(tag Tag) (Item, bool) {
	for i := range a {
		if a[i].Tag == tag {
			return a[i].Value, true
		}
	}
	return Item{}, false
}

// Has reports whether there is an instance of the attribute.
func (a Attributes) Has(tag Tag) bool {
	_, ok := a.Get(tag)
	return ok
}

// Instances returns all instances of an attribute.
func (a Attributes) Instances(id AttributeID) Attributes {
	var found Attributes
	for _, at := range a {
		if at.AttributeID == id {
			found = append(found, at)
		}
	}
	return found
}

// Set replaces all instances of a single-valued attribute, or adds it.
func (a Attributes) Set(value Item) Attributes {
	for i := range a {
		if a[i].Tag == value.Tag && !a[i].IsVendor() {
			a[i].Value = value
			return a
		}
	}
	return append(a, NewAttribute(value))
}

// Add appends an instance; its index is one more than the highest so far.
func (a Attributes) Add(at Attribute) Attributes {
	at.Index = 0
	for i := range a {
		if a[i].AttributeID == at.AttributeID && a[i].Index >= at.Index {
			at.Index = a[i].Index + 1
		}
	}
	return append(a, at)
}

// Remove removes all instances of an attribute.
func (a Attributes) Remove(tags ...Tag) Attributes {
	return slices.DeleteFunc(a, func(at Attribute) bool { return slices.Contains(tags, at.Tag) })
}

// Clone returns a copy that shares no memory.
func (a Attributes) Clone() Attributes {
	c := make(Attributes, len(a))
	for i, at := range a {
		at.Value = at.Value.Clone()
		c[i] = at
	}
	return c
}

// IDs lists the attributes that are set, each once, in their order.
func (a Attributes) IDs() []AttributeID {
	ids := make([]AttributeID, 0, len(a))
	for _, at := range a {
		if !slices.Contains(ids, at.AttributeID) {
			ids = append(ids, at.AttributeID)
		}
	}
	return ids
}

// Text returns the value of a text attribute; empty when it is not set.
func (a Attributes) Text(tag Tag) string {
	v, _ := a.Get(tag)
	return v.Text()
}

// Uint32 returns the value of an enumeration or mask; 0 when it is not set.
func (a Attributes) Uint32(tag Tag) uint32 {
	v, _ := a.Get(tag)
	return v.Uint32()
}

// Int32 returns the value of an Integer; 0 when it is not set.
func (a Attributes) Int32(tag Tag) int32 {
	v, _ := a.Get(tag)
	return int32(v.Int) //nolint:gosec // 32 bits on the wire
}

// Bool returns the value of a Boolean; False when it is not set.
func (a Attributes) Bool(tag Tag) bool {
	v, _ := a.Get(tag)
	return v.Bool()
}

// Time returns the value of a date; the zero time when it is not set.
func (a Attributes) Time(tag Tag) time.Time {
	v, ok := a.Get(tag)
	if !ok {
		return time.Time{}
	}
	return v.Time()
}

// Names returns the values of all Names.
func (a Attributes) Names() []string {
	var names []string
	for _, at := range a {
		if at.Tag == TagName {
			names = append(names, NameOf(at.Value).Value)
		}
	}
	return names
}
