package kmip

import "github.com/claviger/claviger/kmip/secret"

// Object is a managed object as clients send and receive it (§2): the value,
// not the attributes. Which fields count depends on the type.
type Object struct {
	Type ObjectType

	// Key: Symmetric Key, Public Key, Private Key, Split Key, Secret Data, PGP Key.
	Key *KeyBlock

	CertificateType  CertificateType // Certificate
	CertificateValue []byte
	SecretDataType   SecretDataType // Secret Data
	OpaqueDataType   uint32         // Opaque Object: no values but extensions are defined
	OpaqueDataValue  *secret.Bytes
	Split            *SplitPart // Split Key
	PGPKeyVersion    int32      // PGP Key
	// Certificate Request.
	RequestType  CertificateRequestType
	RequestValue []byte
	// Template holds the attributes of a Template (KMIP 1.x).
	Template Attributes
	// Credential is what a credential object of KMIP 3.0 is verified by, in a
	// form of the server's own. It holds secrets.
	Credential *Item
}

// SplitPart says which part of which split a Split Key is (§2.8).
type SplitPart struct {
	Parts      int32
	Identifier int32 // 1 to Parts
	Threshold  int32
	Method     SplitKeyMethod
	PrimeField []byte // Prime Field Size, a Big Integer; nil when not given
	Polynomial SplitKeyPolynomial
	// Origin is the same for all parts that the server made of one key, and
	// WholeBytes the length of what it split. Neither leaves the server.
	Origin     []byte
	WholeBytes int32
}

// KeyBlock holds a key (§3.5).
type KeyBlock struct {
	Format      KeyFormatType
	Compression KeyCompressionType
	// Material is the Key Material of an unwrapped key in a format that is one
	// byte string; or the whole wrapped Key Value when Wrapping is set; nil
	// when the Key Value is not there.
	Material *secret.Bytes
	// Transparent is the Key Material of the transparent formats: a structure.
	// It holds secrets.
	Transparent *Item
	// Attributes are those inside the Key Value.
	Attributes Attributes
	Algorithm  CryptographicAlgorithm // 0 when not given
	LengthBits int32                  // 0 when not given
	Wrapping   *Item                  // Key Wrapping Data
	// Enclosed tells that the wrapped bytes are the Key Material of a structure,
	// as some clients write them, and not the Key Value itself (§3.1).
	Enclosed bool
}

// HasValue reports whether the object carries its value.
func (o *Object) HasValue() bool {
	switch {
	case o.Key != nil:
		return o.Key.Material != nil || o.Key.Transparent != nil
	case o.Type == ObjectTypeCertificate:
		return len(o.CertificateValue) > 0
	case o.Type == ObjectTypeCertificateRequest:
		return len(o.RequestValue) > 0
	default:
		return o.OpaqueDataValue != nil || o.Template != nil || o.Credential != nil
	}
}

// Item returns the object as an item, in no protocol version: the form that is
// sealed. It holds the secret in clear; the caller clears the encoding of it.
func (o *Object) Item() Item {
	i := Structure(TagCurrentAttribute, Enumeration(TagObjectType, o.Type))
	add := func(f Item) { i.Items = append(i.Items, f) }
	if o.CertificateValue != nil {
		add(Enumeration(TagCertificateType, o.CertificateType))
		add(ByteString(TagCertificateValue, o.CertificateValue))
	}
	if o.SecretDataType != 0 {
		add(Enumeration(TagSecretDataType, o.SecretDataType))
	}
	if o.OpaqueDataValue != nil {
		add(Enumeration(TagOpaqueDataType, o.OpaqueDataType))
		add(ByteString(TagOpaqueDataValue, o.OpaqueDataValue.Reveal()))
	}
	if o.RequestValue != nil {
		add(Enumeration(TagCertificateRequestType, o.RequestType))
		add(ByteString(TagCertificateRequestValue, o.RequestValue))
	}
	if o.PGPKeyVersion != 0 {
		add(Integer(TagPGPKeyVersion, o.PGPKeyVersion))
	}
	if p := o.Split; p != nil {
		add(Structure(TagSplitKey, Integer(TagSplitKeyParts, p.Parts), Integer(TagKeyPartIdentifier, p.Identifier),
			Integer(TagSplitKeyThreshold, p.Threshold), Enumeration(TagSplitKeyMethod, p.Method),
			ByteString(TagPrimeFieldSize, p.PrimeField), Enumeration(TagSplitKeyPolynomial, p.Polynomial),
			ByteString(TagCorrelationValue, p.Origin), Integer(TagDataLength, p.WholeBytes)))
	}
	if o.Template != nil {
		add(ByteString(TagTemplate, o.Template.AppendCanonical(nil)))
	}
	if o.Credential != nil {
		add(Structure(TagCredentialValue, *o.Credential))
	}
	if k := o.Key; k != nil {
		b := Structure(TagKeyBlock, Enumeration(TagKeyFormatType, k.Format), Enumeration(TagKeyCompressionType, k.Compression),
			Enumeration(TagCryptographicAlgorithm, k.Algorithm), Integer(TagCryptographicLength, k.LengthBits))
		if k.Material != nil {
			b.Items = append(b.Items, ByteString(TagKeyMaterial, k.Material.Reveal()))
		}
		if k.Transparent != nil {
			b.Items = append(b.Items, k.Transparent.WithTag(TagKeyMaterial))
		}
		if k.Wrapping != nil {
			b.Items = append(b.Items, *k.Wrapping)
			if k.Enclosed {
				b.Items = append(b.Items, Boolean(TagKeyValue, true))
			}
		}
		if len(k.Attributes) > 0 {
			b.Items = append(b.Items, ByteString(TagAttributes, k.Attributes.AppendCanonical(nil)))
		}
		add(b)
	}
	return i
}

// ObjectOf reads what Item wrote; it copies the secret out of the item.
func ObjectOf(i Item) (*Object, error) {
	o := &Object{}
	for _, f := range i.Items {
		switch f.Tag {
		case TagObjectType:
			o.Type = ObjectType(f.Uint32())
		case TagCertificateType:
			o.CertificateType = CertificateType(f.Uint32())
		case TagCertificateValue:
			o.CertificateValue = append([]byte(nil), f.Bytes...)
		case TagSecretDataType:
			o.SecretDataType = SecretDataType(f.Uint32())
		case TagOpaqueDataType:
			o.OpaqueDataType = f.Uint32()
		case TagOpaqueDataValue:
			o.OpaqueDataValue = secret.Copy(f.Bytes)
		case TagCertificateRequestType:
			o.RequestType = CertificateRequestType(f.Uint32())
		case TagCertificateRequestValue:
			o.RequestValue = append([]byte(nil), f.Bytes...)
		case TagPGPKeyVersion:
			o.PGPKeyVersion = int32(f.Int) //nolint:gosec // written from an int32
		case TagSplitKey:
			o.Split = splitPartOf(f)
		case TagTemplate:
			a, err := ParseAttributes(f.Bytes)
			if err != nil {
				return nil, err
			}
			o.Template = a.Clone()
		case TagCredentialValue:
			if len(f.Items) != 1 {
				return nil, errCanonical
			}
			c := f.Items[0].Clone()
			o.Credential = &c
		case TagKeyBlock:
			var err error
			if o.Key, err = keyBlockOf(f); err != nil {
				return nil, err
			}
		}
	}
	return o, nil
}

func splitPartOf(i Item) *SplitPart {
	p := &SplitPart{}
	for _, f := range i.Items {
		n := int32(f.Int) //nolint:gosec // written from an int32
		switch f.Tag {
		case TagSplitKeyParts:
			p.Parts = n
		case TagKeyPartIdentifier:
			p.Identifier = n
		case TagSplitKeyThreshold:
			p.Threshold = n
		case TagSplitKeyMethod:
			p.Method = SplitKeyMethod(f.Uint32())
		case TagPrimeFieldSize:
			if len(f.Bytes) > 0 {
				p.PrimeField = append([]byte(nil), f.Bytes...)
			}
		case TagCorrelationValue:
			if len(f.Bytes) > 0 {
				p.Origin = append([]byte(nil), f.Bytes...)
			}
		case TagDataLength:
			p.WholeBytes = n
		case TagSplitKeyPolynomial:
			p.Polynomial = SplitKeyPolynomial(f.Uint32())
		}
	}
	return p
}

func keyBlockOf(i Item) (*KeyBlock, error) {
	k := &KeyBlock{}
	for _, f := range i.Items {
		switch f.Tag {
		case TagKeyFormatType:
			k.Format = KeyFormatType(f.Uint32())
		case TagKeyCompressionType:
			k.Compression = KeyCompressionType(f.Uint32())
		case TagCryptographicAlgorithm:
			k.Algorithm = CryptographicAlgorithm(f.Uint32())
		case TagCryptographicLength:
			k.LengthBits = int32(f.Int) //nolint:gosec // written from an int32
		case TagKeyMaterial:
			if f.Type == TypeStructure {
				t := f.Clone()
				k.Transparent = &t
			} else {
				k.Material = secret.Copy(f.Bytes)
			}
		case TagKeyWrappingData:
			w := f.Clone()
			k.Wrapping = &w
		case TagKeyValue:
			k.Enclosed = f.Bool()
		case TagAttributes:
			a, err := ParseAttributes(f.Bytes)
			if err != nil {
				return nil, err
			}
			k.Attributes = a.Clone()
		}
	}
	return k, nil
}

// Destroy overwrites the secrets of the object.
func (o *Object) Destroy() {
	if o == nil {
		return
	}
	o.OpaqueDataValue.Destroy()
	if o.Credential != nil {
		o.Credential.clear()
	}
	if o.Key == nil {
		return
	}
	o.Key.Material.Destroy()
	if o.Key.Transparent != nil {
		o.Key.Transparent.clear()
	}
}

func (i *Item) clear() {
	clear(i.Bytes)
	i.Int = 0
	for n := range i.Items {
		i.Items[n].clear()
	}
}

// Reference is a Unique Identifier in a request (§4.58): a text, or from KMIP
// 2.0 the result of an earlier item of the batch. The zero value means that
// none was given, which stands for the ID Placeholder.
type Reference struct {
	Text string
	Enum UniqueIdentifierEnumeration
	// Nth counts the identifiers of the response so far, when IsNth.
	IsNth bool
	Nth   int32
}

// Given reports whether the request named anything.
func (r Reference) Given() bool { return r.Text != "" || r.Enum != 0 || r.IsNth }
