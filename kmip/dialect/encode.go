package dialect

import (
	"reflect"
	"slices"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

// payloadItem writes a payload: the fields that the version has.
func (c codec) payloadItem(op kmip.Operation, d direction, from any) kmip.Item {
	tag := kmip.TagRequestPayload
	if d == response {
		tag = kmip.TagResponsePayload
	}
	i := kmip.Item{Tag: tag, Type: kmip.TypeStructure}
	if from == nil {
		return i
	}
	table := tableOf(op, d)
	if r, ok := from.(*payload.EncryptResponse); ok && r.AuthenticatedEncryptionTag != nil && !c.inTable(table, kmip.TagAuthenticatedEncryptionTag) {
		joined := *r // KMIP 1.2 and 1.3 have no field for the tag: it follows the data
		joined.Data = append(r.Data[:len(r.Data):len(r.Data)], r.AuthenticatedEncryptionTag...)
		from = &joined
	}
	if r, ok := from.(*payload.CreateSplitKeyRequest); ok && c.v >= kmip.V30 && r.Polynomial != 0 {
		told := *r // KMIP 3.0 says it by an attribute
		told.Attributes.Attributes = slices.Clone(r.Attributes.Attributes).Set(kmip.Enumeration(kmip.TagSplitKeyPolynomial, r.Polynomial))
		from = &told
	}
	if r, ok := from.(*payload.PKCS11Response); ok && c.v < kmip.V30 && r.PKCS11Function != kmip.PKCS11FunctionCInitialize {
		first := *r // the value is told once; from 3.0 with every function
		first.CorrelationValue = nil
		from = &first
	}
	if c.old() { // which demands a Validity Indicator of every part (1.4 §4.32, §4.34)
		switch r := from.(type) {
		case *payload.SignatureVerifyResponse:
			first := *r
			first.ValidityIndicator = known(r.ValidityIndicator)
			from = &first
		case *payload.MACVerifyResponse:
			first := *r
			first.ValidityIndicator = known(r.ValidityIndicator)
			from = &first
		}
	}
	v := reflect.ValueOf(from).Elem()
	p := planOf(v.Type())
	i.Items = make([]kmip.Item, 0, len(p.fields)+2)
	for n := range p.fields {
		f := &p.fields[n]
		if !c.writable(table, f, op) {
			continue
		}
		i.Items = c.field(i.Items, i.Tag, v.Field(f.index), f)
	}
	return i
}

// known makes a validity that is not known yet one that says so.
func known(i kmip.ValidityIndicator) kmip.ValidityIndicator {
	if i == 0 {
		return kmip.ValidityIndicatorUnknown
	}
	return i
}

func (c codec) writable(table []payloadField, f *fieldPlan, op kmip.Operation) bool {
	if len(table) == 0 {
		return f.tag == 0 || c.fieldExists(0, f.tagFor(c))
	}
	for _, row := range table {
		if row.has(c.v) && (f.kind == kindObject && row.tag == 0 || row.tag == f.tagFor(c) && f.kind != kindObject) {
			return true
		}
	}
	return c.tolerated(op, f.tagFor(c))
}

// field appends a field of a struct; nothing for a zero value, nil or an
// empty slice.
func (c codec) field(to []kmip.Item, parent kmip.Tag, v reflect.Value, f *fieldPlan) []kmip.Item {
	switch {
	case f.slice:
		for n := range v.Len() {
			to = c.item(to, parent, v.Index(n), f)
		}
	case f.pointer:
		if !v.IsNil() {
			to = c.item(to, parent, v.Elem(), f)
		}
	case f.kind == kindAttributeList || !v.IsZero():
		to = c.item(to, parent, v, f)
	}
	return to
}

// identifierTags are the fields of type Identifier from KMIP 3.0 on.
var identifierTags = map[kmip.Tag]bool{
	kmip.TagUniqueIdentifier:           true,
	kmip.TagPrivateKeyUniqueIdentifier: true,
	kmip.TagPublicKeyUniqueIdentifier:  true,
}

func (c codec) item(to []kmip.Item, parent kmip.Tag, v reflect.Value, f *fieldPlan) []kmip.Item {
	tag := f.tagFor(c)
	i := kmip.Item{Tag: tag}
	switch f.kind {
	case kindText:
		i.Type, i.Bytes = kmip.TypeTextString, []byte(v.String())
		if c.v >= kmip.V30 && identifierTags[tag] {
			i.Type = kmip.TypeIdentifier
		}
	case kindBytes:
		i.Type, i.Bytes = kmip.TypeByteString, v.Bytes()
	case kindEnumeration:
		i.Type, i.Int = kmip.TypeEnumeration, int64(v.Uint()) //nolint:gosec // 32 bits
		if !c.valueExists(tag, i.Uint32()) {
			return to
		}
	case kindInteger:
		i.Type, i.Int = kmip.TypeInteger, v.Int()
	case kindLong:
		i.Type, i.Int = kmip.TypeLongInteger, v.Int()
	case kindBoolean:
		i = kmip.Boolean(tag, v.Bool())
	case kindInterval:
		i = kmip.Interval(tag, time.Duration(v.Int()))
	case kindStruct:
		i.Type = kmip.TypeStructure
		for n := range f.elem.fields {
			ef := &f.elem.fields[n]
			if c.fieldExists(tag, ef.tagFor(c)) {
				i.Items = c.field(i.Items, tag, v.Field(ef.index), ef)
			}
		}
	default:
		return c.specialItem(to, parent, tag, v)
	}
	return append(to, i)
}

// specialItem writes the kinds that unfold versions.
func (c codec) specialItem(to []kmip.Item, parent, tag kmip.Tag, v reflect.Value) []kmip.Item {
	switch from := v.Addr().Interface().(type) {
	case *time.Time:
		return append(to, kmip.DateTime(tag, *from))
	case *kmip.Reference:
		return append(to, c.referenceItem(tag, *from))
	case *kmip.Version:
		return append(to, versionItem(tag, *from))
	case *kmip.Item:
		if i, ok := c.legal(parent, from.WithTag(tag)); ok {
			return append(to, i)
		}
	case *payload.Template:
		return append(to, c.templateItem(tag, *from))
	case *payload.AttributeList:
		if c.old() {
			for _, a := range from.Attributes {
				if i, ok := c.oldAttribute(a, nil); ok {
					to = append(to, i)
				}
			}
			return to
		}
		return append(to, c.attributesItem(tag, from.Attributes))
	case *payload.Instance:
		return c.instanceItem(to, tag, *from)
	case *kmip.AttributeID:
		if i, ok := c.attributeIDItem(tag, *from); ok {
			return append(to, i)
		}
	case *kmip.Object:
		return append(to, c.objectItem(from))
	case *payload.Data:
		if from.From != nil {
			return append(to, from.From.WithTag(tag))
		}
		return append(to, kmip.ByteString(tag, from.Bytes))
	}
	return to
}

func (c codec) referenceItem(tag kmip.Tag, r kmip.Reference) kmip.Item {
	switch {
	case r.Enum != 0:
		return kmip.Enumeration(tag, r.Enum)
	case r.IsNth:
		return kmip.Integer(tag, r.Nth)
	}
	i := kmip.Text(tag, r.Text)
	if c.v >= kmip.V30 {
		i.Type = kmip.TypeIdentifier
	}
	return i
}

func versionItem(tag kmip.Tag, v kmip.Version) kmip.Item {
	return kmip.Structure(tag,
		kmip.Integer(kmip.TagProtocolVersionMajor, int32(v.Major())), //nolint:gosec // below 256
		kmip.Integer(kmip.TagProtocolVersionMinor, int32(v.Minor()))) //nolint:gosec // below 256
}
