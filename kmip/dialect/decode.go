package dialect

import (
	"reflect"
	"slices"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

// direction of a payload.
type direction bool

const (
	request  direction = false
	response direction = true
)

func tableOf(op kmip.Operation, d direction) []payloadField {
	if d == response {
		return payloadTables[op].response
	}
	return payloadTables[op].request
}

// lenient are required fields that clients in the field leave out.
var lenient = map[kmip.Tag]bool{
	kmip.TagAttributes:        true, // Locate, Create with defaults
	kmip.TagTemplateAttribute: true, // Register of an object that says all itself
	kmip.TagRevocationReason:  true, // custody decides; 3.0 made it optional
	kmip.TagData:              true, // an empty Data is none for some encoders
}

// payload reads a payload structure into a pointer to its struct.
func (c codec) payload(op kmip.Operation, d direction, i kmip.Item, into any) error {
	if i.Type != kmip.TypeStructure {
		return kmip.Fail(kmip.KindInvalidMessage, "%s is not a structure", i.Tag.Title())
	}
	table := tableOf(op, d)
	for _, f := range i.Items {
		if !c.inTable(table, f.Tag) && !c.tolerated(op, f.Tag) {
			return kmip.Fail(kmip.KindUnknownTag, "%s has no field %s in KMIP %s", op, f.Tag.Title(), c.v)
		}
	}
	v := reflect.ValueOf(into).Elem()
	if err := c.structure(i, v, planOf(v.Type())); err != nil {
		return err
	}
	if d == response {
		return nil
	}
	switch r := into.(type) {
	case *payload.ModifyAttributeRequest:
		r.ByIndex = c.old()
	case *payload.DeleteAttributeRequest:
		r.ByIndex = c.old()
	case *payload.CreateSplitKeyRequest:
		r.Polynomial = c.polynomial(r.Attributes.Attributes)
		r.Attributes.Attributes = slices.Clone(r.Attributes.Attributes).Remove(splitTags...)
	case *payload.GetRequest:
		return c.wrappedAttributes(r.KeyWrappingSpecification)
	case *payload.ExportRequest:
		return c.wrappedAttributes(r.KeyWrappingSpecification)
	case *payload.DecryptRequest:
		r.TagInData = !c.inTable(table, kmip.TagAuthenticatedEncryptionTag)
	}
	bit := versionBit(c.v)
	for _, row := range table {
		if row.required&bit == 0 || row.tag == 0 || lenient[row.tag] {
			continue
		}
		if _, ok := i.Field(row.tag); !ok {
			return kmip.Fail(kmip.KindMissingField, "%s needs %s", op, row.tag.Title())
		}
	}
	return nil
}

// inTable reports whether the version has the field in the payload. Operations
// without a table take what their structs take.
func (c codec) inTable(table []payloadField, tag kmip.Tag) bool {
	if len(table) == 0 {
		return true
	}
	for _, row := range table {
		if !row.has(c.v) {
			continue
		}
		if row.tag == tag {
			return true
		}
		if _, object := objectTypes[tag]; object && row.tag == 0 {
			return true
		}
	}
	return false
}

// tolerated are fields that clients write though the table has them elsewhere:
// filters of Locate inside a Template-Attribute, as some 1.0 clients do.
func (c codec) tolerated(op kmip.Operation, tag kmip.Tag) bool {
	return op == kmip.OperationLocate && (c.old() && tag == kmip.TagTemplateAttribute || tag == kmip.TagObjectClassMask && c.v >= kmip.V30)
}

// structure reads the fields of a structure into a struct.
func (c codec) structure(i kmip.Item, v reflect.Value, p *plan) error {
	if i.Type != kmip.TypeStructure {
		return kmip.Fail(kmip.KindInvalidMessage, "%s is not a structure", i.Tag.Title())
	}
	var seen [16]kmip.Tag
	n := 0
	for _, item := range i.Items {
		f := p.find(c, item.Tag)
		if f == nil {
			if item.Tag == kmip.TagTemplateAttribute {
				if err := c.locateTemplate(item, v); err != nil {
					return err
				}
				continue
			}
			return kmip.Fail(kmip.KindUnknownTag, "%s has no field %s in KMIP %s", i.Tag.Title(), item.Tag.Title(), c.v)
		}
		field := v.Field(f.index)
		if f.slice {
			elem := reflect.New(field.Type().Elem()).Elem()
			if err := c.value(item, elem, f); err != nil {
				return err
			}
			field.Set(reflect.Append(field, elem))
			continue
		}
		if f.kind != kindAttributeList || !c.old() {
			for _, t := range seen[:n] {
				if t == item.Tag {
					return kmip.Fail(kmip.KindInvalidMessage, "%s appears twice in %s", item.Tag.Title(), i.Tag.Title())
				}
			}
			if n < len(seen) {
				seen[n] = item.Tag
				n++
			}
		}
		if f.pointer {
			elem := reflect.New(field.Type().Elem())
			if err := c.value(item, elem.Elem(), f); err != nil {
				return err
			}
			field.Set(elem)
			continue
		}
		if err := c.value(item, field, f); err != nil {
			return err
		}
	}
	return nil
}

// locateTemplate reads filters that came inside a Template-Attribute.
func (c codec) locateTemplate(i kmip.Item, v reflect.Value) error {
	locate, ok := v.Addr().Interface().(*payload.LocateRequest)
	if !ok {
		return kmip.Fail(kmip.KindUnknownTag, "Template-Attribute does not belong here")
	}
	t, err := c.template(i)
	if err != nil {
		return err
	}
	if len(t.Templates) > 0 {
		return kmip.Fail(kmip.KindTemplateNotFound, "no template has that name")
	}
	locate.Attributes.Attributes = append(locate.Attributes.Attributes, t.Attributes...)
	return nil
}

// want refuses an item of another type.
func want(i kmip.Item, t kmip.ItemType) error {
	if i.Type != t {
		return kmip.Fail(kmip.KindInvalidMessage, "%s is of type %s, not %s", i.Tag.Title(), i.Type, t)
	}
	return nil
}

func (c codec) value(i kmip.Item, v reflect.Value, f *fieldPlan) error {
	switch f.kind {
	case kindText:
		if !i.Type.IsText() {
			return want(i, kmip.TypeTextString)
		}
		v.SetString(i.Text())
	case kindBytes:
		if err := want(i, kmip.TypeByteString); err != nil {
			return err
		}
		if i.Bytes == nil {
			i.Bytes = []byte{}
		}
		v.SetBytes(i.Bytes)
	case kindEnumeration:
		if err := want(i, kmip.TypeEnumeration); err != nil {
			return err
		}
		if err := c.checkValue(i); err != nil {
			return err
		}
		v.SetUint(uint64(i.Uint32()))
	case kindInteger:
		if err := want(i, kmip.TypeInteger); err != nil {
			return err
		}
		v.SetInt(i.Int)
	case kindLong:
		if err := want(i, kmip.TypeLongInteger); err != nil {
			return err
		}
		v.SetInt(i.Int)
	case kindBoolean:
		if err := want(i, kmip.TypeBoolean); err != nil {
			return err
		}
		v.SetBool(i.Bool())
	case kindDateTime:
		if i.Type != kmip.TypeDateTimeExtended {
			if err := want(i, kmip.TypeDateTime); err != nil {
				return err
			}
		}
		v.Set(reflect.ValueOf(i.Time()))
	case kindInterval:
		if err := want(i, kmip.TypeInterval); err != nil {
			return err
		}
		v.SetInt(int64(i.Duration()))
	case kindStruct:
		return c.structure(i, v, f.elem)
	default:
		return c.special(i, v, f)
	}
	return nil
}

// special reads the kinds that fold versions.
func (c codec) special(i kmip.Item, v reflect.Value, f *fieldPlan) error {
	switch into := v.Addr().Interface().(type) {
	case *kmip.Reference:
		return c.reference(i, into)
	case *kmip.Version:
		version, err := readVersion(i)
		*into = version
		return err
	case *kmip.Item:
		*into = i
		return c.checkValue(i)
	case *payload.Template:
		t, err := c.template(i)
		*into = t
		return err
	case *payload.AttributeList:
		return c.attributeList(i, into)
	case *payload.Instance:
		in, err := c.instance(i)
		*into = in
		return err
	case *kmip.AttributeID:
		id, err := c.attributeID(i)
		*into = id
		return err
	case *kmip.Object:
		return c.object(i, into)
	case *payload.Data:
		return c.data(i, into)
	}
	return kmip.Fail(kmip.KindInvalidMessage, "%s cannot be read", f.tag.Title())
}

// data reads Data: bytes, and from 2.0 the result of an earlier item.
func (c codec) data(i kmip.Item, into *payload.Data) error {
	if !c.old() && (i.Type == kmip.TypeEnumeration || i.Type == kmip.TypeInteger) {
		into.From = &i
		return c.checkValue(i)
	}
	if err := want(i, kmip.TypeByteString); err != nil {
		return err
	}
	if into.Bytes = i.Bytes; i.Bytes == nil {
		into.Bytes = []byte{}
	}
	return nil
}

// reference reads a Unique Identifier of a request: text, and from 2.0 the
// result of an earlier item.
func (c codec) reference(i kmip.Item, into *kmip.Reference) error {
	switch {
	case i.Type == kmip.TypeTextString || i.Type.IsText() && c.v >= kmip.V30:
		if len(i.Bytes) == 0 {
			return kmip.Fail(kmip.KindInvalidField, "%s is empty", i.Tag.Title())
		}
		into.Text = i.Text()
	case i.Type == kmip.TypeEnumeration && !c.old():
		if !c.valueExists(i.Tag, i.Uint32()) {
			return kmip.Fail(kmip.KindUnknownEnumeration, "%s has no value 0x%08X in KMIP %s", i.Tag.Title(), i.Uint32(), c.v)
		}
		into.Enum = kmip.UniqueIdentifierEnumeration(i.Uint32())
	case i.Type == kmip.TypeInteger && !c.old():
		into.IsNth, into.Nth = true, int32(i.Int) //nolint:gosec // an Integer has 32 bits
	default:
		return want(i, kmip.TypeTextString)
	}
	return nil
}

func readVersion(i kmip.Item) (kmip.Version, error) {
	major, ok1 := i.Field(kmip.TagProtocolVersionMajor)
	minor, ok2 := i.Field(kmip.TagProtocolVersionMinor)
	if !ok1 || !ok2 || major.Type != kmip.TypeInteger || minor.Type != kmip.TypeInteger ||
		major.Int < 0 || major.Int > 255 || minor.Int < 0 || minor.Int > 255 {
		return 0, kmip.Fail(kmip.KindInvalidMessage, "Protocol Version cannot be read")
	}
	return kmip.Version(major.Int<<8 | minor.Int), nil //nolint:gosec // both below 256
}
