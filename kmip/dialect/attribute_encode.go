package dialect

import (
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

// templateItem writes Template-Attribute (1.x) or Attributes (2.x).
func (c codec) templateItem(tag kmip.Tag, t payload.Template) kmip.Item {
	if !c.old() {
		return c.attributesItem(tag, t.Attributes)
	}
	i := kmip.Structure(tag)
	for _, n := range t.Templates {
		i.Items = append(i.Items, n.Item())
	}
	for _, a := range t.Attributes {
		if f, ok := c.oldAttribute(a, nil); ok {
			i.Items = append(i.Items, f)
		}
	}
	return i
}

// attributesItem writes an Attributes structure of 2.x and later.
func (c codec) attributesItem(tag kmip.Tag, attrs kmip.Attributes) kmip.Item {
	i := kmip.Item{Tag: tag, Type: kmip.TypeStructure, Items: make([]kmip.Item, 0, len(attrs))}
	for _, a := range attrs {
		if f, ok := c.newAttribute(a); ok {
			i.Items = append(i.Items, f)
		}
	}
	return i
}

// newAttribute writes an attribute under its own tag.
func (c codec) newAttribute(a kmip.Attribute) (kmip.Item, bool) {
	if !c.attributeExists(a.AttributeID) {
		return kmip.Item{}, false
	}
	if a.IsVendor() {
		return kmip.Structure(kmip.TagAttribute, kmip.Text(kmip.TagVendorIdentification, a.Vendor),
			kmip.Text(kmip.TagAttributeName, a.Name), c.plain(a.Value).WithTag(kmip.TagAttributeValue)), true
	}
	if c.v >= kmip.V30 {
		switch a.Tag {
		case kmip.TagName:
			return kmip.Text(kmip.TagName, kmip.NameOf(a.Value).Value), true
		case kmip.TagLink:
			l := kmip.LinkOf(a.Value)
			tag, ok := kmip.LinkTag(l.Type)
			return kmip.Item{Tag: tag, Type: kmip.TypeReference, Bytes: []byte(l.Target)}, ok
		case kmip.TagObjectGroup:
			a.Value.Tag, a.Value.Type = kmip.TagGroupLink, kmip.TypeNameReference
			return a.Value, true
		case kmip.TagUniqueIdentifier:
			a.Value.Type = kmip.TypeIdentifier
			return a.Value, true
		}
	}
	return c.legalValue(a.Value)
}

// oldAttribute writes an Attribute of 1.x. The index is left out when it is 0
// and nobody asked for it.
func (c codec) oldAttribute(a kmip.Attribute, index *int32) (kmip.Item, bool) {
	if !c.attributeExists(a.AttributeID) {
		return kmip.Item{}, false
	}
	value := c.plain(a.Value)
	if !a.IsVendor() {
		var ok bool
		if value, ok = c.legalValue(a.Value); !ok {
			return kmip.Item{}, false
		}
	}
	i := kmip.Item{Tag: kmip.TagAttribute, Type: kmip.TypeStructure, Items: make([]kmip.Item, 0, 3)}
	i.Items = append(i.Items, kmip.Text(kmip.TagAttributeName, a.String()))
	switch {
	case index != nil:
		i.Items = append(i.Items, kmip.Integer(kmip.TagAttributeIndex, *index))
	case a.Index != 0:
		i.Items = append(i.Items, kmip.Integer(kmip.TagAttributeIndex, int32(a.Index))) //nolint:gosec // counts instances
	}
	i.Items = append(i.Items, value.WithTag(kmip.TagAttributeValue))
	return i, true
}

func (c codec) instanceItem(to []kmip.Item, tag kmip.Tag, in payload.Instance) []kmip.Item {
	if c.old() {
		if i, ok := c.oldAttribute(in.Attribute, in.Index); ok {
			return append(to, i)
		}
		return to
	}
	if f, ok := c.newAttribute(in.Attribute); ok {
		return append(to, kmip.Structure(tag, f))
	}
	return to
}

// attributeIDItem writes Attribute Name (1.x) or Attribute Reference (2.x).
func (c codec) attributeIDItem(tag kmip.Tag, id kmip.AttributeID) (kmip.Item, bool) {
	if !c.attributeExists(id) || id.Tag == kmip.TagLink && c.v >= kmip.V30 {
		return kmip.Item{}, false
	}
	if id.Tag == kmip.TagObjectGroup && c.v >= kmip.V30 {
		id.Tag = kmip.TagGroupLink
	}
	switch {
	case c.old():
		return kmip.Text(tag, id.String()), true
	case id.IsVendor():
		return kmip.Structure(tag, kmip.Text(kmip.TagVendorIdentification, id.Vendor), kmip.Text(kmip.TagAttributeName, id.Name)), true
	}
	return kmip.Enumeration(tag, uint32(id.Tag)), true
}
