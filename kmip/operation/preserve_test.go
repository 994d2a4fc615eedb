package operation_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
	"github.com/claviger/claviger/kmip/secret"
)

func attribute(i kmip.Item) *payload.Instance {
	return &payload.Instance{Attribute: kmip.NewAttribute(i)}
}

func (s *server) attributes(v kmip.Version, uid string) kmip.Attributes {
	s.t.Helper()
	return one[payload.GetAttributesResponse](s, v, kmip.OperationGetAttributes, &payload.GetAttributesRequest{UniqueIdentifier: ref(uid)}).Attributes.Attributes
}

// Whatever a client does to the attributes of an object, its value can be read
// afterwards: algorithm and length, which it is bound to, never change.
func TestNoAttributeOperationLosesTheValue(t *testing.T) {
	objects := map[string]*kmip.Object{
		"opaque object": {Type: kmip.ObjectTypeOpaqueObject, OpaqueDataType: 0x80000001, OpaqueDataValue: secret.Copy([]byte("value"))},
		"secret data": {Type: kmip.ObjectTypeSecretData, SecretDataType: kmip.SecretDataTypePassword, Key: &kmip.KeyBlock{
			Format: kmip.KeyFormatTypeOpaque, Material: secret.Copy([]byte("value")),
		}},
	}
	for what, o := range objects {
		for _, v := range []kmip.Version{kmip.V10, kmip.V14, kmip.V21, kmip.V30} {
			t.Run(what+" "+v.String(), func(t *testing.T) {
				s := newServer(t)
				uid := one[payload.RegisterResponse](s, v, kmip.OperationRegister, &payload.RegisterRequest{ObjectType: o.Type, Object: o}).UniqueIdentifier
				for _, i := range []kmip.Item{
					kmip.Enumeration(kmip.TagCryptographicAlgorithm, kmip.CryptographicAlgorithmAES),
					kmip.Integer(kmip.TagCryptographicLength, 128),
				} {
					add := s.send(v, 0, payload.RequestItem{Operation: kmip.OperationAddAttribute, Payload: &payload.AddAttributeRequest{UniqueIdentifier: ref(uid), NewAttribute: attribute(i)}})
					if add.Items[0].Status == ok {
						t.Errorf("Add Attribute of %s succeeds", i.Tag)
					}
					if v >= kmip.V20 {
						set := s.send(v, 0, payload.RequestItem{Operation: kmip.OperationSetAttribute, Payload: &payload.SetAttributeRequest{UniqueIdentifier: ref(uid), NewAttribute: attribute(i)}})
						if set.Items[0].Status == ok {
							t.Errorf("Set Attribute of %s succeeds", i.Tag)
						}
					}
				}
				one[payload.GetResponse](s, v, kmip.OperationGet, &payload.GetRequest{UniqueIdentifier: ref(uid)})
			})
		}
	}
}

// Dates that Activate and Revoke set do not make an object one whose attributes
// cannot be changed, or that has no replacement.
func TestDatesThatTheServerSetBlockNothing(t *testing.T) {
	s := newServer(t)
	now := s.svc.Clock.Now()
	uid := one[payload.CreateResponse](s, kmip.V14, kmip.OperationCreate, &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: aes(
		name("k"), kmip.DateTime(kmip.TagProcessStartDate, now.Add(-time.Hour)), kmip.DateTime(kmip.TagProtectStopDate, now.Add(time.Hour)),
	)}).UniqueIdentifier
	comment := func(when, uid string) {
		t.Helper()
		r := s.send(kmip.V14, 0, payload.RequestItem{Operation: kmip.OperationAddAttribute, Payload: &payload.AddAttributeRequest{UniqueIdentifier: ref(uid), NewAttribute: attribute(kmip.Text(kmip.TagObjectGroup, when))}})
		if r.Items[0].Status != ok {
			t.Errorf("Add Attribute after %s: %s %s", when, r.Items[0].Reason, r.Items[0].Message)
		}
	}
	one[payload.ActivateResponse](s, kmip.V14, kmip.OperationActivate, &payload.ActivateRequest{UniqueIdentifier: ref(uid)})
	comment("Activate", uid)
	uid = one[payload.ReKeyResponse](s, kmip.V14, kmip.OperationReKey, &payload.ReKeyRequest{UniqueIdentifier: ref(uid)}).UniqueIdentifier
	comment("Re-key", uid)
	one[payload.RevokeResponse](s, kmip.V14, kmip.OperationRevoke, &payload.RevokeRequest{UniqueIdentifier: ref(uid), RevocationReason: &payload.RevocationReason{RevocationReasonCode: kmip.RevocationReasonCodeSuperseded}})
	comment("Revoke", uid)
	r := s.send(kmip.V14, 0, payload.RequestItem{Operation: kmip.OperationCreate, Payload: &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: aes(
		kmip.DateTime(kmip.TagActivationDate, now), kmip.DateTime(kmip.TagProcessStartDate, now.Add(-time.Hour)),
	)}})
	if r.Items[0].Status == ok {
		t.Error("a client can create a key that processes before it is active")
	}
}

// To a client of 3.0 each kind of link is an attribute of its own: one kind is
// changed or deleted without the others.
func TestKindsOfLinksAreAttributesOfTheirOwn(t *testing.T) {
	s := newServer(t)
	pair := one[payload.CreateKeyPairResponse](s, kmip.V30, kmip.OperationCreateKeyPair, &payload.CreateKeyPairRequest{
		CommonAttributes: template(kmip.Enumeration(kmip.TagCryptographicAlgorithm, kmip.CryptographicAlgorithmRSA), kmip.Integer(kmip.TagCryptographicLength, 2048)),
	})
	uid := pair.PrivateKeyUniqueIdentifier
	parent := kmip.LinkValue{Type: kmip.LinkTypeParentLink, Target: "p"}.Item()
	links := func() map[kmip.LinkType]string {
		m := map[kmip.LinkType]string{}
		for _, at := range s.attributes(kmip.V21, uid).Instances(kmip.AttributeID{Tag: kmip.TagLink}) {
			m[kmip.LinkOf(at.Value).Type] = kmip.LinkOf(at.Value).Target
		}
		return m
	}
	want := func(when, target string) {
		t.Helper()
		if got := links(); got[kmip.LinkTypePublicKeyLink] != pair.PublicKeyUniqueIdentifier || got[kmip.LinkTypeParentLink] != target {
			t.Errorf("links after %s: %v", when, got)
		}
	}
	r := s.send(kmip.V30, 0, payload.RequestItem{Operation: kmip.OperationModifyAttribute, Payload: &payload.ModifyAttributeRequest{UniqueIdentifier: ref(uid), NewAttribute: attribute(parent)}})
	if r.Items[0].Reason != kmip.ResultReasonAttributeNotFound {
		t.Errorf("Modify Attribute of a kind that is not set: %s", r.Items[0].Reason)
	}
	want("Modify Attribute of a kind that is not set", "")
	one[payload.SetAttributeResponse](s, kmip.V30, kmip.OperationSetAttribute, &payload.SetAttributeRequest{UniqueIdentifier: ref(uid), NewAttribute: attribute(parent)})
	want("Set Attribute", "p")
	parent = kmip.LinkValue{Type: kmip.LinkTypeParentLink, Target: "q"}.Item()
	one[payload.ModifyAttributeResponse](s, kmip.V30, kmip.OperationModifyAttribute, &payload.ModifyAttributeRequest{UniqueIdentifier: ref(uid), NewAttribute: attribute(parent)})
	want("Modify Attribute", "q")
	one[payload.DeleteAttributeResponse](s, kmip.V30, kmip.OperationDeleteAttribute, &payload.DeleteAttributeRequest{UniqueIdentifier: ref(uid), AttributeReference: []kmip.AttributeID{{Tag: kmip.TagParentLink}}})
	want("Delete Attribute", "")
}

// In KMIP 1.x no index means index 0, and an index is never another instance.
func TestNoIndexIsIndexZero(t *testing.T) {
	s := newServer(t)
	uid := one[payload.CreateResponse](s, kmip.V12, kmip.OperationCreate, &payload.CreateRequest{
		ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: aes(name("a"), name("b")),
	}).UniqueIdentifier
	del := payload.RequestItem{Operation: kmip.OperationDeleteAttribute, Payload: &payload.DeleteAttributeRequest{UniqueIdentifier: ref(uid), AttributeReference: []kmip.AttributeID{{Tag: kmip.TagName}}}}
	if r := s.send(kmip.V12, 0, del); r.Items[0].Status != ok {
		t.Fatalf("the first: %+v", r.Items[0])
	}
	if r := s.send(kmip.V12, 0, del); r.Items[0].Reason != kmip.ResultReasonItemNotFound {
		t.Errorf("there is no index 0 any more: %+v", r.Items[0])
	}
	if got := s.attributes(kmip.V12, uid).Names(); len(got) != 1 || got[0] != "b" {
		t.Errorf("Names %v, want b", got)
	}
}

// A Current Attribute of another attribute names no instance of the new one.
func TestCurrentAttributeIsOfTheNewAttribute(t *testing.T) {
	s := newServer(t)
	custom := func(n, v string) *payload.Instance {
		return &payload.Instance{Attribute: kmip.Attribute{AttributeID: kmip.VendorAttribute("acme", n), Value: kmip.Text(kmip.TagAttribute, v)}}
	}
	uid := one[payload.CreateResponse](s, kmip.V21, kmip.OperationCreate, &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: aes()}).UniqueIdentifier
	one[payload.AddAttributeResponse](s, kmip.V21, kmip.OperationAddAttribute, &payload.AddAttributeRequest{UniqueIdentifier: ref(uid), NewAttribute: custom("b", "1")})
	r := s.send(kmip.V21, 0, payload.RequestItem{Operation: kmip.OperationModifyAttribute, Payload: &payload.ModifyAttributeRequest{
		UniqueIdentifier: ref(uid), CurrentAttribute: custom("a", "1"), NewAttribute: custom("b", "2"),
	}})
	if r.Items[0].Status == ok {
		t.Error("Modify Attribute with a Current Attribute of another name succeeds")
	}
}

// Searches compare what was asked for, no more and no less.
func TestLocateComparesPartsOfValues(t *testing.T) {
	s := newServer(t)
	limits := func(items ...kmip.Item) kmip.Item { return kmip.Structure(kmip.TagUsageLimits, items...) }
	total, unit := kmip.LongInteger(kmip.TagUsageLimitsTotal, 100), kmip.Enumeration(kmip.TagUsageLimitsUnit, kmip.UsageLimitsUnitByte)
	when := s.svc.Clock.Now().Add(-time.Hour).Truncate(time.Second)
	extended := kmip.Item{Tag: kmip.TagActivationDate, Type: kmip.TypeDateTimeExtended, Int: when.UnixMicro() + 5}
	uid := one[payload.CreateResponse](s, kmip.V21, kmip.OperationCreate, &payload.CreateRequest{
		ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: aes(limits(total, unit), extended),
	}).UniqueIdentifier
	pair := kmip.Structure(kmip.TagAttribute, kmip.Text(kmip.TagComment, "1"), kmip.Text(kmip.TagComment, "2"))
	custom := payload.Instance{Attribute: kmip.Attribute{AttributeID: kmip.VendorAttribute("x", "s"), Value: pair}}
	one[payload.AddAttributeResponse](s, kmip.V14, kmip.OperationAddAttribute, &payload.AddAttributeRequest{UniqueIdentifier: ref(uid), NewAttribute: &custom})
	cbc := kmip.Structure(kmip.TagCryptographicParameters, kmip.Enumeration(kmip.TagBlockCipherMode, kmip.BlockCipherModeCBC), kmip.Enumeration(kmip.TagPaddingMethod, kmip.PaddingMethodPKCS5))
	one[payload.EncryptResponse](s, kmip.V14, kmip.OperationEncrypt, &payload.EncryptRequest{UniqueIdentifier: ref(uid), CryptographicParameters: &cbc, Data: payload.Data{Bytes: make([]byte, 40)}})
	for _, c := range []struct {
		what string
		at   kmip.Attribute
		n    int
	}{
		{"total", kmip.NewAttribute(limits(total)), 1},
		{"larger total", kmip.NewAttribute(limits(kmip.LongInteger(kmip.TagUsageLimitsTotal, 101))), 0},
		{"count that is left", kmip.NewAttribute(limits(kmip.LongInteger(kmip.TagUsageLimitsCount, 60))), 1},
		{"larger count", kmip.NewAttribute(limits(kmip.LongInteger(kmip.TagUsageLimitsCount, 61))), 0},
		{"other unit", kmip.NewAttribute(limits(kmip.Enumeration(kmip.TagUsageLimitsUnit, kmip.UsageLimitsUnitObject))), 0},
		{"repeated fields", custom.Attribute, 1},
		{"second as 1.x reads it", kmip.NewAttribute(kmip.DateTime(kmip.TagActivationDate, when)), 1},
	} {
		got := one[payload.LocateResponse](s, kmip.V14, kmip.OperationLocate, &payload.LocateRequest{Attributes: payload.AttributeList{Attributes: kmip.Attributes{c.at}}})
		if len(got.UniqueIdentifier) != c.n {
			t.Errorf("%s: %d found, want %d", c.what, len(got.UniqueIdentifier), c.n)
		}
	}
}

// The attributes of an object are bounded, in number and in bytes, and so are
// those that one request may name.
func TestAttributesAreBounded(t *testing.T) {
	s := newServer(t)
	custom := func(n int, bytes int) kmip.Attribute {
		return kmip.Attribute{AttributeID: kmip.VendorAttribute("x", strconv.Itoa(n)), Value: kmip.ByteString(kmip.TagAttribute, make([]byte, bytes))}
	}
	tooMany := func(what string, item payload.RequestItem) {
		t.Helper()
		if r := s.send(kmip.V14, 0, item); r.Items[0].Reason != kmip.ResultReasonIndexOutOfBounds {
			t.Errorf("%s: %s %s", what, r.Items[0].Status, r.Items[0].Reason)
		}
	}
	create := func(n int) payload.RequestItem {
		attrs := aes()
		for i := range n {
			attrs.Attributes = append(attrs.Attributes, custom(i, 1))
		}
		return payload.RequestItem{Operation: kmip.OperationCreate, Payload: &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: attrs}}
	}
	tooMany("15,000 attributes", create(15_000))
	r := s.send(kmip.V14, 0, create(4000))
	if r.Items[0].Status != ok {
		t.Fatalf("4,000 attributes: %s", r.Items[0].Message)
	}
	uid := r.Items[0].Payload.(*payload.CreateResponse).UniqueIdentifier
	add := func(n, bytes int) payload.RequestItem {
		return payload.RequestItem{Operation: kmip.OperationAddAttribute, Payload: &payload.AddAttributeRequest{UniqueIdentifier: ref(uid), NewAttribute: &payload.Instance{Attribute: custom(n, bytes)}}}
	}
	for n := range 2 {
		if r := s.send(kmip.V14, 0, add(5000+n, 900_000)); r.Items[0].Status != ok {
			t.Fatalf("a large attribute: %s", r.Items[0].Message)
		}
	}
	tooMany("a third large attribute", add(5002, 900_000))
	var ids []kmip.AttributeID
	var filters kmip.Attributes
	for n := range 5000 {
		ids, filters = append(ids, custom(n, 1).AttributeID), append(filters, custom(n, 1))
	}
	tooMany("the names of 5,000 attributes", payload.RequestItem{Operation: kmip.OperationGetAttributes, Payload: &payload.GetAttributesRequest{UniqueIdentifier: ref(uid), AttributeReference: ids}})
	tooMany("a search for 5,000 attributes", payload.RequestItem{Operation: kmip.OperationLocate, Payload: &payload.LocateRequest{Attributes: payload.AttributeList{Attributes: filters}}})
}

// A Name that an object has twice is one too many, however it comes; what a Key
// Value repeats of the attributes beside it is no second instance.
func TestNamesAreOncePerObject(t *testing.T) {
	s := newServer(t)
	r := s.send(kmip.V14, 0, payload.RequestItem{Operation: kmip.OperationCreate, Payload: &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: aes(name("a"), name("a"))}})
	if r.Items[0].Reason != kmip.ResultReasonInvalidField {
		t.Errorf("Create with a Name twice: %s %s", r.Items[0].Status, r.Items[0].Reason)
	}
	key := &kmip.Object{Type: kmip.ObjectTypeSymmetricKey, Key: &kmip.KeyBlock{
		Format: kmip.KeyFormatTypeRaw, Material: secret.Copy(make([]byte, 16)), Algorithm: kmip.CryptographicAlgorithmAES, LengthBits: 128,
		Attributes: template(name("b")).Attributes,
	}}
	uid := one[payload.RegisterResponse](s, kmip.V14, kmip.OperationRegister, &payload.RegisterRequest{ObjectType: key.Type, Object: key, Attributes: template(name("b"))}).UniqueIdentifier
	if got := s.attributes(kmip.V14, uid).Names(); len(got) != 1 {
		t.Errorf("Names %q, want one", got)
	}
}

// Usage Limits without a Total do not make a key that protects nothing.
func TestUsageLimitsNeedATotal(t *testing.T) {
	s := newServer(t)
	unit := kmip.Structure(kmip.TagUsageLimits, kmip.Enumeration(kmip.TagUsageLimitsUnit, kmip.UsageLimitsUnitObject))
	r := s.send(kmip.V14, 0, payload.RequestItem{Operation: kmip.OperationCreate, Payload: &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: aes(unit)}})
	if r.Items[0].Reason != kmip.ResultReasonInvalidField {
		t.Errorf("Create: %s %s", r.Items[0].Status, r.Items[0].Reason)
	}
}

// A Link without its type would be one that clients of 3.0 never see.
func TestLinksHaveATypeAndATarget(t *testing.T) {
	s := newServer(t)
	for _, l := range []kmip.Item{
		kmip.Structure(kmip.TagLink, kmip.Text(kmip.TagLinkedObjectIdentifier, "x")),
		kmip.Structure(kmip.TagLink, kmip.Enumeration(kmip.TagLinkType, kmip.LinkTypeParentLink)),
	} {
		r := s.send(kmip.V14, 0, payload.RequestItem{Operation: kmip.OperationCreate, Payload: &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: aes(l)}})
		if r.Items[0].Reason != kmip.ResultReasonInvalidField {
			t.Errorf("%v: %s %s", l.Items, r.Items[0].Status, r.Items[0].Reason)
		}
	}
}
