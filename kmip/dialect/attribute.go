package dialect

import (
	"strings"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

// template reads Template-Attribute (1.x) or Attributes (2.x).
func (c codec) template(i kmip.Item) (payload.Template, error) {
	var t payload.Template
	if err := want(i, kmip.TypeStructure); err != nil {
		return t, err
	}
	count := make(map[kmip.AttributeID]int, len(i.Items))
	for _, f := range i.Items {
		if c.old() && f.Tag == kmip.TagName {
			if err := c.checkValue(f); err != nil {
				return t, err
			}
			t.Templates = append(t.Templates, kmip.NameOf(f))
			continue
		}
		at, _, err := c.readAttribute(f)
		if err != nil {
			return t, err
		}
		at.Index = count[at.AttributeID]
		count[at.AttributeID]++
		t.Attributes = append(t.Attributes, at)
	}
	return t, nil
}

// attributeList reads one Attribute of a list (1.x) or the whole Attributes
// structure (2.x).
func (c codec) attributeList(i kmip.Item, into *payload.AttributeList) error {
	if c.old() {
		at, _, err := c.readAttribute(i)
		into.Attributes = append(into.Attributes, at)
		return err
	}
	if err := want(i, kmip.TypeStructure); err != nil {
		return err
	}
	for _, f := range i.Items {
		at, _, err := c.readAttribute(f)
		if err != nil {
			return err
		}
		into.Attributes = append(into.Attributes, at)
	}
	return nil
}

// instance reads the attribute of an attribute operation: Attribute itself in
// 1.x, the one field of New Attribute or Current Attribute in 2.x.
func (c codec) instance(i kmip.Item) (payload.Instance, error) {
	if !c.old() {
		if i.Type != kmip.TypeStructure || len(i.Items) != 1 {
			return payload.Instance{}, kmip.Fail(kmip.KindInvalidMessage, "%s holds one attribute", i.Tag.Title())
		}
		i = i.Items[0]
	}
	at, index, err := c.readAttribute(i)
	return payload.Instance{Attribute: at, Index: index}, err
}

// readAttribute reads one attribute. The index is that which a 1.x client gave.
func (c codec) readAttribute(i kmip.Item) (kmip.Attribute, *int32, error) {
	if c.old() {
		return c.readOld(i)
	}
	if i.Tag == kmip.TagAttribute {
		at, err := c.readVendor(i)
		return at, nil, err
	}
	at := kmip.NewAttribute(i)
	if lt, ok := kmip.LinkTypeOf(i.Tag); ok && c.v >= kmip.V30 {
		if err := c.reference(i.WithTag(kmip.TagUniqueIdentifier), &kmip.Reference{}); err != nil {
			return at, nil, kmip.Fail(kmip.KindAttributeValue, "%s is a reference", i.Tag.Title())
		}
		if i.Type.IsText() {
			i.Type = kmip.TypeTextString
		}
		return kmip.NewAttribute(kmip.Structure(kmip.TagLink, kmip.Enumeration(kmip.TagLinkType, lt), i.WithTag(kmip.TagLinkedObjectIdentifier))), nil, nil
	}
	if c.v >= kmip.V30 && i.Tag == kmip.TagGroupLink {
		switch {
		case i.Type == kmip.TypeNameReference:
			return kmip.NewAttribute(kmip.Text(kmip.TagObjectGroup, i.Text())), nil, nil
		case i.Type.IsText():
			return at, nil, nil
		}
		return at, nil, kmip.Fail(kmip.KindAttributeValue, "a Group Link is a reference")
	}
	if c.v >= kmip.V30 && i.Tag == kmip.TagName && i.Type == kmip.TypeTextString {
		return kmip.NewAttribute(kmip.Structure(kmip.TagName, kmip.Text(kmip.TagNameValue, i.Text()))), nil, nil
	}
	if !c.attributeExists(at.AttributeID) || i.Tag == kmip.TagLink && c.v >= kmip.V30 {
		return at, nil, kmip.Fail(kmip.KindAttributeUnsupported, "KMIP %s has no attribute %s", c.v, i.Tag.Title())
	}
	return at, nil, c.attributeValue(i)
}

// readOld reads an Attribute of KMIP 1.x: name, index, value.
func (c codec) readOld(i kmip.Item) (kmip.Attribute, *int32, error) {
	var at kmip.Attribute
	var index *int32
	if i.Tag != kmip.TagAttribute || i.Type != kmip.TypeStructure {
		return at, nil, kmip.Fail(kmip.KindInvalidMessage, "%s is not an Attribute", i.Tag.Title())
	}
	name, ok := i.Field(kmip.TagAttributeName)
	if !ok || name.Type != kmip.TypeTextString {
		return at, nil, kmip.Fail(kmip.KindInvalidMessage, "Attribute without Attribute Name")
	}
	if n, ok := i.Field(kmip.TagAttributeIndex); ok {
		if err := want(n, kmip.TypeInteger); err != nil {
			return at, nil, err
		}
		v := int32(n.Int) //nolint:gosec // an Integer has 32 bits
		if v < 0 {
			return at, nil, kmip.Fail(kmip.KindInvalidField, "Attribute Index is negative")
		}
		index, at.Index = &v, int(v)
	}
	for _, f := range i.Items {
		if f.Tag != kmip.TagAttributeName && f.Tag != kmip.TagAttributeIndex && f.Tag != kmip.TagAttributeValue {
			return at, nil, kmip.Fail(kmip.KindUnknownTag, "Attribute has no field %s", f.Tag.Title())
		}
	}
	at.AttributeID = c.idOfName(name.Text())
	if at.IsVendor() && at.Vendor == "" || !c.attributeExists(at.AttributeID) {
		return at, nil, kmip.Fail(kmip.KindAttributeUnsupported, "KMIP %s has no attribute %q", c.v, name.Text())
	}
	value, ok := i.Field(kmip.TagAttributeValue)
	if !ok {
		return at, index, kmip.Fail(kmip.KindInvalidMessage, "Attribute %q without Attribute Value", name.Text())
	}
	at.Value = value.WithTag(at.Tag)
	if at.IsVendor() {
		return at, index, nil
	}
	return at, index, c.attributeValue(at.Value)
}

// idOfName turns an Attribute Name of 1.x into an identity. A name that no
// attribute has gives one that nothing has: no vendor.
func (c codec) idOfName(name string) kmip.AttributeID {
	for _, vendor := range []string{kmip.VendorX, kmip.VendorY} {
		if rest, ok := strings.CutPrefix(name, vendor+"-"); ok && rest != "" {
			return kmip.VendorAttribute(vendor, rest)
		}
	}
	if tag, ok := kmip.TagByName(name); ok && tag.Title() == name {
		return kmip.AttributeID{Tag: tag}
	}
	return kmip.VendorAttribute("", name)
}

// readVendor reads a vendor attribute of 2.x (§4.60).
func (c codec) readVendor(i kmip.Item) (kmip.Attribute, error) {
	vendor, ok1 := i.Field(kmip.TagVendorIdentification)
	name, ok2 := i.Field(kmip.TagAttributeName)
	value, ok3 := i.Field(kmip.TagAttributeValue)
	if !ok1 || !ok2 || !ok3 || !vendor.Type.IsText() || !name.Type.IsText() || len(vendor.Bytes) == 0 || len(name.Bytes) == 0 || len(i.Items) != 3 {
		return kmip.Attribute{}, kmip.Fail(kmip.KindInvalidMessage, "a vendor attribute has Vendor Identification, Attribute Name and Attribute Value")
	}
	return kmip.Attribute{AttributeID: kmip.VendorAttribute(vendor.Text(), name.Text()), Value: value.WithTag(kmip.TagAttribute)}, nil
}

// attributeValue checks the value of a standard attribute.
func (c codec) attributeValue(i kmip.Item) error {
	if err := checkType(i); err != nil {
		return kmip.Fail(kmip.KindAttributeValue, "%s cannot be of type %s", i.Tag.Title(), i.Type)
	}
	return c.checkValue(i)
}

// attributeID reads Attribute Name (1.x) or Attribute Reference (2.x).
func (c codec) attributeID(i kmip.Item) (kmip.AttributeID, error) {
	switch {
	case i.Type == kmip.TypeTextString && c.old():
		return c.idOfName(i.Text()), nil
	case i.Type == kmip.TypeEnumeration && !c.old():
		tag := kmip.Tag(i.Uint32())
		if tag == kmip.TagGroupLink && c.v >= kmip.V30 {
			tag = kmip.TagObjectGroup
		}
		return kmip.AttributeID{Tag: tag}, nil
	case i.Type == kmip.TypeStructure && !c.old():
		vendor, ok1 := i.Field(kmip.TagVendorIdentification)
		name, ok2 := i.Field(kmip.TagAttributeName)
		if !ok1 || !ok2 {
			return kmip.AttributeID{}, kmip.Fail(kmip.KindInvalidMessage, "Attribute Reference needs Vendor Identification and Attribute Name")
		}
		return kmip.VendorAttribute(vendor.Text(), name.Text()), nil
	}
	return kmip.AttributeID{}, kmip.Fail(kmip.KindInvalidMessage, "%s cannot be of type %s", i.Tag.Title(), i.Type)
}
