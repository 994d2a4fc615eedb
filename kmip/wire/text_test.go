package wire

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/claviger/claviger/kmip"
)

// same compares items by type too, which kmip.Item.Equal does not for texts.
func same(a, b kmip.Item) bool {
	return bytes.Equal(Append(nil, a), Append(nil, b))
}

func parsed(t interface{ Fatalf(string, ...any) }, e Encoding, b []byte) kmip.Item {
	item, err := e.Parse(bytes.Clone(b), DefaultLimits())
	if err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	return item
}

// textValues are how values look in XML and JSON, the one that is written
// first (Additional Message Encodings 1.0 §6.1.6, §4.1.6).
var textValues = []struct {
	name string
	item kmip.Item
	xml  []string
	json []string
}{
	{
		"Integer", kmip.Integer(kmip.TagBatchCount, 10),
		[]string{`<BatchCount type="Integer" value="10"/>`, `<BatchCount type='Integer' value='0x0000000A'></BatchCount>`, `<TTLV tag="0x42000D" name="BatchCount" type="Integer" value=" 10 "/>`, `<TTLV tag="BatchCount" type="0x02" value="+10"/>`, `<x42000D type="Integer" value="10"/>`},
		[]string{`{"tag":"BatchCount","type":"Integer","value":10}`, `{"value" : "0x0000000a", "name":"Batch Count", "type":"Integer", "tag":"0x42000D"}`, `{"tag":"Batch Count","type":"Integer","value":"10"}`},
	},
	{
		"negative Integer", kmip.Integer(kmip.TagBatchCount, -1),
		[]string{`<BatchCount type="Integer" value="-1"/>`, `<BatchCount type="Integer" value="0xffffffff"/>`},
		[]string{`{"tag":"BatchCount","type":"Integer","value":-1}`, `{"tag":"BatchCount","type":"Integer","value":"0xffffffff"}`},
	},
	{
		"mask", kmip.Mask(kmip.TagCryptographicUsageMask, kmip.CryptographicUsageMaskEncrypt|kmip.CryptographicUsageMaskDecrypt|kmip.CryptographicUsageMaskCertificateSign),
		[]string{`<CryptographicUsageMask type="Integer" value="Encrypt Decrypt CertificateSign"/>`, `<CryptographicUsageMask type="Integer" value="0x0000100c"/>`, `<CryptographicUsageMask type="Integer" value="CertificateSign 0x00000004&#10;  0x0000008"/>`, `<CryptographicUsageMask type="Integer" value="4108"/>`},
		[]string{`{"tag":"CryptographicUsageMask","type":"Integer","value":"Encrypt|Decrypt|CertificateSign"}`, `{"tag":"CryptographicUsageMask","type":"Integer","value":"CertificateSign|0x0000000c"}`, `{"tag":"CryptographicUsageMask","type":"Integer","value":4108}`},
	},
	{
		"mask in another spelling", kmip.Mask(kmip.TagCryptographicUsageMask, kmip.CryptographicUsageMaskContentCommitmentNonRepudiation),
		[]string{`<CryptographicUsageMask type="Integer" value="ContentCommitmentNonRepudiation"/>`, `<CryptographicUsageMask type="Integer" value="ContentCommitment"/>`},
		[]string{`{"tag":"CryptographicUsageMask","type":"Integer","value":"ContentCommitmentNonRepudiation"}`},
	},
	{
		"mask with a bit that has no name",
		kmip.Item{Tag: kmip.TagCryptographicUsageMask, Type: kmip.TypeInteger, Int: -0x80000000 + 4},
		[]string{`<CryptographicUsageMask type="Integer" value="0x80000004"/>`, `<CryptographicUsageMask type="Integer" value="Encrypt 0x80000000"/>`},
		[]string{`{"tag":"CryptographicUsageMask","type":"Integer","value":"0x80000004"}`},
	},
	{
		"mask without bits", kmip.Integer(kmip.TagStorageStatusMask, 0),
		[]string{`<StorageStatusMask type="Integer" value="0"/>`},
		[]string{`{"tag":"StorageStatusMask","type":"Integer","value":0}`},
	},
	{
		"Long Integer", kmip.LongInteger(kmip.TagUsageLimitsCount, 1<<60),
		[]string{`<UsageLimitsCount type="LongInteger" value="1152921504606846976"/>`, `<UsageLimitsCount type="LongInteger" value="0x1000000000000000"/>`},
		[]string{`{"tag":"UsageLimitsCount","type":"LongInteger","value":"0x1000000000000000"}`, `{"tag":"UsageLimitsCount","type":"LongInteger","value":1152921504606846976}`},
	},
	{
		"negative Long Integer of a vendor", kmip.LongInteger(0x540001, -2),
		[]string{`<TTLV tag="0x540001" type="LongInteger" value="-2"/>`, `<x540001 type="LongInteger" value="0xfffffffffffffffe"/>`},
		[]string{`{"tag":"0x540001","type":"LongInteger","value":-2}`, `{"tag":"0x540001","type":"LongInteger","value":"0xfffffffffffffffe"}`},
	},
	{
		"largest Long Integer that is a Number", kmip.LongInteger(kmip.TagUsageLimitsCount, 1<<52-1),
		[]string{`<UsageLimitsCount type="LongInteger" value="4503599627370495"/>`},
		[]string{`{"tag":"UsageLimitsCount","type":"LongInteger","value":4503599627370495}`},
	},
	{
		"smallest Long Integer that is none", kmip.LongInteger(kmip.TagUsageLimitsCount, 1<<52),
		[]string{`<UsageLimitsCount type="LongInteger" value="4503599627370496"/>`},
		[]string{`{"tag":"UsageLimitsCount","type":"LongInteger","value":"0x0010000000000000"}`},
	},
	{
		"Big Integer",
		kmip.Item{Tag: kmip.TagModulus, Type: kmip.TypeBigInteger, Bytes: []byte{0, 0, 0, 0, 0, 1, 0, 255}},
		[]string{`<Modulus type="BigInteger" value="00000000000100ff"/>`, `<Modulus type="BigInteger" value="0x00000000000100FF"/>`},
		[]string{`{"tag":"Modulus","type":"BigInteger","value":"0x00000000000100ff"}`, `{"tag":"Modulus","type":"BigInteger","value":65791}`},
	},
	{
		"negative Big Integer",
		kmip.Item{Tag: kmip.TagModulus, Type: kmip.TypeBigInteger, Bytes: []byte{0xfe}},
		[]string{`<Modulus type="BigInteger" value="fffffffffffffffe"/>`},
		[]string{`{"tag":"Modulus","type":"BigInteger","value":"0xfffffffffffffffe"}`, `{"tag":"Modulus","type":"BigInteger","value":-2}`},
	},
	{
		"Enumeration", kmip.Enumeration(kmip.TagObjectType, kmip.ObjectTypeSymmetricKey),
		[]string{`<ObjectType type="Enumeration" value="SymmetricKey"/>`, `<ObjectType type="Enumeration" value="0x00000002"/>`, `<ObjectType type="Enumeration" value="Symmetric Key"/>`},
		[]string{`{"tag":"ObjectType","type":"Enumeration","value":"SymmetricKey"}`, `{"tag":"0x420057","type":"Enumeration","value":2}`, `{"tag":"ObjectType","type":"Enumeration","value":"0x00000002"}`},
	},
	{
		"Enumeration in another spelling", kmip.Enumeration(kmip.TagResultReason, kmip.ResultReasonNotAuthorised),
		[]string{`<ResultReason type="Enumeration" value="NotAuthorised"/>`, `<ResultReason type="Enumeration" value="NotAuthorized"/>`},
		[]string{`{"tag":"ResultReason","type":"Enumeration","value":"NotAuthorised"}`, `{"tag":"ResultReason","type":"Enumeration","value":"NotAuthorized"}`},
	},
	{
		"Enumeration of an extension", kmip.Enumeration(kmip.TagObjectType, uint32(0x80000001)),
		[]string{`<ObjectType type="Enumeration" value="0x80000001"/>`},
		[]string{`{"tag":"ObjectType","type":"Enumeration","value":"0x80000001"}`, `{"tag":"ObjectType","type":"Enumeration","value":2147483649}`},
	},
	{
		"Attribute Reference is a tag", kmip.Enumeration(kmip.TagAttributeReference, uint32(kmip.TagState)),
		[]string{`<AttributeReference type="Enumeration" value="State"/>`, `<AttributeReference type="Enumeration" value="0x0042008D"/>`, `<AttributeReference type="Enumeration" value="0x42008d"/>`},
		[]string{`{"tag":"AttributeReference","type":"Enumeration","value":"State"}`},
	},
	{
		"Attribute Reference to a tag of a vendor", kmip.Enumeration(kmip.TagAttributeReference, uint32(0x540001)),
		[]string{`<AttributeReference type="Enumeration" value="0x00540001"/>`},
		[]string{`{"tag":"AttributeReference","type":"Enumeration","value":"0x00540001"}`},
	},
	{
		"Boolean", kmip.Boolean(kmip.TagBatchOrderOption, true),
		[]string{`<BatchOrderOption type="Boolean" value="true"/>`, `<BatchOrderOption type="Boolean" value="1"/>`, `<BatchOrderOption type="Boolean" value="0x0000000000000001"/>`},
		[]string{`{"tag":"BatchOrderOption","type":"Boolean","value":true}`, `{"tag":"BatchOrderOption","type":"Boolean","value":"0x0000000000000001"}`},
	},
	{
		"Boolean false", kmip.Boolean(kmip.TagBatchOrderOption, false),
		[]string{`<BatchOrderOption type="Boolean" value="false"/>`, `<BatchOrderOption type="Boolean" value="0"/>`},
		[]string{`{"tag":"BatchOrderOption","type":"Boolean","value":false}`, `{"tag":"BatchOrderOption","type":"Boolean","value":"0x0000000000000000"}`},
	},
	{
		"Text String", kmip.Text(kmip.TagNameValue, "<\"ä\" & 'é'>\t\r\n\\ €😀"),
		[]string{"<NameValue type=\"TextString\" value=\"&lt;&quot;ä&quot; &amp; 'é'&gt;&#9;&#13;&#10;\\ €😀\"/>", "<NameValue type=\"TextString\" value='&lt;\"&#xE4;\" &amp; &apos;é&apos;&gt;&#9;&#13;&#10;\\ &#8364;&#x1F600;'/>"},
		[]string{`{"tag":"NameValue","type":"TextString","value":"<\"ä\" & 'é'>\u0009\u000d\n\\ €😀"}`, `{"tag":"NameValue","type":"TextString","value":"\u003c\"\u00E4\" & 'é'>\t\r\n\\ \u20ac\ud83d\ude00"}`},
	},
	{
		"Text String without text", kmip.Text(kmip.TagNameValue, ""),
		[]string{`<NameValue type="TextString" value=""/>`, `<NameValue type="TextString"/>`},
		[]string{`{"tag":"NameValue","type":"TextString","value":""}`, `{"tag":"NameValue","type":"TextString"}`, `{"tag":"NameValue","type":"TextString","value":null}`},
	},
	{
		"Byte String", kmip.ByteString(kmip.TagMACData, []byte{0xc5, 0x0f, 0x77}),
		[]string{`<MACData type="ByteString" value="c50f77"/>`, `<MACData type="ByteString" value="C50F77"/>`},
		[]string{`{"tag":"MACData","type":"ByteString","value":"c50f77"}`},
	},
	{
		"Byte String without bytes", kmip.ByteString(kmip.TagMACData, nil),
		[]string{`<MACData type="ByteString" value=""/>`, `<MACData type="ByteString"/>`},
		[]string{`{"tag":"MACData","type":"ByteString","value":""}`, `{"tag":"MACData","type":"ByteString"}`},
	},
	{
		"Date-Time", kmip.DateTime(kmip.TagArchiveDate, time.Unix(0x3a4fcf40, 0)),
		[]string{`<ArchiveDate type="DateTime" value="2001-01-01T00:28:48Z"/>`, `<ArchiveDate type="DateTime" value="2001-01-01T10:28:48+10:00"/>`, `<ArchiveDate type="DateTime" value="2001-01-01T00:28:48.999+00:00"/>`, `<ArchiveDate type="DateTime" value="2000-12-31T20:58:48-03:30"/>`, `<ArchiveDate type="DateTime" value="2001-01-01T00:28:48"/>`, `<ArchiveDate type="DateTime" value="0x000000003a4fcf40"/>`},
		[]string{`{"tag":"ArchiveDate","type":"DateTime","value":"2001-01-01T00:28:48Z"}`, `{"tag":"ArchiveDate","type":"DateTime","value":"0x000000003a4fcf40"}`},
	},
	{
		"Date-Time before 1970", kmip.DateTime(kmip.TagArchiveDate, time.Unix(-1, 0)),
		[]string{`<ArchiveDate type="DateTime" value="1969-12-31T23:59:59Z"/>`, `<ArchiveDate type="DateTime" value="0xffffffffffffffff"/>`},
		[]string{`{"tag":"ArchiveDate","type":"DateTime","value":"1969-12-31T23:59:59Z"}`},
	},
	{
		"Date-Time beyond the calendar",
		kmip.Item{Tag: kmip.TagArchiveDate, Type: kmip.TypeDateTime, Int: 1 << 62},
		[]string{`<ArchiveDate type="DateTime" value="0x4000000000000000"/>`},
		[]string{`{"tag":"ArchiveDate","type":"DateTime","value":"0x4000000000000000"}`},
	},
	{
		"Date-Time Extended",
		kmip.Item{Tag: kmip.TagArchiveDate, Type: kmip.TypeDateTimeExtended, Int: 978308928000001},
		[]string{`<ArchiveDate type="DateTimeExtended" value="2001-01-01T00:28:48.000001Z"/>`, `<ArchiveDate type="DateTimeExtended" value="978308928000001"/>`, `<ArchiveDate type="DateTimeExtended" value="2001-01-01T10:28:48.0000019+10:00"/>`, `<ArchiveDate type="DateTimeExtended" value="0x000379C44C225001"/>`},
		[]string{`{"tag":"ArchiveDate","type":"DateTimeExtended","value":"2001-01-01T00:28:48.000001Z"}`, `{"tag":"ArchiveDate","type":"DateTimeExtended","value":978308928000001}`},
	},
	{
		"Interval",
		kmip.Item{Tag: kmip.TagOffset, Type: kmip.TypeInterval, Int: 0xffffffff},
		[]string{`<Offset type="Interval" value="4294967295"/>`, `<Offset type="Interval" value="0xffffffff"/>`},
		[]string{`{"tag":"Offset","type":"Interval","value":4294967295}`, `{"tag":"Offset","type":"Interval","value":"0xffffffff"}`},
	},
	{
		"Identifier",
		kmip.Item{Tag: kmip.TagUniqueIdentifier, Type: kmip.TypeIdentifier, Bytes: []byte("a")},
		[]string{`<UniqueIdentifier type="Identifier" value="a"/>`},
		[]string{`{"tag":"UniqueIdentifier","type":"Identifier","value":"a"}`},
	},
	{
		"Reference",
		kmip.Item{Tag: kmip.TagPublicKeyLink, Type: kmip.TypeReference, Bytes: []byte("a")},
		[]string{`<PublicKeyLink type="Reference" value="a"/>`},
		[]string{`{"tag":"PublicKeyLink","type":"Reference","value":"a"}`},
	},
	{
		"Name Reference",
		kmip.Item{Tag: kmip.TagGroupLink, Type: kmip.TypeNameReference, Bytes: []byte("a")},
		[]string{`<GroupLink type="NameReference" value="a"/>`},
		[]string{`{"tag":"GroupLink","type":"NameReference","value":"a"}`},
	},
	{
		"Structure", kmip.Structure(kmip.TagProtocolVersion, kmip.Integer(kmip.TagProtocolVersionMajor, 1), kmip.Integer(kmip.TagProtocolVersionMinor, 0)),
		[]string{
			`<ProtocolVersion><ProtocolVersionMajor type="Integer" value="1"/><ProtocolVersionMinor type="Integer" value="0"/></ProtocolVersion>`,
			"\uFEFF<?xml version=\"1.0\" encoding='utf-8' ?>\r\n<!-- a > comment -->\n<ProtocolVersion type=\"Structure\" xmlns=\"urn:oasis:tc:kmip:xmlns\">\n <ProtocolVersionMajor type=\"Integer\" value=\"1\"> <!-- none --> </ProtocolVersionMajor >\t<ProtocolVersionMinor type=\"Integer\" value=\"0\"/>\n</ProtocolVersion>\n",
			`<k:ProtocolVersion xmlns:k="urn:oasis:tc:kmip:xmlns" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a b"><k:ProtocolVersionMajor type="Integer" value="1"/><k:ProtocolVersionMinor type="Integer" value="0"/></k:ProtocolVersion>`,
		},
		[]string{
			`{"tag":"ProtocolVersion","value":[{"tag":"ProtocolVersionMajor","type":"Integer","value":1},{"tag":"ProtocolVersionMinor","type":"Integer","value":0}]}`,
			" {\t\"value\" : [ {\"tag\":\"ProtocolVersionMajor\",\"type\":\"Integer\",\"value\":1} , {\"tag\":\"ProtocolVersionMinor\",\"type\":\"Integer\",\"value\":0} ] ,\"type\":\"Structure\", \"tag\":\"ProtocolVersion\" }\r\n",
		},
	},
	{
		"empty Structure", kmip.Structure(kmip.TagPrivateKeyTemplateAttribute),
		[]string{`<PrivateKeyTemplateAttribute/>`, `<PrivateKeyTemplateAttribute type="Structure"></PrivateKeyTemplateAttribute>`},
		[]string{`{"tag":"PrivateKeyTemplateAttribute","value":[]}`, `{"tag":"PrivateKeyTemplateAttribute","value":null}`, `{"tag":"PrivateKeyTemplateAttribute"}`},
	},
	{
		"Attribute Value is named by the Attribute Name", kmip.Structure(kmip.TagTemplateAttribute,
			kmip.Structure(kmip.TagAttribute, kmip.Text(kmip.TagAttributeName, "Cryptographic Usage Mask"), kmip.Integer(kmip.TagAttributeValue, 12)),
			kmip.Structure(kmip.TagAttribute, kmip.Text(kmip.TagAttributeName, "Cryptographic Algorithm"), kmip.Enumeration(kmip.TagAttributeValue, kmip.CryptographicAlgorithmAES)),
			kmip.Structure(kmip.TagAttribute, kmip.Text(kmip.TagAttributeName, "x-Count"), kmip.Integer(kmip.TagAttributeValue, 12))),
		[]string{`<TemplateAttribute>` +
			`<Attribute><AttributeName type="TextString" value="Cryptographic Usage Mask"/><AttributeValue type="Integer" value="Encrypt Decrypt"/></Attribute>` +
			`<Attribute><AttributeName type="TextString" value="Cryptographic Algorithm"/><AttributeValue type="Enumeration" value="AES"/></Attribute>` +
			`<Attribute><AttributeName type="TextString" value="x-Count"/><AttributeValue type="Integer" value="12"/></Attribute>` +
			`</TemplateAttribute>`},
		[]string{`{"tag":"TemplateAttribute","value":[` +
			`{"tag":"Attribute","value":[{"tag":"AttributeName","type":"TextString","value":"Cryptographic Usage Mask"},{"tag":"AttributeValue","type":"Integer","value":"Encrypt|Decrypt"}]},` +
			`{"tag":"Attribute","value":[{"tag":"AttributeName","type":"TextString","value":"Cryptographic Algorithm"},{"tag":"AttributeValue","type":"Enumeration","value":"AES"}]},` +
			`{"tag":"Attribute","value":[{"tag":"AttributeName","type":"TextString","value":"x-Count"},{"tag":"AttributeValue","type":"Integer","value":12}]}` +
			`]}`},
	},
}

func TestTextValues(t *testing.T) {
	for _, c := range textValues {
		for e, forms := range map[Encoding][]string{XML: c.xml, JSON: c.json} {
			t.Run(c.name+" in "+e.String(), func(t *testing.T) {
				if got := e.Append(nil, c.item); string(got) != forms[0] {
					t.Errorf("Append = %s\nwant     %s", got, forms[0])
				}
				if got := e.Size(c.item); got != len(forms[0]) {
					t.Errorf("Size = %d, want %d", got, len(forms[0]))
				}
				for _, form := range forms {
					if got := parsed(t, e, []byte(form)); !same(got, c.item) {
						t.Errorf("Parse(%s) =\n%s", form, Dump(got))
					}
				}
			})
		}
	}
}

// expressible draws trees that XML can say: rapid's strings have control
// characters.
func expressible(item kmip.Item) kmip.Item {
	if item.Type.IsText() {
		item.Bytes = []byte(strings.Map(func(r rune) rune {
			if !isXMLChar(r) {
				return '.'
			}
			return r
		}, string(item.Bytes)))
	}
	for i := range item.Items {
		item.Items[i] = expressible(item.Items[i])
	}
	return item
}

// Whatever tree there is, its text says the same.
func TestTextRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		item := expressible(items(kmip.TypeNameReference, 4).Draw(t, "item"))
		for _, e := range []Encoding{XML, JSON} {
			b := e.Append(nil, item)
			if n := e.Size(item); n != len(b) {
				t.Fatalf("Size in %s = %d, want %d", e, n, len(b))
			}
			if got := parsed(t, e, b); !same(got, item) {
				t.Fatalf("%s: %s\n%s", e, b, cmp.Diff(item, got))
			}
		}
	})
}

// Every name that is written is read as the value that it was written for.
func TestNamesOfValues(t *testing.T) {
	for tag := kmip.Tag(0x420000); tag < 0x420200; tag++ {
		if got, ok := tagOf([]byte(tag.String())); !ok || got != tag {
			t.Errorf("tag %s is read as %s", tag, got)
		}
		for _, v := range kmip.EnumValues(tag) {
			if got, ok := enumOf(tag, []byte(enumName(tag, v))); !ok || got != v {
				t.Errorf("%s of %s is read as %#x, want %#x", enumName(tag, v), tag, got, v)
			}
		}
		for bit := uint32(1); isMask(tag) && bit != 0; bit <<= 1 {
			item := kmip.Mask(tag, bit)
			for _, e := range []Encoding{XML, JSON} {
				if got := parsed(t, e, e.Append(nil, item)); !same(got, item) {
					t.Errorf("bit %#x of %s is read as %#x", bit, tag, got.Uint32())
				}
			}
		}
	}
}

func TestXMLHasNoControlCharacters(t *testing.T) {
	b := AppendXML(nil, kmip.Text(kmip.TagNameValue, "a\x01\uFFFEb"))
	if got := parsed(t, XML, b).Text(); got != "a\uFFFD\uFFFDb" {
		t.Errorf("text = %q", got)
	}
	item := kmip.Text(kmip.TagNameValue, "a\x00\uFFFEb")
	if got := parsed(t, JSON, AppendJSON(nil, item)); !same(got, item) {
		t.Errorf("JSON: text = %q", got.Bytes)
	}
}

// The values of a tree stand in the message, so that overwriting the message
// overwrites them.
func TestTextValuesAliasTheMessage(t *testing.T) {
	item := kmip.Structure(kmip.TagKeyBlock,
		kmip.ByteString(kmip.TagKeyMaterial, []byte("0123456789abcdef")),
		kmip.Item{Tag: kmip.TagD, Type: kmip.TypeBigInteger, Bytes: []byte("87654321")},
		kmip.Text(kmip.TagPassword, "<correct> & \"horse\""))
	for _, e := range []Encoding{XML, JSON} {
		b := e.Append(nil, item)
		got, err := e.Parse(b, DefaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		clear(b)
		for _, f := range got.Items {
			if len(bytes.Trim(f.Bytes, "\x00")) != 0 {
				t.Errorf("%s: %s is still %q", e, f.Tag, f.Bytes)
			}
		}
	}
}

func nestedText(e Encoding, levels int) []byte {
	item := kmip.Structure(kmip.TagRequestMessage)
	for range min(levels, 5000) - 1 {
		item = kmip.Structure(kmip.TagRequestMessage, item)
	}
	return e.Append(nil, item)
}

func TestTextLimits(t *testing.T) {
	flat := kmip.Structure(kmip.TagRequestMessage)
	for range 99 {
		flat.Items = append(flat.Items, kmip.ByteString(kmip.TagData, nil))
	}
	leaf := kmip.Integer(kmip.TagBatchCount, 1)
	for range 32 {
		leaf = kmip.Structure(kmip.TagRequestMessage, leaf)
	}
	for _, e := range []Encoding{XML, JSON} {
		for _, c := range []struct {
			name    string
			b       []byte
			lim     Limits
			refused bool
		}{
			{"as deep as allowed", nestedText(e, 32), DefaultLimits(), false},
			{"a value as deep as allowed", e.Append(nil, leaf), DefaultLimits(), false},
			{"one level too deep", nestedText(e, 33), DefaultLimits(), true},
			{"much too deep", nestedText(e, 5000), DefaultLimits(), true},
			{"as many items as allowed", e.Append(nil, flat), Limits{1 << 20, 32, 100}, false},
			{"one item too many", e.Append(nil, flat), Limits{1 << 20, 32, 99}, true},
			{"as large as allowed", e.Append(nil, flat), Limits{e.Size(flat), 32, 100}, false},
			{"one byte too large", e.Append(nil, flat), Limits{e.Size(flat) - 1, 32, 100}, true},
			{"beginnings without end", bytes.Repeat([]byte(map[Encoding]string{XML: "<P>", JSON: `{"value":[`}[e]), 10000), DefaultLimits(), true},
		} {
			t.Run(e.String()+" "+c.name, func(t *testing.T) {
				_, err := e.Parse(c.b, c.lim)
				if (err != nil) != c.refused {
					t.Errorf("error = %v, want refused = %v", err, c.refused)
				}
			})
		}
	}
}

// What a message costs is its tree: 64 bytes for an item, which no element or
// object with a value is much shorter than; what is shorter is refused.
func TestTextMemoryIsBounded(t *testing.T) {
	for _, c := range []struct {
		name    string
		e       Encoding
		b       string
		times   uint64
		refused bool
	}{
		{"many small values", XML, "<BatchItem>" + strings.Repeat(`<D type="Integer" value="1"/>`, 20_000) + "</BatchItem>", 10, false},
		{"many small values", JSON, `{"tag":"D","value":[` + strings.Repeat(`{"tag":"D","type":"Integer","value":1},`, 20_000) + `{"tag":"D"}]}`, 10, false},
		{"one large value", XML, `<D type="ByteString" value="` + strings.Repeat("00", 400_000) + `"/>`, 1, false},
		{"one large value", JSON, `{"tag":"D","type":"TextString","value":"` + strings.Repeat(`\u00e4`, 100_000) + `"}`, 1, false},
		{"many attributes", XML, `<D ` + strings.Repeat(`a:b="" `, 100_000) + `/>`, 1, false},
		{"references", XML, `<D type="TextString" value="` + strings.Repeat("&amp;", 100_000) + `"/>`, 1, false},
		{"comments", XML, strings.Repeat("<!---->", 100_000) + `<D/>`, 1, false},
		{"values too small to mean something", XML, "<BatchItem>" + strings.Repeat("<D/>", 20_000) + "</BatchItem>", 10, true},
	} {
		t.Run(c.name+" in "+c.e.String(), func(t *testing.T) {
			b := []byte(c.b)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if _, err := c.e.Parse(b, DefaultLimits()); (err != nil) != c.refused {
				t.Fatalf("error = %v, want refused = %v", err, c.refused)
			}
			runtime.ReadMemStats(&after)
			if got := after.TotalAlloc - before.TotalAlloc; got > c.times*uint64(len(b))+4096 {
				t.Errorf("%d bytes allocated for a message of %d", got, len(b))
			}
		})
	}
}

func TestTextTimeIsLinear(t *testing.T) {
	lim := Limits{MaxBytes: 1 << 24, MaxDepth: 4000, MaxItems: 1 << 20}
	for _, e := range []Encoding{XML, JSON} {
		start := time.Now()
		if _, err := e.Parse(nestedText(e, 4000), lim); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("4000 levels in %s took %v", e, took)
		}
	}
}

func ExampleEncoding_Append() {
	item := kmip.Structure(kmip.TagRequestPayload, kmip.Enumeration(kmip.TagQueryFunction, kmip.QueryFunctionQueryObjects))
	fmt.Printf("%s\n%s\n", XML.Append(nil, item), JSON.Append(nil, item))
	// Output:
	// <RequestPayload><QueryFunction type="Enumeration" value="QueryObjects"/></RequestPayload>
	// {"tag":"RequestPayload","value":[{"tag":"QueryFunction","type":"Enumeration","value":"QueryObjects"}]}
}
