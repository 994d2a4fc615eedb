package dialect

import (
	"fmt"

	"github.com/claviger/claviger/kmip"
)

// Strict compares a response message with the tables of its version: every
// field of every payload is one that the version has, in the order of the
// table, required ones are there, and no structure holds a field, enumeration
// value or bit that is newer or gone. It is what tests hold responses against.
func Strict(i kmip.Item) error {
	if len(i.Items) == 0 {
		return fmt.Errorf("empty message")
	}
	pv, _ := i.Items[0].Field(kmip.TagProtocolVersion)
	v, err := readVersion(pv)
	if err != nil {
		return err
	}
	c := codec{v}
	if err := c.strictStructure(i.Items[0]); err != nil {
		return err
	}
	for _, item := range i.Items[1:] {
		op, _ := item.Field(kmip.TagOperation)
		for _, f := range item.Items {
			if f.Tag == kmip.TagOperation {
				continue // that of the request, whatever it was
			}
			if f.Tag != kmip.TagResponsePayload {
				if err := c.strict(kmip.TagBatchItem, f); err != nil {
					return err
				}
				continue
			}
			if err := c.strictPayload(kmip.Operation(op.Uint32()), f); err != nil {
				return fmt.Errorf("%s in KMIP %s: %w", kmip.Operation(op.Uint32()), v, err)
			}
		}
	}
	return nil
}

func (c codec) strictPayload(op kmip.Operation, p kmip.Item) error {
	table := tableOf(op, response)
	if len(table) == 0 {
		return c.strictStructure(p)
	}
	at := -1
	for _, f := range p.Items {
		row := c.row(table, f.Tag)
		if row < 0 {
			return fmt.Errorf("field %s is not in the table", f.Tag)
		}
		if row < at && op != kmip.OperationLocate { // the tables of Locate differ in order
			return fmt.Errorf("field %s is out of order", f.Tag)
		}
		if row == at && table[row].repeated&versionBit(c.v) == 0 {
			return fmt.Errorf("field %s is repeated", f.Tag)
		}
		at = row
		if err := c.strictStructure(f); err != nil {
			return err
		}
	}
	for _, row := range table {
		if row.tag == 0 || row.required&versionBit(c.v) == 0 || row.repeated&versionBit(c.v) != 0 || row.tag == kmip.TagProtectionStorageMasks {
			continue
		}
		if _, ok := p.Field(row.tag); !ok {
			return fmt.Errorf("field %s is missing", row.tag)
		}
	}
	return nil
}

func (c codec) row(table []payloadField, tag kmip.Tag) int {
	_, object := objectTypes[tag]
	for n, row := range table {
		if row.has(c.v) && (row.tag == tag || row.tag == 0 && object) {
			return n
		}
	}
	return -1
}

func (c codec) strict(parent kmip.Tag, i kmip.Item) error {
	if !c.fieldExists(parent, i.Tag) {
		return fmt.Errorf("%s has no field %s", parent, i.Tag)
	}
	return c.strictStructure(i)
}

func (c codec) strictStructure(i kmip.Item) error {
	switch i.Type {
	case kmip.TypeEnumeration:
		if !c.valueExists(i.Tag, i.Uint32()) {
			return fmt.Errorf("%s has no value %s", i.Tag, kmip.EnumName(i.Tag, i.Uint32()))
		}
	case kmip.TypeInteger:
		if kept := c.maskOf(i.Tag, i.Uint32()); kept != i.Uint32() {
			return fmt.Errorf("%s has bits %#x", i.Tag, i.Uint32()&^kept)
		}
	case kmip.TypeDateTimeExtended:
		if c.old() {
			return fmt.Errorf("%s is a Date-Time Extended", i.Tag)
		}
	case kmip.TypeIdentifier, kmip.TypeReference, kmip.TypeNameReference:
		if c.v < kmip.V30 {
			return fmt.Errorf("%s is of a type of 3.0", i.Tag)
		}
	case kmip.TypeStructure:
		if i.Tag == kmip.TagAttribute && c.old() {
			return c.strictAttribute(i)
		}
		for _, f := range i.Items {
			if i.Tag == kmip.TagAttributes && f.Tag != kmip.TagAttribute {
				if err := c.attributeKnown(f.Tag); err != nil {
					return err
				}
			}
			if err := c.strict(i.Tag, f); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c codec) attributeKnown(tag kmip.Tag) error {
	if tag == kmip.TagGroupLink && c.v >= kmip.V30 {
		return nil
	}
	if !c.attributeExists(kmip.AttributeID{Tag: tag}) || c.v >= kmip.V30 && (tag == kmip.TagLink || tag == kmip.TagObjectGroup) {
		return fmt.Errorf("no attribute %s", tag)
	}
	return nil
}

// strictAttribute checks an Attribute of 1.x, whose value is typed by its name.
func (c codec) strictAttribute(i kmip.Item) error {
	name, _ := i.Field(kmip.TagAttributeName)
	value, ok := i.Field(kmip.TagAttributeValue)
	id := c.idOfName(name.Text())
	if !ok || !c.attributeExists(id) || id.IsVendor() && id.Vendor == "" {
		return fmt.Errorf("no attribute %q", name.Text())
	}
	if id.IsVendor() {
		return nil
	}
	return c.strictStructure(value.WithTag(id.Tag))
}
