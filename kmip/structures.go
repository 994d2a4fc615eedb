package kmip

import "time"

// NameValue is a Name (§4.32): text and how it is written. KMIP 3.0 has the
// text only.
type NameValue struct {
	Value string
	Type  NameType
}

// Item returns the attribute value.
func (n NameValue) Item() Item {
	return Structure(TagName, Text(TagNameValue, n.Value), Enumeration(TagNameType, n.Type))
}

// NameOf reads a Name.
func NameOf(i Item) NameValue {
	v, _ := i.Field(TagNameValue)
	t, ok := i.Field(TagNameType)
	if !ok {
		return NameValue{v.Text(), NameTypeUninterpretedTextString}
	}
	return NameValue{v.Text(), NameType(t.Uint32())}
}

// LinkValue is a Link to another object (§4.31).
type LinkValue struct {
	Type   LinkType
	Target string // Unique Identifier
}

// Item returns the attribute value.
func (l LinkValue) Item() Item {
	return Structure(TagLink, Enumeration(TagLinkType, l.Type), Text(TagLinkedObjectIdentifier, l.Target))
}

// LinkOf reads a Link.
func LinkOf(i Item) LinkValue {
	t, _ := i.Field(TagLinkType)
	id, _ := i.Field(TagLinkedObjectIdentifier)
	return LinkValue{LinkType(t.Uint32()), id.Text()}
}

// DigestValue is a Digest (§4.21).
type DigestValue struct {
	Algorithm HashingAlgorithm
	Value     []byte
	Format    KeyFormatType // 0 when it does not apply
}

// Item returns the attribute value.
func (d DigestValue) Item() Item {
	i := Structure(TagDigest, Enumeration(TagHashingAlgorithm, d.Algorithm), ByteString(TagDigestValue, d.Value))
	if d.Format != 0 {
		i.Items = append(i.Items, Enumeration(TagKeyFormatType, d.Format))
	}
	return i
}

// UsageLimits bounds how much a key may protect (§4.59).
type UsageLimits struct {
	Total int64
	Count int64
	Unit  UsageLimitsUnit
}

// Item returns the attribute value.
func (u UsageLimits) Item() Item {
	return Structure(TagUsageLimits, LongInteger(TagUsageLimitsTotal, u.Total), LongInteger(TagUsageLimitsCount, u.Count), Enumeration(TagUsageLimitsUnit, u.Unit))
}

// UsageLimitsOf reads Usage Limits; a Count that is not there is the Total.
func UsageLimitsOf(i Item) UsageLimits {
	total, _ := i.Field(TagUsageLimitsTotal)
	count, ok := i.Field(TagUsageLimitsCount)
	unit, _ := i.Field(TagUsageLimitsUnit)
	u := UsageLimits{Total: total.Int, Count: count.Int, Unit: UsageLimitsUnit(unit.Uint32())}
	if !ok {
		u.Count = u.Total
	}
	return u
}

// RevocationReason says why an object was revoked (§4.47).
type RevocationReason struct {
	Code    RevocationReasonCode
	Message string
}

// Item returns the attribute value.
func (r RevocationReason) Item() Item {
	i := Structure(TagRevocationReason, Enumeration(TagRevocationReasonCode, r.Code))
	if r.Message != "" {
		i.Items = append(i.Items, Text(TagRevocationMessage, r.Message))
	}
	return i
}

// CryptographicParameters says how a key is used (§4.16). Fields that are zero,
// or nil, are not given.
type CryptographicParameters struct {
	BlockCipherMode               BlockCipherMode
	PaddingMethod                 PaddingMethod
	HashingAlgorithm              HashingAlgorithm
	KeyRoleType                   KeyRoleType
	DigitalSignatureAlgorithm     DigitalSignatureAlgorithm
	CryptographicAlgorithm        CryptographicAlgorithm
	RandomIV                      *bool
	IVLength                      *int32 // bits
	TagLength                     *int32 // bytes
	FixedFieldLength              *int32 // bits
	InvocationFieldLength         *int32 // bits
	CounterLength                 *int32 // bits
	InitialCounterValue           *int32
	SaltLength                    *int32 // bytes
	MaskGenerator                 MaskGenerator
	MaskGeneratorHashingAlgorithm HashingAlgorithm
	PSource                       []byte
	TrailerField                  *int32
}

// CryptographicParametersOf reads Cryptographic Parameters.
func CryptographicParametersOf(i Item) CryptographicParameters {
	var p CryptographicParameters
	for _, f := range i.Items {
		n := int32(f.Int) //nolint:gosec // 32 bits on the wire
		switch f.Tag {
		case TagBlockCipherMode:
			p.BlockCipherMode = BlockCipherMode(f.Uint32())
		case TagPaddingMethod:
			p.PaddingMethod = PaddingMethod(f.Uint32())
		case TagHashingAlgorithm:
			p.HashingAlgorithm = HashingAlgorithm(f.Uint32())
		case TagKeyRoleType:
			p.KeyRoleType = KeyRoleType(f.Uint32())
		case TagDigitalSignatureAlgorithm:
			p.DigitalSignatureAlgorithm = DigitalSignatureAlgorithm(f.Uint32())
		case TagCryptographicAlgorithm:
			p.CryptographicAlgorithm = CryptographicAlgorithm(f.Uint32())
		case TagRandomIV:
			v := f.Bool()
			p.RandomIV = &v
		case TagIVLength:
			p.IVLength = &n
		case TagTagLength:
			p.TagLength = &n
		case TagFixedFieldLength:
			p.FixedFieldLength = &n
		case TagInvocationFieldLength:
			p.InvocationFieldLength = &n
		case TagCounterLength:
			p.CounterLength = &n
		case TagInitialCounterValue:
			p.InitialCounterValue = &n
		case TagSaltLength:
			p.SaltLength = &n
		case TagMaskGenerator:
			p.MaskGenerator = MaskGenerator(f.Uint32())
		case TagMaskGeneratorHashingAlgorithm:
			p.MaskGeneratorHashingAlgorithm = HashingAlgorithm(f.Uint32())
		case TagPSource:
			p.PSource = f.Bytes
		case TagTrailerField:
			p.TrailerField = &n
		}
	}
	return p
}

// Dates are the dates that the lifecycle depends on; zero when not set.
type Dates struct {
	Activation, ProcessStart, ProtectStop, Deactivation time.Time
}

// Dates returns the dates of the lifecycle.
func (a Attributes) Dates() Dates {
	return Dates{
		Activation:   a.Time(TagActivationDate),
		ProcessStart: a.Time(TagProcessStartDate),
		ProtectStop:  a.Time(TagProtectStopDate),
		Deactivation: a.Time(TagDeactivationDate),
	}
}
