// Package dialect translates between the tree of a message and the canonical
// request or response, for KMIP 1.0 to 3.0. It is the only place that knows
// versions: what exists since when and until when stands in tables generated
// from the registry of the specification (registry_generated.go,
// payloads_generated.go) and in the few tables of this package; what 1.x
// writes as Template-Attribute and Attribute, 2.x as Attributes, and 3.0 with
// identifiers and references of their own type, is folded into one form.
//
// Decoding refuses what the version does not have; encoding leaves it out, so
// that nothing newer reaches an older client.
package dialect

import "github.com/claviger/claviger/kmip"

// span is the range of versions in which something exists, both included.
type span struct{ since, until kmip.Version }

func (s span) has(v kmip.Version) bool { return v >= s.since && v <= s.until }

type payloadField struct {
	tag kmip.Tag // 0: any managed object
	span
	required, repeated uint8 // bit sets over versionBits
}

type payloadTable struct{ request, response []payloadField }

// versionBit is the bit of a version in the sets of payloadField.
func versionBit(v kmip.Version) uint8 {
	for i := range kmip.Versions {
		if kmip.Versions[i] == v {
			return 1 << (len(kmip.Versions) - 1 - i)
		}
	}
	return 0
}

// codec translates for one version.
type codec struct {
	v kmip.Version
}

// old reports whether the version belongs to the family of 1.x.
func (c codec) old() bool { return c.v < kmip.V20 }

// fieldSpans are fields that a structure got later, or lost earlier, than
// their tag: the tag exists for another use.
var fieldSpans = map[[2]kmip.Tag]span{
	{kmip.TagDigest, kmip.TagKeyFormatType}:                              {kmip.V11, kmip.V30},
	{kmip.TagCryptographicParameters, kmip.TagDigitalSignatureAlgorithm}: {kmip.V12, kmip.V30},
	{kmip.TagCryptographicParameters, kmip.TagCryptographicAlgorithm}:    {kmip.V12, kmip.V30},
	{kmip.TagCryptographicParameters, kmip.TagInitialCounterValue}:       {kmip.V14, kmip.V30},
	{kmip.TagServerInformation, kmip.TagServerName}:                      {kmip.V20, kmip.V30},
	{kmip.TagServerInformation, kmip.TagServerVersion}:                   {kmip.V20, kmip.V30},
	{kmip.TagRandomNumberGenerator, kmip.TagCryptographicAlgorithm}:      {kmip.V13, kmip.V30},
	{kmip.TagCapabilityInformation, kmip.TagBatchUndoCapability}:         {kmip.V14, kmip.V30},
	{kmip.TagCapabilityInformation, kmip.TagBatchContinueCapability}:     {kmip.V14, kmip.V30},
	{kmip.TagResponseHeader, kmip.TagNonce}:                              {kmip.V12, kmip.V30},
	{kmip.TagResponseHeader, kmip.TagAttestationType}:                    {kmip.V12, kmip.V30},
	{kmip.TagProtectionStorageMasks, kmip.TagProtectionStorageMask}:      {kmip.V20, kmip.V30},
	{kmip.TagKeyWrappingData, kmip.TagEncodingOption}:                    {kmip.V11, kmip.V30},
	{kmip.TagKeyWrappingSpecification, kmip.TagEncodingOption}:           {kmip.V11, kmip.V30},
}

// fieldExists reports whether a structure may hold a field.
func (c codec) fieldExists(parent, tag kmip.Tag) bool {
	if s, ok := fieldSpans[[2]kmip.Tag{parent, tag}]; ok {
		return s.has(c.v)
	}
	if s, ok := tagSpans[tag]; ok {
		return s.has(c.v)
	}
	return tag >= 0x540000 // extensions belong to vendors
}

// valueExists reports whether an enumeration value exists for a tag.
// Extensions (8XXXXXXX) always do; so do values of tags without a table.
func (c codec) valueExists(tag kmip.Tag, value uint32) bool {
	if value >= 0x80000000 || tag == kmip.TagPKCS11ReturnCode { // CK_RV has more values than the table
		return true
	}
	values, ok := valueSpans[kmip.EnumOf(tag)]
	if !ok {
		return true
	}
	s, ok := values[value]
	return ok && s.has(c.v)
}

// maskOf keeps the bits of a mask that the version has; vendor bits stay.
func (c codec) maskOf(tag kmip.Tag, value uint32) uint32 {
	bits, ok := bitSpans[kmip.EnumOf(tag)]
	if !ok {
		return value
	}
	for bit, s := range bits {
		if value&bit != 0 && !s.has(c.v) {
			value &^= bit
		}
	}
	return value
}

// check refuses an item, or a field inside it, that the version does not have.
func (c codec) check(parent kmip.Tag, i kmip.Item) error {
	if !c.fieldExists(parent, i.Tag) {
		return kmip.Fail(kmip.KindUnknownTag, "%s has no %s in KMIP %s", parent.Title(), i.Tag.Title(), c.v)
	}
	if err := checkType(i); err != nil {
		return err
	}
	return c.checkValue(i)
}

func (c codec) checkValue(i kmip.Item) error {
	switch i.Type {
	case kmip.TypeEnumeration:
		if !c.valueExists(i.Tag, i.Uint32()) {
			return kmip.Fail(kmip.KindUnknownEnumeration, "%s has no value 0x%08X in KMIP %s", i.Tag.Title(), i.Uint32(), c.v)
		}
	case kmip.TypeStructure:
		for _, f := range i.Items {
			if f.Tag == kmip.TagLinkedObjectIdentifier && c.old() && !f.Type.IsText() {
				return kmip.Fail(kmip.KindInvalidField, "%s cannot be of type %s in KMIP %s", f.Tag.Title(), f.Type, c.v)
			}
			if err := c.check(i.Tag, f); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkType refuses a value whose type the tables do not give to its tag.
func checkType(i kmip.Item) error {
	types, ok := tagTypes[i.Tag]
	if !ok {
		return nil
	}
	for _, t := range types {
		if t == i.Type || t == kmip.TypeTextString && i.Type.IsText() || t == kmip.TypeDateTime && i.Type == kmip.TypeDateTimeExtended {
			return nil
		}
	}
	switch {
	case kmip.EnumOf(i.Tag) == "Unique Identifier":
		return nil // from 2.0 also an enumeration or an index
	case i.Tag == kmip.TagAttributeReference && i.Type == kmip.TypeEnumeration:
		return nil // a tag, or a structure for vendor attributes (§5.5)
	}
	return kmip.Fail(kmip.KindInvalidField, "%s cannot be of type %s", i.Tag.Title(), i.Type)
}

// legal returns an item as the version can say it: fields and bits that it
// does not have left out. It returns false when the whole item cannot be said.
func (c codec) legal(parent kmip.Tag, i kmip.Item) (kmip.Item, bool) {
	if !c.fieldExists(parent, i.Tag) {
		return i, false
	}
	return c.legalValue(i)
}

func (c codec) legalValue(i kmip.Item) (kmip.Item, bool) {
	switch i.Type {
	case kmip.TypeEnumeration:
		return i, c.valueExists(i.Tag, i.Uint32())
	case kmip.TypeInteger:
		if bits := i.Uint32(); bits != 0 {
			if kept := c.maskOf(i.Tag, bits); kept != bits {
				i.Int = int64(int32(kept)) //nolint:gosec // a mask: the bits count
			}
		}
	case kmip.TypeStructure:
		for n := range i.Items {
			if f, ok := c.legal(i.Tag, i.Items[n]); !ok || !sameItem(f, i.Items[n]) {
				return c.legalStructure(i)
			}
		}
	case kmip.TypeTextString:
		if c.v >= kmip.V30 && identifierTags[i.Tag] {
			i.Type = kmip.TypeIdentifier
		}
	default:
		i = c.plain(i)
	}
	return i, true
}

// plain writes a value of an item type that the version does not have as the
// nearest that it has: microseconds become seconds, identifiers text.
func (c codec) plain(i kmip.Item) kmip.Item {
	switch i.Type {
	case kmip.TypeDateTimeExtended:
		if c.old() {
			i.Type, i.Int = kmip.TypeDateTime, i.Time().Unix()
		}
	case kmip.TypeIdentifier, kmip.TypeReference, kmip.TypeNameReference:
		if c.v < kmip.V30 {
			i.Type = kmip.TypeTextString
		}
	case kmip.TypeStructure:
		items := make([]kmip.Item, len(i.Items))
		for n, f := range i.Items {
			items[n] = c.plain(f)
		}
		i.Items = items
	}
	return i
}

// sameItem is a cheap test that legal changed nothing.
func sameItem(a, b kmip.Item) bool {
	return a.Type == b.Type && a.Int == b.Int && len(a.Items) == len(b.Items) && (len(a.Items) == 0 || &a.Items[0] == &b.Items[0])
}

func (c codec) legalStructure(i kmip.Item) (kmip.Item, bool) {
	kept := make([]kmip.Item, 0, len(i.Items))
	for _, f := range i.Items {
		if f, ok := c.legal(i.Tag, f); ok {
			kept = append(kept, f)
		} else if f.Type == kmip.TypeEnumeration && c.fieldExists(i.Tag, f.Tag) {
			return i, false // a value that cannot be said makes the structure another one
		}
	}
	i.Items = kept
	return i, true
}
