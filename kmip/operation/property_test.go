package operation_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
	"github.com/claviger/claviger/kmip/secret"
)

// keepsake is an attribute that a client stores and expects back.
type keepsake struct {
	since, until kmip.Version // until 0: to the last
	make         func(rt *rapid.T, n int) kmip.Attribute
}

func plainAttribute(i kmip.Item) kmip.Attribute { return kmip.NewAttribute(i) }

// customValues are values of custom attributes, which may be of any type (1.4
// §3.39).
var customValues = []struct {
	since kmip.Version
	make  func(rt *rapid.T) kmip.Item
}{
	{kmip.V10, func(rt *rapid.T) kmip.Item {
		return kmip.Text(kmip.TagAttribute, rapid.StringMatching(`[a-zäß☂]{0,12}`).Draw(rt, "text"))
	}},
	{kmip.V10, func(rt *rapid.T) kmip.Item { return kmip.Integer(kmip.TagAttribute, rapid.Int32().Draw(rt, "integer")) }},
	{kmip.V10, func(rt *rapid.T) kmip.Item {
		return kmip.LongInteger(kmip.TagAttribute, rapid.Int64().Draw(rt, "long"))
	}},
	{kmip.V10, func(rt *rapid.T) kmip.Item { return kmip.Boolean(kmip.TagAttribute, rapid.Bool().Draw(rt, "boolean")) }},
	{kmip.V10, func(rt *rapid.T) kmip.Item {
		return kmip.ByteString(kmip.TagAttribute, rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(rt, "bytes"))
	}},
	{kmip.V10, func(rt *rapid.T) kmip.Item {
		return kmip.Item{Tag: kmip.TagAttribute, Type: kmip.TypeDateTime, Int: rapid.Int64Range(-1e9, 4e9).Draw(rt, "date")}
	}},
	{kmip.V10, func(rt *rapid.T) kmip.Item {
		return kmip.Item{Tag: kmip.TagAttribute, Type: kmip.TypeInterval, Int: rapid.Int64Range(0, 1<<32-1).Draw(rt, "interval")}
	}},
	{kmip.V10, func(rt *rapid.T) kmip.Item {
		return kmip.Item{Tag: kmip.TagAttribute, Type: kmip.TypeBigInteger, Bytes: append([]byte{rapid.Byte().Draw(rt, "sign")}, make([]byte, 7)...)}
	}},
	{kmip.V10, func(rt *rapid.T) kmip.Item {
		return kmip.Structure(kmip.TagAttribute, kmip.Text(kmip.TagComment, "a"), kmip.Text(kmip.TagComment, "b"), kmip.Integer(kmip.TagCryptographicLength, rapid.Int32().Draw(rt, "inner")))
	}},
	{kmip.V20, func(rt *rapid.T) kmip.Item {
		return kmip.Item{Tag: kmip.TagAttribute, Type: kmip.TypeDateTimeExtended, Int: rapid.Int64Range(0, 4e15).Draw(rt, "extended")}
	}},
}

// keepsakes are attributes of every age. What is a date lies so that the state of
// the object does not depend on it.
var keepsakes = []keepsake{
	{kmip.V10, 0, func(rt *rapid.T, n int) kmip.Attribute {
		t := rapid.SampledFrom([]kmip.NameType{kmip.NameTypeUninterpretedTextString, kmip.NameTypeURI}).Draw(rt, "name type")
		return plainAttribute(kmip.NameValue{Value: fmt.Sprintf("name %d", n), Type: t}.Item())
	}},
	{kmip.V10, 0, func(_ *rapid.T, n int) kmip.Attribute {
		return plainAttribute(kmip.Text(kmip.TagObjectGroup, fmt.Sprintf("group %d", n)))
	}},
	{kmip.V10, 0, func(rt *rapid.T, n int) kmip.Attribute {
		t := rapid.SampledFrom([]kmip.LinkType{kmip.LinkTypeCertificateLink, kmip.LinkTypePrivateKeyLink, kmip.LinkTypeReplacedObjectLink}).Draw(rt, "link")
		return plainAttribute(link(t, fmt.Sprintf("target %d", n)))
	}},
	{kmip.V12, 0, func(_ *rapid.T, n int) kmip.Attribute {
		return plainAttribute(link(kmip.LinkTypeParentLink, fmt.Sprintf("parent %d", n)))
	}},
	{kmip.V14, 0, func(_ *rapid.T, n int) kmip.Attribute {
		return plainAttribute(link(kmip.LinkTypePKCS12CertificateLink, fmt.Sprintf("certificate %d", n)))
	}},
	{kmip.V30, 0, func(_ *rapid.T, n int) kmip.Attribute {
		return plainAttribute(reference(kmip.TagGroupLink, fmt.Sprintf("group %d", n)))
	}},
	{kmip.V10, 0, func(_ *rapid.T, n int) kmip.Attribute {
		return plainAttribute(kmip.Structure(kmip.TagApplicationSpecificInformation, kmip.Text(kmip.TagApplicationNamespace, "ns"), kmip.Text(kmip.TagApplicationData, fmt.Sprint(n))))
	}},
	{kmip.V10, 0, func(rt *rapid.T, _ int) kmip.Attribute {
		i := kmip.Structure(kmip.TagCryptographicParameters, kmip.Enumeration(kmip.TagBlockCipherMode, rapid.SampledFrom([]kmip.BlockCipherMode{kmip.BlockCipherModeCBC, kmip.BlockCipherModeGCM}).Draw(rt, "mode")))
		return plainAttribute(i)
	}},
	{kmip.V12, 0, func(rt *rapid.T, _ int) kmip.Attribute {
		return plainAttribute(kmip.Structure(kmip.TagCryptographicParameters, kmip.Enumeration(kmip.TagBlockCipherMode, kmip.BlockCipherModeGCM), kmip.Boolean(kmip.TagRandomIV, true), kmip.Integer(kmip.TagTagLength, rapid.Int32Range(4, 16).Draw(rt, "tag"))))
	}},
	{kmip.V14, 0, func(rt *rapid.T, _ int) kmip.Attribute {
		return plainAttribute(kmip.Structure(kmip.TagCryptographicParameters, kmip.Enumeration(kmip.TagPaddingMethod, kmip.PaddingMethodPSS), kmip.Integer(kmip.TagSaltLength, rapid.Int32Range(0, 64).Draw(rt, "salt"))))
	}},
	{kmip.V10, 0, func(rt *rapid.T, _ int) kmip.Attribute {
		return plainAttribute(kmip.Structure(kmip.TagUsageLimits, kmip.LongInteger(kmip.TagUsageLimitsTotal, rapid.Int64Range(0, 1e12).Draw(rt, "total")), kmip.Enumeration(kmip.TagUsageLimitsUnit, kmip.UsageLimitsUnitByte)))
	}},
	{kmip.V10, 0, func(rt *rapid.T, _ int) kmip.Attribute {
		return plainAttribute(kmip.DateTime(kmip.TagDeactivationDate, time.Unix(rapid.Int64Range(4e9, 5e9).Draw(rt, "end"), 0)))
	}},
	{kmip.V20, 0, func(rt *rapid.T, _ int) kmip.Attribute {
		return plainAttribute(kmip.Item{Tag: kmip.TagProtectStopDate, Type: kmip.TypeDateTimeExtended, Int: rapid.Int64Range(3e15, 3.9e15).Draw(rt, "stop")})
	}},
	{kmip.V10, kmip.V14, func(*rapid.T, int) kmip.Attribute {
		return plainAttribute(kmip.Text(kmip.TagOperationPolicyName, "default"))
	}},
	{kmip.V12, 0, func(_ *rapid.T, n int) kmip.Attribute {
		return plainAttribute(kmip.Structure(kmip.TagAlternativeName, kmip.Text(kmip.TagAlternativeNameValue, fmt.Sprint(n)), kmip.Enumeration(kmip.TagAlternativeNameType, kmip.AlternativeNameTypeEmailAddress)))
	}},
	{kmip.V12, 0, func(rt *rapid.T, _ int) kmip.Attribute {
		return plainAttribute(kmip.DateTime(kmip.TagOriginalCreationDate, time.Unix(rapid.Int64Range(0, 1e9).Draw(rt, "created"), 0)))
	}},
	{kmip.V14, 0, func(*rapid.T, int) kmip.Attribute { return plainAttribute(kmip.Text(kmip.TagDescription, "d")) }},
	{kmip.V14, 0, func(rt *rapid.T, _ int) kmip.Attribute {
		return plainAttribute(kmip.Boolean(kmip.TagExtractable, true))
	}},
	{kmip.V20, 0, func(rt *rapid.T, _ int) kmip.Attribute {
		return plainAttribute(kmip.Interval(kmip.TagProtectionPeriod, time.Duration(rapid.Int64Range(1, 1e6).Draw(rt, "period"))*time.Second))
	}},
	{kmip.V21, 0, func(rt *rapid.T, _ int) kmip.Attribute {
		return plainAttribute(kmip.Interval(kmip.TagRotateInterval, time.Duration(rapid.Int64Range(1, 1e6).Draw(rt, "rotation"))*time.Second))
	}},
	{kmip.V10, 0, func(rt *rapid.T, n int) kmip.Attribute { return custom(rt, kmip.VendorX, n) }},
	{kmip.V20, 0, func(rt *rapid.T, n int) kmip.Attribute { return custom(rt, "ACME_3.1", n) }},
}

// custom is a custom attribute; its value is one that every version has.
func custom(rt *rapid.T, vendor string, n int) kmip.Attribute {
	v := rapid.SampledFrom(customValues).Draw(rt, "value")
	if vendor == kmip.VendorX {
		for v.since > kmip.V10 {
			v = rapid.SampledFrom(customValues[:9]).Draw(rt, "value")
		}
	}
	return kmip.Attribute{AttributeID: kmip.VendorAttribute(vendor, fmt.Sprintf("custom %d", n%3)), Value: v.make(rt)}
}

// stored are objects that a client of a version may register.
func storedObjects(v kmip.Version) map[string]*kmip.Object {
	m := map[string]*kmip.Object{
		"key":         symmetric(kmip.CryptographicAlgorithmAES, innerKey),
		"password":    password("pw"),
		"opaque data": {Type: kmip.ObjectTypeOpaqueObject, OpaqueDataType: 0x80000009, OpaqueDataValue: secret.Copy([]byte{0, 1, 2})},
		"transparent key": {Type: kmip.ObjectTypeSymmetricKey, Key: &kmip.KeyBlock{
			Format: kmip.KeyFormatTypeTransparentSymmetricKey, Transparent: ptr(kmip.Structure(kmip.TagKeyMaterial, kmip.ByteString(kmip.TagKey, innerKey))),
			Algorithm: kmip.CryptographicAlgorithmAES, LengthBits: 256,
		}},
		"part": {
			Type: kmip.ObjectTypeSplitKey, Split: &kmip.SplitPart{Parts: 3, Identifier: 2, Threshold: 3, Method: kmip.SplitKeyMethodXOR},
			Key: &kmip.KeyBlock{Format: kmip.KeyFormatTypeRaw, Material: secret.Copy(innerKey), Algorithm: kmip.CryptographicAlgorithmAES, LengthBits: 256},
		},
	}
	if v >= kmip.V12 {
		pgp := opaqueKey(kmip.ObjectTypePGPKey, kmip.KeyFormatTypeRaw, []byte("a key"))
		pgp.PGPKeyVersion = 5
		m["PGP key"] = pgp
		m["key without value"] = &kmip.Object{Type: kmip.ObjectTypeSymmetricKey, Key: &kmip.KeyBlock{Format: kmip.KeyFormatTypeRaw, Algorithm: kmip.CryptographicAlgorithmAES, LengthBits: 256}}
	}
	return m
}

// foreign is what clients of other versions put onto an object.
var foreign = kmip.VendorAttribute(kmip.VendorX, "foreign")

// transient are attributes that change by the life of an object.
var transient = []kmip.Tag{kmip.TagLastChangeDate, kmip.TagState, kmip.TagFresh, kmip.TagActivationDate}

// kept are the attributes that must come back, index and all.
func kept(a kmip.Attributes) []string {
	var list []string
	for _, at := range a {
		if slices.Contains(transient, at.Tag) || at.AttributeID == foreign || at.Tag == kmip.TagObjectGroup && at.Value.Text() == "foreign" || at.Tag == kmip.TagComment {
			continue
		}
		list = append(list, fmt.Sprintf("%s[%d] = %x", at, at.Index, kmip.AppendItem(nil, at.Value)))
	}
	slices.Sort(list)
	return list
}

// Whatever a client of one version stored comes back to clients of that version
// unchanged, whatever clients of other versions do with the object.
func TestWhatAClientStoredComesBackUnchanged(t *testing.T) {
	s := newServer(t)
	serial := 0
	rapid.Check(t, func(rt *rapid.T) {
		v := rapid.SampledFrom(kmip.Versions).Draw(rt, "version")
		objects := storedObjects(v)
		var kinds []string
		for k := range objects {
			kinds = append(kinds, k)
		}
		slices.Sort(kinds)
		o := objects[rapid.SampledFrom(kinds).Draw(rt, "object")]
		attrs := payload.Template{}
		single := map[kmip.AttributeID]bool{}
		for range rapid.IntRange(0, 12).Draw(rt, "attributes") {
			k := rapid.SampledFrom(keepsakes).Draw(rt, "attribute")
			if v < k.since || k.until != 0 && v > k.until {
				continue
			}
			serial++
			at := k.make(rt, serial)
			rule, _ := kmip.RuleOf(at.AttributeID)
			if single[at.AttributeID] && !rule.Multi {
				continue
			}
			single[at.AttributeID] = true
			attrs.Attributes = attrs.Attributes.Add(at)
		}
		if o.Type != kmip.ObjectTypeOpaqueObject {
			attrs.Attributes = attrs.Attributes.Add(kmip.NewAttribute(mask(kmip.CryptographicUsageMaskEncrypt)))
		}
		r := s.try(v, kmip.OperationRegister, &payload.RegisterRequest{ObjectType: o.Type, Attributes: attrs, Object: o})
		if r.Status != ok {
			rt.Fatalf("Register in KMIP %s: %s (%s)", v, r.Reason, r.Message)
		}
		uid := r.Payload.(*payload.RegisterResponse).UniqueIdentifier
		value := func() string {
			r := s.try(v, kmip.OperationGet, &payload.GetRequest{UniqueIdentifier: ref(uid)})
			if r.Status != ok {
				return r.Reason.String()
			}
			return string(kmip.AppendItem(nil, r.Payload.(*payload.GetResponse).Object.Item()))
		}
		before, first := kept(s.attributes(v, uid)), value()
		for _, at := range attrs.Attributes { // it is there to begin with
			if at.Tag == kmip.TagUsageLimits {
				continue // with the count that the server adds
			}
			if !slices.ContainsFunc(s.attributes(v, uid), func(has kmip.Attribute) bool {
				return has.AttributeID == at.AttributeID && (has.Value.Equal(at.Value) || v >= kmip.V30 && at.Tag == kmip.TagName && kmip.NameOf(has.Value).Value == kmip.NameOf(at.Value).Value)
			}) {
				rt.Fatalf("KMIP %s: %s = %+v is not what was stored", v, at, at.Value)
			}
		}
		var done []string
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			done = append(done, s.touch(rt, uid))
		}
		after := kept(s.attributes(v, uid))
		if !slices.Equal(before, after) {
			rt.Fatalf("KMIP %s, after %s:\n%s\nwas:\n%s", v, strings.Join(done, ", "), strings.Join(after, "\n"), strings.Join(before, "\n"))
		}
		if got := value(); got != first {
			rt.Fatalf("KMIP %s, after %s: the value is %x, was %x", v, strings.Join(done, ", "), got, first)
		}
	})
}

// touch does something with an object, as a client of some version, and tells
// what.
func (s *server) touch(rt *rapid.T, uid string) string {
	v := rapid.SampledFrom(kmip.Versions).Draw(rt, "other version")
	note := func(text string) *payload.Instance {
		return &payload.Instance{Attribute: kmip.Attribute{AttributeID: foreign, Value: kmip.Text(kmip.TagAttribute, text)}}
	}
	group := attribute(kmip.Text(kmip.TagObjectGroup, "foreign"))
	// groupIndex is where a client of 1.x finds the group that it has added.
	groupIndex := func() *int32 {
		for _, at := range s.attributes(v, uid).Instances(kmip.AttributeID{Tag: kmip.TagObjectGroup}) {
			if at.Value.Text() == "foreign" {
				return ptr(int32(at.Index))
			}
		}
		return ptr(int32(99))
	}
	act := rapid.SampledFrom([]string{
		"Get", "Get Attributes", "Get Attribute List", "Add", "Add group", "Modify", "Delete", "Delete group", "Set", "Adjust", "Activate", "Archive and Recover", "Check", "Locate", "Export", "undo",
	}).Draw(rt, "act")
	switch act {
	case "Get":
		s.try(v, kmip.OperationGet, &payload.GetRequest{UniqueIdentifier: ref(uid)})
	case "Get Attributes":
		s.try(v, kmip.OperationGetAttributes, &payload.GetAttributesRequest{UniqueIdentifier: ref(uid)})
	case "Get Attribute List":
		s.try(v, kmip.OperationGetAttributeList, &payload.GetAttributeListRequest{UniqueIdentifier: ref(uid)})
	case "Add":
		s.try(v, kmip.OperationAddAttribute, &payload.AddAttributeRequest{UniqueIdentifier: ref(uid), NewAttribute: note("a")})
	case "Add group":
		s.try(v, kmip.OperationAddAttribute, &payload.AddAttributeRequest{UniqueIdentifier: ref(uid), NewAttribute: group})
	case "Modify":
		s.try(v, kmip.OperationModifyAttribute, &payload.ModifyAttributeRequest{UniqueIdentifier: ref(uid), NewAttribute: note("m")})
	case "Delete":
		s.try(v, kmip.OperationDeleteAttribute, &payload.DeleteAttributeRequest{UniqueIdentifier: ref(uid), AttributeReference: []kmip.AttributeID{foreign}})
	case "Delete group":
		r := &payload.DeleteAttributeRequest{UniqueIdentifier: ref(uid)}
		if v < kmip.V20 {
			r.AttributeReference, r.AttributeIndex = []kmip.AttributeID{{Tag: kmip.TagObjectGroup}}, groupIndex()
		} else {
			r.CurrentAttribute = group
		}
		s.try(v, kmip.OperationDeleteAttribute, r)
	case "Set":
		s.try(v, kmip.OperationSetAttribute, &payload.SetAttributeRequest{UniqueIdentifier: ref(uid), NewAttribute: attribute(kmip.Text(kmip.TagComment, "c"))})
	case "Adjust":
		one := kmip.Integer(kmip.TagAdjustmentValue, 1)
		s.try(v, kmip.OperationAdjustAttribute, &payload.AdjustAttributeRequest{UniqueIdentifier: ref(uid), AttributeReference: []kmip.AttributeID{foreign}, AdjustmentType: kmip.AdjustmentTypeIncrement, AdjustmentValue: &one})
	case "Activate":
		s.try(v, kmip.OperationActivate, &payload.ActivateRequest{UniqueIdentifier: ref(uid)})
	case "Archive and Recover":
		s.try(v, kmip.OperationArchive, &payload.ArchiveRequest{UniqueIdentifier: ref(uid)})
		s.try(v, kmip.OperationRecover, &payload.RecoverRequest{UniqueIdentifier: ref(uid)})
	case "Check":
		s.try(v, kmip.OperationCheck, &payload.CheckRequest{UniqueIdentifier: ref(uid)})
	case "Locate":
		s.try(v, kmip.OperationLocate, &payload.LocateRequest{MaximumItems: ptr(int32(3))})
	case "Export":
		s.try(v, kmip.OperationExport, &payload.ExportRequest{UniqueIdentifier: ref(uid)})
	case "undo":
		s.send(v, kmip.BatchErrorContinuationOptionUndo,
			batch(kmip.OperationAddAttribute, &payload.AddAttributeRequest{UniqueIdentifier: ref(uid), NewAttribute: group}),
			batch(kmip.OperationDestroy, &payload.DestroyRequest{UniqueIdentifier: ref(uid)}), getItem("nothing"))
	}
	return fmt.Sprintf("%s in %s", act, v)
}
