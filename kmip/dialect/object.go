package dialect

import (
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

// object reads a managed object. Objects that have no form here come out with
// their type only.
func (c codec) object(i kmip.Item, o *kmip.Object) error {
	if err := want(i, kmip.TypeStructure); err != nil {
		return err
	}
	o.Type = objectTypes[i.Tag]
	allowed := map[kmip.Tag]bool{}
	switch o.Type {
	case kmip.ObjectTypeSymmetricKey, kmip.ObjectTypePublicKey, kmip.ObjectTypePrivateKey:
		allowed[kmip.TagKeyBlock] = true
	case kmip.ObjectTypeSecretData:
		allowed[kmip.TagKeyBlock], allowed[kmip.TagSecretDataType] = true, true
	case kmip.ObjectTypeCertificate:
		allowed[kmip.TagCertificateType], allowed[kmip.TagCertificateValue] = true, true
	case kmip.ObjectTypeOpaqueObject:
		allowed[kmip.TagOpaqueDataType], allowed[kmip.TagOpaqueDataValue] = true, true
	default:
		return nil
	}
	for _, f := range i.Items {
		if !allowed[f.Tag] {
			return kmip.Fail(kmip.KindUnknownTag, "%s has no field %s", i.Tag.Title(), f.Tag.Title())
		}
		allowed[f.Tag] = false // a second one is refused
		if err := c.objectField(o, f); err != nil {
			return err
		}
	}
	return requireFields(o, i)
}

func requireFields(o *kmip.Object, i kmip.Item) error {
	needed := []kmip.Tag{kmip.TagKeyBlock}
	switch o.Type {
	case kmip.ObjectTypeCertificate:
		needed = []kmip.Tag{kmip.TagCertificateType, kmip.TagCertificateValue}
	case kmip.ObjectTypeOpaqueObject:
		needed = []kmip.Tag{kmip.TagOpaqueDataType, kmip.TagOpaqueDataValue}
	case kmip.ObjectTypeSecretData:
		needed = []kmip.Tag{kmip.TagSecretDataType, kmip.TagKeyBlock}
	}
	for _, tag := range needed {
		if _, ok := i.Field(tag); !ok {
			return kmip.Fail(kmip.KindMissingField, "%s needs %s", i.Tag.Title(), tag.Title())
		}
	}
	return nil
}

func (c codec) objectField(o *kmip.Object, f kmip.Item) error {
	if f.Tag != kmip.TagKeyBlock {
		if err := c.checkValue(f); err != nil {
			return err
		}
		wanted := kmip.TypeEnumeration
		if f.Tag == kmip.TagCertificateValue || f.Tag == kmip.TagOpaqueDataValue {
			wanted = kmip.TypeByteString
		}
		if err := want(f, wanted); err != nil {
			return err
		}
	}
	switch f.Tag {
	case kmip.TagCertificateType:
		o.CertificateType = kmip.CertificateType(f.Uint32())
	case kmip.TagCertificateValue:
		o.CertificateValue = f.Bytes
	case kmip.TagSecretDataType:
		o.SecretDataType = kmip.SecretDataType(f.Uint32())
	case kmip.TagOpaqueDataType:
		o.OpaqueDataType = f.Uint32()
	case kmip.TagOpaqueDataValue:
		o.OpaqueDataValue = secret.Copy(f.Bytes)
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
			k.Material = secret.Copy(f.Bytes)
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
	case o.Key != nil && !c.valueExists(kmip.TagKeyFormatType, uint32(o.Key.Format)):
		return kmip.Fail(kmip.KindKeyFormat, "KMIP %s has no Key Format Type %s; ask for another", c.v, o.Key.Format)
	case o.Key != nil && o.Key.Compression != 0 && !c.valueExists(kmip.TagKeyCompressionType, uint32(o.Key.Compression)):
		return kmip.Fail(kmip.KindKeyCompression, "KMIP %s has no Key Compression Type %s", c.v, o.Key.Compression)
	case o.Key != nil && o.Key.Wrapping != nil && !c.unwrappable(*o.Key.Wrapping):
		return kmip.Fail(kmip.KindKeyFormat, "KMIP %s cannot say how the key is wrapped", c.v)
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
	switch o.Type {
	case kmip.ObjectTypeCertificate:
		i.Items = append(i.Items, kmip.Enumeration(kmip.TagCertificateType, o.CertificateType), kmip.ByteString(kmip.TagCertificateValue, o.CertificateValue))
	case kmip.ObjectTypeOpaqueObject:
		i.Items = append(i.Items, kmip.Enumeration(kmip.TagOpaqueDataType, o.OpaqueDataType), kmip.ByteString(kmip.TagOpaqueDataValue, o.OpaqueDataValue.Reveal()))
	case kmip.ObjectTypeSecretData:
		i.Items = append(i.Items, kmip.Enumeration(kmip.TagSecretDataType, o.SecretDataType))
	}
	if o.Key != nil {
		i.Items = append(i.Items, c.keyBlockItem(o.Key))
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
	case k.Wrapping != nil && k.Material != nil:
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
