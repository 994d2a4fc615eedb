package dialect

import "github.com/claviger/claviger/kmip"

// Form is what the rest of the server may know of a version: how attributes
// stand inside a Key Value, and which values enumerations have.
type Form struct{ c codec }

// FormOf returns the form of a version.
func FormOf(v kmip.Version) Form { return Form{codec{v}} }

// Write writes attributes as they stand inside a Key Value.
func (f Form) Write(attrs kmip.Attributes) []kmip.Item {
	if !f.c.old() {
		return []kmip.Item{f.c.attributesItem(kmip.TagAttributes, attrs)}
	}
	items := make([]kmip.Item, 0, len(attrs))
	for _, a := range attrs {
		if i, ok := f.c.oldAttribute(a, nil); ok {
			items = append(items, i)
		}
	}
	return items
}

// Read reads one of the items that Write wrote, of whatever version: a key may
// have been wrapped by another.
func (f Form) Read(i kmip.Item) (kmip.Attributes, error) {
	c := f.c
	switch {
	case i.Tag == kmip.TagAttribute && !c.old():
		c.v = kmip.V14
	case i.Tag == kmip.TagAttributes && c.old():
		c.v = kmip.V21
	}
	if c.old() {
		a, _, err := c.readAttribute(i)
		return kmip.Attributes{a}, err
	}
	t, err := c.template(i)
	return t.Attributes, err
}

// HasValue reports whether the version has a value of an enumeration.
func (f Form) HasValue(tag kmip.Tag, value uint32) bool { return f.c.valueExists(tag, value) }

// DefaultFormats reports whether keys are made in the formats of §4.26, which
// KMIP 1.x does not have.
func (f Form) DefaultFormats() bool { return !f.c.old() }
