package dialect

import (
	"slices"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
)

// objectTypes are the tags of managed objects (§2).
var objectTypes = map[kmip.Tag]kmip.ObjectType{
	kmip.TagCertificate:        kmip.ObjectTypeCertificate,
	kmip.TagSymmetricKey:       kmip.ObjectTypeSymmetricKey,
	kmip.TagPublicKey:          kmip.ObjectTypePublicKey,
	kmip.TagPrivateKey:         kmip.ObjectTypePrivateKey,
	kmip.TagSplitKey:           kmip.ObjectTypeSplitKey,
	kmip.TagTemplate:           kmip.ObjectTypeTemplate,
	kmip.TagSecretData:         kmip.ObjectTypeSecretData,
	kmip.TagOpaqueObject:       kmip.ObjectTypeOpaqueObject,
	kmip.TagPGPKey:             kmip.ObjectTypePGPKey,
	kmip.TagCertificateRequest: kmip.ObjectTypeCertificateRequest,
}

var objectTags = func() map[kmip.ObjectType]kmip.Tag {
	m := map[kmip.ObjectType]kmip.Tag{}
	for tag, t := range objectTypes {
		m[t] = tag
	}
	return m
}()

// objectFields lists the fields of each kind of object, in their order (§2).
// Those of users, groups and credentials are attributes.
var objectFields = map[kmip.ObjectType][]objectField{
	kmip.ObjectTypeSymmetricKey: {{kmip.TagKeyBlock, kmip.TypeStructure, true}},
	kmip.ObjectTypePublicKey:    {{kmip.TagKeyBlock, kmip.TypeStructure, true}},
	kmip.ObjectTypePrivateKey:   {{kmip.TagKeyBlock, kmip.TypeStructure, true}},
	kmip.ObjectTypeSecretData: {
		{kmip.TagSecretDataType, kmip.TypeEnumeration, true}, {kmip.TagKeyBlock, kmip.TypeStructure, true},
	},
	kmip.ObjectTypeCertificate: {
		{kmip.TagCertificateType, kmip.TypeEnumeration, true}, {kmip.TagCertificateValue, kmip.TypeByteString, true},
	},
	kmip.ObjectTypeCertificateRequest: {
		{kmip.TagCertificateRequestType, kmip.TypeEnumeration, true}, {kmip.TagCertificateRequestValue, kmip.TypeByteString, true},
	},
	kmip.ObjectTypeOpaqueObject: {
		{kmip.TagOpaqueDataType, kmip.TypeEnumeration, true}, {kmip.TagOpaqueDataValue, kmip.TypeByteString, true},
	},
	kmip.ObjectTypePGPKey: {
		{kmip.TagPGPKeyVersion, kmip.TypeInteger, true}, {kmip.TagKeyBlock, kmip.TypeStructure, true},
	},
	kmip.ObjectTypeSplitKey: {
		{kmip.TagSplitKeyParts, kmip.TypeInteger, true},
		{kmip.TagKeyPartIdentifier, kmip.TypeInteger, true},
		{kmip.TagSplitKeyThreshold, kmip.TypeInteger, true},
		{kmip.TagSplitKeyMethod, kmip.TypeEnumeration, true},
		{kmip.TagPrimeFieldSize, kmip.TypeBigInteger, false},
		{kmip.TagKeyBlock, kmip.TypeStructure, true},
	},
	kmip.ObjectTypeTemplate: {{kmip.TagAttribute, kmip.TypeStructure, false}},
}

type objectField struct {
	tag      kmip.Tag
	typ      kmip.ItemType
	required bool
}

// object reads a managed object.
func (c codec) object(i kmip.Item, o *kmip.Object) error {
	if err := want(i, kmip.TypeStructure); err != nil {
		return err
	}
	o.Type = objectTypes[i.Tag]
	fields := objectFields[o.Type]
	if o.Type == kmip.ObjectTypeTemplate {
		o.Template = kmip.Attributes{}
	} else if err := once(i, 0); err != nil {
		return err
	}
	for _, f := range i.Items {
		n := slices.IndexFunc(fields, func(of objectField) bool { return of.tag == f.Tag })
		if n < 0 {
			return kmip.Fail(kmip.KindUnknownTag, "%s has no field %s", i.Tag.Title(), f.Tag.Title())
		}
		if err := want(f, fields[n].typ); err != nil {
			return err
		}
		if f.Tag != kmip.TagKeyBlock && f.Tag != kmip.TagAttribute {
			if err := c.checkValue(f); err != nil {
				return err
			}
		}
		if err := c.objectField(o, f); err != nil {
			return err
		}
	}
	for _, f := range fields {
		if _, ok := i.Field(f.tag); f.required && !ok {
			return kmip.Fail(kmip.KindMissingField, "%s needs %s", i.Tag.Title(), f.tag.Title())
		}
	}
	return nil
}

func (c codec) objectField(o *kmip.Object, f kmip.Item) error {
	n := int32(f.Int) //nolint:gosec // an Integer has 32 bits
	part := func() *kmip.SplitPart {
		if o.Split == nil {
			o.Split = &kmip.SplitPart{Polynomial: c.polynomial(nil)}
		}
		return o.Split
	}
	switch f.Tag {
	case kmip.TagCertificateType:
		o.CertificateType = kmip.CertificateType(f.Uint32())
	case kmip.TagCertificateValue:
		o.CertificateValue = f.Bytes
	case kmip.TagCertificateRequestType:
		o.RequestType = kmip.CertificateRequestType(f.Uint32())
	case kmip.TagCertificateRequestValue:
		o.RequestValue = f.Bytes
	case kmip.TagSecretDataType:
		o.SecretDataType = kmip.SecretDataType(f.Uint32())
	case kmip.TagOpaqueDataType:
		o.OpaqueDataType = f.Uint32()
	case kmip.TagOpaqueDataValue:
		o.OpaqueDataValue = secret.Copy(f.Bytes)
	case kmip.TagPGPKeyVersion:
		o.PGPKeyVersion = n
	case kmip.TagSplitKeyParts:
		part().Parts = n
	case kmip.TagKeyPartIdentifier:
		part().Identifier = n
	case kmip.TagSplitKeyThreshold:
		part().Threshold = n
	case kmip.TagSplitKeyMethod:
		part().Method = kmip.SplitKeyMethod(f.Uint32())
	case kmip.TagPrimeFieldSize:
		part().PrimeField = f.Bytes
	case kmip.TagAttribute:
		at, _, err := c.readAttribute(f)
		o.Template = o.Template.Add(at)
		return err
	case kmip.TagKeyBlock:
		k, err := c.keyBlock(f)
		o.Key = k
		return err
	}
	return nil
}

func (c codec) keyBlock(i kmip.Item) (*kmip.KeyBlock, error) {
	if err := want(i, kmip.TypeStructure); err != nil {
		return nil, err
	}
	k := &kmip.KeyBlock{}
	if err := once(i, 0); err != nil {
		return nil, err
	}
	wrapping, wrapped := i.Field(kmip.TagKeyWrappingData)
	for _, f := range i.Items {
		if !c.fieldExists(kmip.TagKeyBlock, f.Tag) {
			return nil, kmip.Fail(kmip.KindUnknownTag, "Key Block has no field %s in KMIP %s", f.Tag.Title(), c.v)
		}
		var err error
		switch f.Tag {
		case kmip.TagKeyFormatType, kmip.TagKeyCompressionType, kmip.TagCryptographicAlgorithm:
			if err = want(f, kmip.TypeEnumeration); err == nil {
				err = c.checkValue(f)
			}
		case kmip.TagCryptographicLength:
			err = want(f, kmip.TypeInteger)
		case kmip.TagKeyValue:
			err = c.keyValue(k, f, wrapped)
		case kmip.TagKeyWrappingData:
			err = c.checkValue(wrapping)
		default:
			err = kmip.Fail(kmip.KindUnknownTag, "Key Block has no field %s", f.Tag.Title())
		}
		if err != nil {
			return nil, err
		}
		switch f.Tag {
		case kmip.TagKeyFormatType:
			k.Format = kmip.KeyFormatType(f.Uint32())
		case kmip.TagKeyCompressionType:
			k.Compression = kmip.KeyCompressionType(f.Uint32())
		case kmip.TagCryptographicAlgorithm:
			k.Algorithm = kmip.CryptographicAlgorithm(f.Uint32())
		case kmip.TagCryptographicLength:
			k.LengthBits = int32(f.Int) //nolint:gosec // an Integer has 32 bits
		case kmip.TagKeyWrappingData:
			w := f.Clone()
			k.Wrapping = &w
		}
	}
	if k.Format == 0 {
		return nil, kmip.Fail(kmip.KindMissingField, "Key Block needs Key Format Type")
	}
	return k, nil
}

// once refuses a structure that has a field twice; repeated is one that may be.
func once(i kmip.Item, repeated kmip.Tag) error {
	seen := map[kmip.Tag]bool{}
	for _, f := range i.Items {
		if seen[f.Tag] && f.Tag != repeated {
			return kmip.Fail(kmip.KindInvalidMessage, "%s appears twice in %s", f.Tag.Title(), i.Tag.Title())
		}
		seen[f.Tag] = true
	}
	return nil
}

// keyValue reads a Key Value: a structure, or a Byte String when it is wrapped.
func (c codec) keyValue(k *kmip.KeyBlock, i kmip.Item, wrapped bool) error {
	if i.Type == kmip.TypeByteString && wrapped {
		k.Material = secret.Copy(i.Bytes)
		return nil
	}
	if i.Type != kmip.TypeStructure {
		return kmip.Fail(kmip.KindInvalidMessage, "Key Value is neither a structure nor wrapped")
	}
	if err := once(i, kmip.TagAttribute); err != nil {
		return err
	}
	count := map[kmip.AttributeID]int{}
	for _, f := range i.Items {
		switch {
		case f.Tag == kmip.TagKeyMaterial && f.Type == kmip.TypeByteString:
			k.Material, k.Enclosed = secret.Copy(f.Bytes), wrapped
		case f.Tag == kmip.TagKeyMaterial && f.Type == kmip.TypeStructure:
			if err := c.checkValue(f); err != nil {
				return err
			}
			t := f.Clone()
			k.Transparent = &t
		case f.Tag == kmip.TagAttribute && c.old():
			at, _, err := c.readAttribute(f)
			if err != nil {
				return err
			}
			at.Index = count[at.AttributeID]
			count[at.AttributeID]++
			k.Attributes = append(k.Attributes, at)
		case f.Tag == kmip.TagAttributes && !c.old():
			t, err := c.template(f)
			if err != nil {
				return err
			}
			k.Attributes = t.Attributes
		default:
			return kmip.Fail(kmip.KindUnknownTag, "Key Value has no field %s", f.Tag.Title())
		}
	}
	if k.Material == nil && k.Transparent == nil {
		return kmip.Fail(kmip.KindMissingField, "Key Value needs Key Material")
	}
	return nil
}

// expressible refuses an object in a form that the version does not have.
func (c codec) expressible(o *kmip.Object) error {
	switch {
	case o.Key != nil && !o.HasValue() && c.v < kmip.V12:
		return kmip.Fail(kmip.KindKeyValueNotPresent, "the server has no value of this key, and KMIP %s has no keys without", c.v)
	case o.Key != nil && !c.valueExists(kmip.TagKeyFormatType, uint32(o.Key.Format)):
		return kmip.Fail(kmip.KindKeyFormat, "KMIP %s has no Key Format Type %s; ask for another", c.v, o.Key.Format)
	case o.Key != nil && o.Key.Compression != 0 && !c.valueExists(kmip.TagKeyCompressionType, uint32(o.Key.Compression)):
		return kmip.Fail(kmip.KindKeyCompression, "KMIP %s has no Key Compression Type %s", c.v, o.Key.Compression)
	case o.Key != nil && o.Key.Wrapping != nil && !c.unwrappable(*o.Key.Wrapping):
		return kmip.Fail(kmip.KindKeyFormat, "KMIP %s cannot say how the key is wrapped", c.v)
	case !c.valueExists(kmip.TagObjectType, uint32(o.Type)):
		return kmip.Fail(kmip.KindObjectType, "KMIP %s has no Object Type %s", c.v, o.Type)
	case o.Split != nil && !c.valueExists(kmip.TagSplitKeyMethod, uint32(o.Split.Method)):
		return kmip.Fail(kmip.KindObjectType, "KMIP %s has no Split Key Method %s", c.v, o.Split.Method)
	case o.Type == kmip.ObjectTypeCertificate && !c.valueExists(kmip.TagCertificateType, uint32(o.CertificateType)):
		return kmip.Fail(kmip.KindObjectType, "KMIP %s has no Certificate Type %s", c.v, o.CertificateType)
	case o.Type == kmip.ObjectTypeSecretData && !c.valueExists(kmip.TagSecretDataType, uint32(o.SecretDataType)):
		return kmip.Fail(kmip.KindObjectType, "KMIP %s has no Secret Data Type %s", c.v, o.SecretDataType)
	}
	return nil
}

// unwrappable reports whether Key Wrapping Data still say how the key is
// wrapped when the version leaves out what it lacks. The one Encoding Option
// that may go is that which stands for none.
func (c codec) unwrappable(w kmip.Item) bool {
	if option, ok := w.Field(kmip.TagEncodingOption); ok && option.Uint32() != uint32(kmip.EncodingOptionTTLVEncoding) &&
		!c.fieldExists(w.Tag, kmip.TagEncodingOption) {
		return false
	}
	_, ok := c.legal(kmip.TagKeyBlock, w)
	return ok
}

// objectItem writes a managed object.
func (c codec) objectItem(o *kmip.Object) kmip.Item {
	i := kmip.Structure(objectTags[o.Type])
	add := func(fields ...kmip.Item) { i.Items = append(i.Items, fields...) }
	switch o.Type {
	case kmip.ObjectTypeCertificate:
		add(kmip.Enumeration(kmip.TagCertificateType, o.CertificateType), kmip.ByteString(kmip.TagCertificateValue, o.CertificateValue))
	case kmip.ObjectTypeCertificateRequest:
		add(kmip.Enumeration(kmip.TagCertificateRequestType, o.RequestType), kmip.ByteString(kmip.TagCertificateRequestValue, o.RequestValue))
	case kmip.ObjectTypeOpaqueObject:
		add(kmip.Enumeration(kmip.TagOpaqueDataType, o.OpaqueDataType))
		if o.OpaqueDataValue != nil {
			add(kmip.ByteString(kmip.TagOpaqueDataValue, o.OpaqueDataValue.Reveal()))
		}
	case kmip.ObjectTypeSecretData:
		add(kmip.Enumeration(kmip.TagSecretDataType, o.SecretDataType))
	case kmip.ObjectTypePGPKey:
		add(kmip.Integer(kmip.TagPGPKeyVersion, o.PGPKeyVersion))
	case kmip.ObjectTypeTemplate:
		for _, a := range o.Template {
			if f, ok := c.oldAttribute(a, nil); ok {
				add(f)
			}
		}
	}
	if p := o.Split; p != nil {
		add(kmip.Integer(kmip.TagSplitKeyParts, p.Parts), kmip.Integer(kmip.TagKeyPartIdentifier, p.Identifier),
			kmip.Integer(kmip.TagSplitKeyThreshold, p.Threshold), kmip.Enumeration(kmip.TagSplitKeyMethod, p.Method))
		if p.PrimeField != nil {
			add(kmip.Item{Tag: kmip.TagPrimeFieldSize, Type: kmip.TypeBigInteger, Bytes: p.PrimeField})
		}
	}
	if o.Key != nil {
		add(c.keyBlockItem(o.Key))
	}
	return i
}

func (c codec) keyBlockItem(k *kmip.KeyBlock) kmip.Item {
	i := kmip.Item{Tag: kmip.TagKeyBlock, Type: kmip.TypeStructure, Items: make([]kmip.Item, 0, 6)}
	i.Items = append(i.Items, kmip.Enumeration(kmip.TagKeyFormatType, k.Format))
	if k.Compression != 0 {
		i.Items = append(i.Items, kmip.Enumeration(kmip.TagKeyCompressionType, k.Compression))
	}
	switch {
	case k.Wrapping != nil && k.Material != nil && !k.Enclosed:
		i.Items = append(i.Items, kmip.ByteString(kmip.TagKeyValue, k.Material.Reveal()))
	case k.Material != nil || k.Transparent != nil:
		value := kmip.Structure(kmip.TagKeyValue)
		if k.Transparent != nil {
			value.Items = append(value.Items, k.Transparent.WithTag(kmip.TagKeyMaterial))
		} else {
			value.Items = append(value.Items, kmip.ByteString(kmip.TagKeyMaterial, k.Material.Reveal()))
		}
		if len(k.Attributes) > 0 {
			if c.old() {
				for _, a := range k.Attributes {
					if f, ok := c.oldAttribute(a, nil); ok {
						value.Items = append(value.Items, f)
					}
				}
			} else {
				value.Items = append(value.Items, c.attributesItem(kmip.TagAttributes, k.Attributes))
			}
		}
		i.Items = append(i.Items, value)
	}
	// Algorithm and length are there both or not at all (§3.5): a client whose
	// version has no name for the algorithm gets its key without.
	named := c.valueExists(kmip.TagCryptographicAlgorithm, uint32(k.Algorithm))
	if k.Algorithm != 0 && named {
		i.Items = append(i.Items, kmip.Enumeration(kmip.TagCryptographicAlgorithm, k.Algorithm))
	}
	if k.LengthBits != 0 && (named || k.Algorithm == 0) {
		i.Items = append(i.Items, kmip.Integer(kmip.TagCryptographicLength, k.LengthBits))
	}
	if k.Wrapping != nil {
		if w, ok := c.legal(kmip.TagKeyBlock, *k.Wrapping); ok {
			i.Items = append(i.Items, w)
		}
	}
	return i
}
