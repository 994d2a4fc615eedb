package wire

import (
	"strconv"
	"strings"

	"github.com/claviger/claviger/kmip"
)

// Names of tags, types and values in XML and JSON are the normalised ones of
// Additional Message Encodings 1.0 §4.1.3, or numbers in hexadecimal.

// aliases are normalised names of values that a version of the specification
// spells differently, or writes with an addition in brackets, by enumeration.
// They are read and never written.
var aliases = map[string]map[string]uint32{
	"Digital Signature Algorithm": {
		"md2withrsaencryptionpkcs_1v1_5":     uint32(kmip.DigitalSignatureAlgorithmMD2WithRSAEncryption),
		"md5withrsaencryptionpkcs_1v1_5":     uint32(kmip.DigitalSignatureAlgorithmMD5WithRSAEncryption),
		"sha_1withrsaencryptionpkcs_1v1_5":   uint32(kmip.DigitalSignatureAlgorithmSHA1WithRSAEncryption),
		"sha_224withrsaencryptionpkcs_1v1_5": uint32(kmip.DigitalSignatureAlgorithmSHA224WithRSAEncryption),
		"sha_256withrsaencryptionpkcs_1v1_5": uint32(kmip.DigitalSignatureAlgorithmSHA256WithRSAEncryption),
		"sha_384withrsaencryptionpkcs_1v1_5": uint32(kmip.DigitalSignatureAlgorithmSHA384WithRSAEncryption),
		"sha_512withrsaencryptionpkcs_1v1_5": uint32(kmip.DigitalSignatureAlgorithmSHA512WithRSAEncryption),
		"rsassa_psspkcs_1v2_1":               uint32(kmip.DigitalSignatureAlgorithmRSASSAPSS),
	},
	"Hashing Algorithm": {
		"sha_3_224": uint32(kmip.HashingAlgorithmSHA3224),
		"sha_3_256": uint32(kmip.HashingAlgorithmSHA3256),
		"sha_3_384": uint32(kmip.HashingAlgorithmSHA3384),
		"sha_3_512": uint32(kmip.HashingAlgorithmSHA3512),
	},
	"Mask Generator": {"mfg1": uint32(kmip.MaskGeneratorMGF1)}, // misprinted in 2.x
	"Result Reason":  {"notauthorized": uint32(kmip.ResultReasonNotAuthorised)},
	"Split Key Method": {
		"polynomialsharinggf2_16": uint32(kmip.SplitKeyMethodPolynomialSharingGF216),
		"polynomialsharinggf2_8":  uint32(kmip.SplitKeyMethodPolynomialSharingGF28),
	},
	"Cryptographic Usage Mask": {"contentcommitment": uint32(kmip.CryptographicUsageMaskContentCommitmentNonRepudiation)},
}

// maxName bounds a name before it is looked up.
const maxName = 64

// tagOf reads the name or the number of a tag (§4.1.2).
func tagOf(b []byte) (kmip.Tag, bool) {
	if len(b) > maxName {
		return 0, false
	}
	if tag, ok := kmip.TagByName(string(b)); ok {
		return tag, true
	}
	if len(b) != 8 || b[0] != '0' || b[1] != 'x' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(b[2:]), 16, 24)
	return kmip.Tag(n), err == nil && (n>>16 == 0x42 || n>>16 == 0x54)
}

// typeOf reads the name or the number of an item type (§4.1.4).
func typeOf(b []byte) (kmip.ItemType, bool) {
	for t := kmip.TypeStructure; t <= kmip.TypeNameReference; t++ {
		if string(b) == t.String() {
			return t, true
		}
	}
	if len(b) != 4 || b[0] != '0' || b[1] != 'x' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(b[2:]), 16, 8)
	t := kmip.ItemType(n)
	return t, err == nil && t >= kmip.TypeStructure && t <= kmip.TypeNameReference
}

// enumName returns the name of a value of the enumeration that belongs to a
// tag, or its number. An Attribute Reference is itself a tag.
func enumName(tag kmip.Tag, value uint32) string {
	if tag == kmip.TagAttributeReference && kmip.Tag(value).Known() {
		return kmip.Tag(value).String()
	}
	return kmip.EnumName(tag, value)
}

// enumOf reads a name of a value of the enumeration that belongs to a tag.
func enumOf(tag kmip.Tag, b []byte) (uint32, bool) {
	if len(b) > maxName {
		return 0, false
	}
	if tag == kmip.TagAttributeReference {
		t, ok := tagOf(b)
		return uint32(t), ok
	}
	if v, ok := kmip.EnumByName(tag, string(b)); ok {
		return v, true
	}
	v, ok := aliases[kmip.EnumOf(tag)][strings.ToLower(string(b))]
	return v, ok
}

// bitOf reads a name of a bit of the mask that belongs to a tag.
func bitOf(tag kmip.Tag, b []byte) (uint32, bool) {
	if len(b) > maxName {
		return 0, false
	}
	if v, ok := kmip.MaskByName(tag, string(b)); ok {
		return v, true
	}
	v, ok := aliases[kmip.EnumOf(tag)][strings.ToLower(string(b))]
	return v, ok
}

// naming follows the fields of a structure to know by which enumeration or
// mask the next value is named: that of its tag, or for the Attribute Value of
// 1.x that of the attribute whose Attribute Name stands before it.
type naming struct{ attribute kmip.Tag }

// tag returns the tag that names the values of a field.
func (n *naming) tag(field kmip.Tag) kmip.Tag {
	if field == kmip.TagAttributeValue {
		return n.attribute
	}
	return field
}

// passed takes notice of a field that was read or written.
func (n *naming) passed(field *kmip.Item) {
	if field.Tag == kmip.TagAttributeName && len(field.Bytes) <= maxName {
		n.attribute, _ = kmip.TagByName(string(field.Bytes))
	}
}
