package wire

import (
	"errors"
	"testing"
)

func TestXMLRefuses(t *testing.T) {
	for _, c := range []struct{ name, message, reason string }{
		{"nothing", "", "an element belongs here"},
		{"text", "hello", "an element belongs here"},
		{"document type", `<!DOCTYPE D [<!ENTITY a "b">]><D/>`, "name is missing or damaged"},
		{"document type with an external entity", `<!DOCTYPE D SYSTEM "file:///etc/passwd"><D/>`, "name is missing or damaged"},
		{"entity that is not built in", `<D type="TextString" value="&a;"/>`, "unknown reference"},
		{"reference without end", `<D type="TextString" value="&amp"/>`, "unknown reference"},
		{"reference to no character", `<D type="TextString" value="&#0;"/>`, "unknown reference"},
		{"reference to half a pair", `<D type="TextString" value="&#xD800;"/>`, "unknown reference"},
		{"reference beyond Unicode", `<D type="TextString" value="&#x110000;"/>`, "unknown reference"},
		{"reference outside a value", `<D type="Text&#83;tring" value=""/>`, "reference outside a value"},
		{"processing instruction", `<?php?><D/>`, "name is missing or damaged"},
		{"another encoding", `<?xml version="1.0" encoding="UTF-16"?><D/>`, "encoding is not UTF-8"},
		{"another version", `<?xml version="1.1"?><D/>`, "version of XML is not 1.0"},
		{"declaration without version", `<?xml encoding="UTF-8"?><D/>`, "version of XML is not 1.0"},
		{"declaration with other things", `<?xml version="1.0" a="b"?><D/>`, "XML declaration is damaged"},
		{"CDATA", `<D><![CDATA[x]]></D>`, "name is missing or damaged"},
		{"text between elements", `<BatchItem>x</BatchItem>`, "an element belongs here"},
		{"control character", "<D type=\"TextString\" value=\"\x01\"/>", "character that XML does not allow"},
		{"byte that is not UTF-8", "<D type=\"TextString\" value=\"\xff\"/>", "character that XML does not allow"},
		{"U+FFFE", "<D type=\"TextString\" value=\"\uFFFE\"/>", "character that XML does not allow"},
		{"element without end", `<BatchItem><D/>`, "an element belongs here"},
		{"end tag of another element", `<BatchItem></D>`, "end tag is missing"},
		{"end tag of a longer name", `<D></DX>`, "end tag is missing"},
		{"start tag without end", `<D type="Integer"`, "white space is missing"},
		{"attribute without quotes", `<D type=Integer value="1"/>`, "attribute without quotes"},
		{"attribute without end", `<D type="Integer/>`, "attribute without end"},
		{"attribute without value", `<D type/>`, "attribute without value"},
		{"attributes without a gap", `<D type="Integer"value="1"/>`, "white space is missing"},
		{"attribute twice", `<D type="Integer" type="Integer" value="1"/>`, "attribute appears twice"},
		{"value twice", `<D type="Integer" value="1" value="2"/>`, "attribute appears twice"},
		{"unknown attribute", `<D type="Integer" value="1" length="4"/>`, "unknown attribute"},
		{"< inside an attribute", `<D type="TextString" value="<"/>`, "< inside an attribute"},
		{"another namespace", `<D xmlns="urn:x"/>`, "another namespace than that of KMIP"},
		{"comment without end", `<D/><!-- `, "comment without end"},
		{"-- inside a comment", `<!-- a -- b --><D/>`, "-- inside a comment"},
		{"two messages", `<D/><D/>`, "text after the end of the message"},
		{"unknown tag", `<NoSuchTag/>`, "unknown tag"},
		{"tag without a name", `<TTLV type="Integer" value="1"/>`, "unknown tag"},
		{"tag of no range", `<TTLV tag="0x430001"/>`, "unknown tag"},
		{"tag in two places", `<D tag="0x420001"/>`, "unknown tag"},
		{"unknown type", `<D type="Float" value="1"/>`, "unknown item type"},
		{"type 0F", `<D type="0x0f" value="1"/>`, "unknown item type"},
		{"Structure with a value", `<D value="1"/>`, "a Structure has fields, not a value"},
		{"value with fields", `<D type="Integer" value="1"><D/></D>`, "end tag is missing"},
		{"Integer without value", `<D type="Integer"/>`, "value does not fit the type Integer"},
		{"Integer of 33 bits", `<D type="Integer" value="2147483648"/>`, "value does not fit the type Integer"},
		{"Integer with a fraction", `<D type="Integer" value="1.0"/>`, "value does not fit the type Integer"},
		{"Integer of nine digits", `<D type="Integer" value="0x000000001"/>`, "value does not fit the type Integer"},
		{"Integer with underscores", `<D type="Integer" value="1_0"/>`, "value does not fit the type Integer"},
		{"unknown bit", `<CryptographicUsageMask type="Integer" value="Encrypt Fly"/>`, "value does not fit the type Integer"},
		{"mask of blanks", `<CryptographicUsageMask type="Integer" value="  "/>`, "value does not fit the type Integer"},
		{"Long Integer of 65 bits", `<D type="LongInteger" value="9223372036854775808"/>`, "value does not fit the type LongInteger"},
		{"Big Integer of one byte", `<D type="BigInteger" value="ff"/>`, "value does not fit the type BigInteger"},
		{"Big Integer without bytes", `<D type="BigInteger" value=""/>`, "value does not fit the type BigInteger"},
		{"unknown name", `<ObjectType type="Enumeration" value="Unicorn"/>`, "name of a value is not known"},
		{"name of another enumeration", `<ObjectType type="Enumeration" value="AES"/>`, "name of a value is not known"},
		{"name where there is no enumeration", `<AttributeValue type="Enumeration" value="AES"/>`, "name of a value is not known"},
		{"Boolean yes", `<D type="Boolean" value="yes"/>`, "value does not fit the type Boolean"},
		{"Byte String of half a byte", `<D type="ByteString" value="abc"/>`, "value does not fit the type ByteString"},
		{"Byte String with 0x", `<D type="ByteString" value="0xab"/>`, "value does not fit the type ByteString"},
		{"Date-Time without time", `<D type="DateTime" value="2001-01-01"/>`, "value does not fit the type DateTime"},
		{"Date-Time of no day", `<D type="DateTime" value="2001-02-30T00:00:00Z"/>`, "value does not fit the type DateTime"},
		{"Date-Time as a number", `<D type="DateTime" value="12"/>`, "value does not fit the type DateTime"},
		{"negative Interval", `<D type="Interval" value="-1"/>`, "value does not fit the type Interval"},
	} {
		refuses(t, XML, c.name, c.message, c.reason)
	}
}

func TestJSONRefuses(t *testing.T) {
	for _, c := range []struct{ name, message, reason string }{
		{"nothing", "", "an object belongs here"},
		{"a list", "[]", "an object belongs here"},
		{"empty object", `{}`, "a string belongs here"},
		{"object without end", `{"tag":"D"`, "object without end"},
		{"object without colon", `{"tag" "D"}`, "colon is missing"},
		{"object with a comma too many", `{"tag":"D",}`, "a string belongs here"},
		{"array without end", `{"tag":"D","value":[{"tag":"D"}`, "array without end"},
		{"array with a comma too many", `{"tag":"D","value":[{"tag":"D"},]}`, "an object belongs here"},
		{"text after the end", `{"tag":"D"} x`, "text after the end of the message"},
		{"comment", `/* */{"tag":"D"}`, "an object belongs here"},
		{"byte order mark", "\uFEFF" + `{"tag":"D"}`, "an object belongs here"},
		{"byte that is not UTF-8", "{\"tag\":\"D\xff\"}", "text is not UTF-8"},
		{"control character", "{\"tag\":\"D\n\"}", "control character in a string"},
		{"unknown escape", `{"tag":"D","type":"TextString","value":"\x41"}`, "unknown escape"},
		{"escape that is cut off", `{"tag":"D","type":"TextString","value":"\u12`, "unknown escape"},
		{"escape that is no number", `{"tag":"D","type":"TextString","value":"\u12g4"}`, "unknown escape"},
		{"half of a surrogate pair", `{"tag":"D","type":"TextString","value":"\ud800"}`, "half of a surrogate pair"},
		{"two first halves", `{"tag":"D","type":"TextString","value":"\ud800\ud800"}`, "half of a surrogate pair"},
		{"second half alone", `{"tag":"D","type":"TextString","value":"\udc00x"}`, "half of a surrogate pair"},
		{"string without end", `{"tag":"D`, "string without end"},
		{"no tag", `{"type":"Integer","value":1}`, "unknown tag"},
		{"tag that is a number", `{"tag":4325377}`, "a string belongs here"},
		{"unknown tag", `{"tag":"Unicorn"}`, "unknown tag"},
		{"unknown type", `{"tag":"D","type":"Float","value":1}`, "unknown item type"},
		{"tag twice", `{"tag":"D","tag":"D"}`, "member appears twice"},
		{"value twice", `{"tag":"D","value":null,"value":null}`, "member appears twice"},
		{"unknown member", `{"tag":"D","length":4}`, "unknown member"},
		{"Structure with a number", `{"tag":"D","value":1}`, "value does not fit the type Structure"},
		{"Structure with a string", `{"tag":"D","value":""}`, "value does not fit the type Structure"},
		{"Integer with fields", `{"tag":"D","type":"Integer","value":[]}`, "value does not fit the type Integer"},
		{"Integer with an object", `{"tag":"D","type":"Integer","value":{}}`, "value is missing or damaged"},
		{"Integer without value", `{"tag":"D","type":"Integer"}`, "value does not fit the type Integer"},
		{"Integer true", `{"tag":"D","type":"Integer","value":true}`, "value does not fit the type Integer"},
		{"number with a fraction", `{"tag":"D","type":"Integer","value":1.0}`, "value is missing or damaged"},
		{"number with an exponent", `{"tag":"D","type":"Integer","value":1e3}`, "value is missing or damaged"},
		{"number with leading zeros", `{"tag":"D","type":"Integer","value":01}`, "value is missing or damaged"},
		{"number with a plus", `{"tag":"D","type":"Integer","value":+1}`, "value is missing or damaged"},
		{"number that is cut off", `{"tag":"D","type":"Integer","value":-`, "value is missing or damaged"},
		{"number without end", `{"tag":"D","type":"BigInteger","value":11111111111111111111111111111111111}`, "value does not fit the type BigInteger"},
		{"Integer of 33 bits", `{"tag":"D","type":"Integer","value":2147483648}`, "value does not fit the type Integer"},
		{"Enumeration of 33 bits", `{"tag":"D","type":"Enumeration","value":4294967296}`, "name of a value is not known"},
		{"Boolean 1", `{"tag":"D","type":"Boolean","value":1}`, "value does not fit the type Boolean"},
		{"Text String 1", `{"tag":"D","type":"TextString","value":1}`, "value does not fit the type TextString"},
		{"Byte String 10", `{"tag":"D","type":"ByteString","value":10}`, "value does not fit the type ByteString"},
		{"Date-Time as a number", `{"tag":"D","type":"DateTime","value":1}`, "value does not fit the type DateTime"},
		{"unknown literal", `{"tag":"D","type":"Boolean","value":True}`, "value is missing or damaged"},
	} {
		refuses(t, JSON, c.name, c.message, c.reason)
	}
}

func refuses(t *testing.T, e Encoding, name, message, reason string) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		_, err := e.Parse([]byte(message), DefaultLimits())
		var syntax *SyntaxError
		if !errors.As(err, &syntax) {
			t.Fatalf("error = %v, want a SyntaxError", err)
		}
		if syntax.Reason != reason || syntax.Encoding != e || syntax.Offset > len(message) {
			t.Errorf("error = %q in %s at %d, want %q", syntax.Reason, syntax.Encoding, syntax.Offset, reason)
		}
	})
}
