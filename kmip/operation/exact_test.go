package operation_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/claviger/claviger/hsm/keywrap"
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/dialect"
	"github.com/claviger/claviger/kmip/operation"
	"github.com/claviger/claviger/kmip/payload"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/kmip/wire"
	"github.com/claviger/claviger/testenv/service"
)

// server runs requests through everything but the network, and holds every
// response against the tables of its version.
type server struct {
	t   *testing.T
	svc *service.Service
	ops *operation.Server
	// scope opens the frame of a request; that of a client of the domain "default"
	// when nil.
	scope func() *custody.Scope
	turn  func() error // turns the connection around
}

func newServer(t *testing.T) *server { return serverOf(t, service.New(t)) }

func serverOf(t *testing.T, svc *service.Service) *server {
	return &server{t: t, svc: svc, ops: operation.New(operation.Server{Custody: svc.Service, Name: "test", Version: "0", Interop: true, Now: svc.Clock.Now, Form: formOf, Messages: messages{}})}
}

// send takes a request to bytes and back, as a client would, and the response too.
func (s *server) send(v kmip.Version, option kmip.BatchErrorContinuationOption, items ...payload.RequestItem) *payload.Response {
	s.t.Helper()
	return s.message(&payload.Request{Version: v, ErrorContinuation: option, Items: items})
}

func (s *server) message(r *payload.Request) *payload.Response {
	s.t.Helper()
	if len(r.Items) > 1 {
		for i := range r.Items {
			r.Items[i].UniqueBatchItemID = []byte{byte(i + 1)}
		}
	}
	return s.raw(wire.Append(nil, dialect.EncodeRequest(r)))
}

func (s *server) raw(b []byte) *payload.Response {
	s.t.Helper()
	tree, err := wire.Parse(b, wire.DefaultLimits())
	if err != nil {
		s.t.Fatalf("request does not parse: %v", err)
	}
	var resp *payload.Response
	req, err := dialect.DecodeRequest(tree)
	if err != nil {
		resp = dialect.Failed(req.Version, s.svc.Clock.Now(), err)
	} else {
		resp = s.ops.Batch(context.Background(), s.begin(), true, req, s.turn)
	}
	out := wire.Append(nil, dialect.EncodeResponse(resp))
	back, err := wire.Parse(out, wire.DefaultLimits())
	if err != nil {
		s.t.Fatalf("response does not parse: %v", err)
	}
	if err := dialect.Strict(back); err != nil {
		s.t.Errorf("response is not exact: %v\n%s", err, wire.Dump(back))
	}
	read, err := dialect.DecodeResponse(back)
	if err != nil {
		s.t.Fatalf("response cannot be read: %v\n%s", err, wire.Dump(back))
	}
	return read
}

func (s *server) begin() *custody.Scope {
	if s.scope != nil {
		return s.scope()
	}
	return s.svc.Client("default")
}

// one sends one item that must succeed.
func one[Resp any](s *server, v kmip.Version, op kmip.Operation, p any) *Resp {
	s.t.Helper()
	r := s.send(v, 0, payload.RequestItem{Operation: op, Payload: p})
	if r.Items[0].Status != kmip.ResultStatusSuccess {
		s.t.Fatalf("%s in KMIP %s: %s %s", op, v, r.Items[0].Reason, r.Items[0].Message)
	}
	return r.Items[0].Payload.(*Resp)
}

func template(items ...kmip.Item) payload.Template {
	var t payload.Template
	for _, i := range items {
		t.Attributes = t.Attributes.Add(kmip.NewAttribute(i))
	}
	return t
}

func aes(extra ...kmip.Item) payload.Template {
	return template(append([]kmip.Item{
		kmip.Enumeration(kmip.TagCryptographicAlgorithm, kmip.CryptographicAlgorithmAES), kmip.Integer(kmip.TagCryptographicLength, 256),
		kmip.Mask(kmip.TagCryptographicUsageMask, kmip.CryptographicUsageMaskEncrypt|kmip.CryptographicUsageMaskDecrypt),
	}, extra...)...)
}

func name(n string) kmip.Item {
	return kmip.NameValue{Value: n, Type: kmip.NameTypeUninterpretedTextString}.Item()
}

func ref(uid string) kmip.Reference { return kmip.Reference{Text: uid} }

// rich is an object with attributes of every age, made by a client of 2.1.
func rich(s *server) string {
	s.t.Helper()
	t := template(
		kmip.Enumeration(kmip.TagCryptographicAlgorithm, kmip.CryptographicAlgorithmAES), kmip.Integer(kmip.TagCryptographicLength, 256),
		kmip.Mask(kmip.TagCryptographicUsageMask, kmip.CryptographicUsageMaskEncrypt|kmip.CryptographicUsageMaskDecrypt|kmip.CryptographicUsageMaskUnrestricted),
		name("rich"), kmip.Text(kmip.TagDescription, "d"), kmip.Text(kmip.TagComment, "c"), kmip.Boolean(kmip.TagQuantumSafe, true),
		kmip.Interval(kmip.TagRotateInterval, time.Hour), kmip.Text(kmip.TagObjectGroup, "g"), kmip.Text(kmip.TagObjectGroup, "h"),
		kmip.LinkValue{Type: kmip.LinkTypeParentLink, Target: "p"}.Item(),
		kmip.Structure(kmip.TagCryptographicParameters, kmip.Enumeration(kmip.TagBlockCipherMode, kmip.BlockCipherModeGCM), kmip.Integer(kmip.TagTagLength, 16)),
		kmip.Structure(kmip.TagUsageLimits, kmip.LongInteger(kmip.TagUsageLimitsTotal, 1000), kmip.Enumeration(kmip.TagUsageLimitsUnit, kmip.UsageLimitsUnitByte)),
	)
	extended := kmip.Item{Tag: kmip.TagAttribute, Type: kmip.TypeDateTimeExtended, Int: 1_700_000_000_123_456}
	t.Attributes = append(t.Attributes, kmip.Attribute{AttributeID: kmip.VendorAttribute(kmip.VendorX, "when"), Value: extended},
		kmip.NewAttribute(kmip.Item{Tag: kmip.TagOriginalCreationDate, Type: kmip.TypeDateTimeExtended, Int: 1_700_000_000_123_456}))
	for _, id := range []kmip.AttributeID{kmip.VendorAttribute("ACME", "n"), kmip.VendorAttribute(kmip.VendorX, "ID")} {
		t.Attributes = append(t.Attributes, kmip.Attribute{AttributeID: id, Value: kmip.Text(kmip.TagAttribute, "v")})
	}
	return one[payload.CreateResponse](s, kmip.V21, kmip.OperationCreate, &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: t}).UniqueIdentifier
}

func TestEveryOperationIsExactInEveryVersion(t *testing.T) {
	for _, v := range kmip.Versions {
		t.Run(v.String(), func(t *testing.T) {
			s := newServer(t)
			old := rich(s)
			one[payload.GetAttributesResponse](s, v, kmip.OperationGetAttributes, &payload.GetAttributesRequest{UniqueIdentifier: ref(old)})
			one[payload.GetAttributeListResponse](s, v, kmip.OperationGetAttributeList, &payload.GetAttributeListRequest{UniqueIdentifier: ref(old)})

			uid := one[payload.CreateResponse](s, v, kmip.OperationCreate, &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: aes(name("k"))}).UniqueIdentifier
			if got := one[payload.LocateResponse](s, v, kmip.OperationLocate, &payload.LocateRequest{Attributes: payload.AttributeList{Attributes: template(name("k")).Attributes}}); len(got.UniqueIdentifier) != 1 || got.UniqueIdentifier[0] != uid {
				t.Errorf("Locate by Name: %v, want %s", got.UniqueIdentifier, uid)
			}
			got := one[payload.GetResponse](s, v, kmip.OperationGet, &payload.GetRequest{UniqueIdentifier: ref(uid)})
			if got.Object.Key.Material.Len() != 32 {
				t.Errorf("Get: %d bytes, want 32", got.Object.Key.Material.Len())
			}
			attr := func(i kmip.Item) *payload.Instance { return &payload.Instance{Attribute: kmip.NewAttribute(i)} }
			one[payload.AddAttributeResponse](s, v, kmip.OperationAddAttribute, &payload.AddAttributeRequest{UniqueIdentifier: ref(uid), NewAttribute: attr(kmip.Text(kmip.TagContactInformation, "a"))})
			one[payload.ModifyAttributeResponse](s, v, kmip.OperationModifyAttribute, &payload.ModifyAttributeRequest{UniqueIdentifier: ref(uid), NewAttribute: attr(kmip.Text(kmip.TagContactInformation, "b"))})
			if v >= kmip.V20 {
				one[payload.SetAttributeResponse](s, v, kmip.OperationSetAttribute, &payload.SetAttributeRequest{UniqueIdentifier: ref(uid), NewAttribute: attr(kmip.Text(kmip.TagContactInformation, "c"))})
			}
			one[payload.DeleteAttributeResponse](s, v, kmip.OperationDeleteAttribute, &payload.DeleteAttributeRequest{UniqueIdentifier: ref(uid), AttributeReference: []kmip.AttributeID{{Tag: kmip.TagContactInformation}}})
			one[payload.CheckResponse](s, v, kmip.OperationCheck, &payload.CheckRequest{UniqueIdentifier: ref(uid)})
			one[payload.ActivateResponse](s, v, kmip.OperationActivate, &payload.ActivateRequest{UniqueIdentifier: ref(uid)})
			if v >= kmip.V12 {
				gcm := kmip.Structure(kmip.TagCryptographicParameters, kmip.Enumeration(kmip.TagBlockCipherMode, kmip.BlockCipherModeCBC), kmip.Enumeration(kmip.TagPaddingMethod, kmip.PaddingMethodPKCS5))
				enc := one[payload.EncryptResponse](s, v, kmip.OperationEncrypt, &payload.EncryptRequest{UniqueIdentifier: ref(uid), CryptographicParameters: &gcm, Data: payload.Data{Bytes: []byte("plain")}})
				dec := one[payload.DecryptResponse](s, v, kmip.OperationDecrypt, &payload.DecryptRequest{UniqueIdentifier: ref(uid), CryptographicParameters: &gcm, Data: payload.Data{Bytes: enc.Data}, IVCounterNonce: enc.IVCounterNonce})
				if string(dec.Data) != "plain" {
					t.Errorf("Decrypt: %q", dec.Data)
				}
			}
			fresh := one[payload.ReKeyResponse](s, v, kmip.OperationReKey, &payload.ReKeyRequest{UniqueIdentifier: ref(uid)}).UniqueIdentifier
			one[payload.GetAttributesResponse](s, v, kmip.OperationGetAttributes, &payload.GetAttributesRequest{UniqueIdentifier: ref(fresh)})
			one[payload.RevokeResponse](s, v, kmip.OperationRevoke, &payload.RevokeRequest{UniqueIdentifier: ref(uid), RevocationReason: &payload.RevocationReason{RevocationReasonCode: kmip.RevocationReasonCodeSuperseded}})
			one[payload.DestroyResponse](s, v, kmip.OperationDestroy, &payload.DestroyRequest{UniqueIdentifier: ref(uid)})
			one[payload.GetAttributesResponse](s, v, kmip.OperationGetAttributes, &payload.GetAttributesRequest{UniqueIdentifier: ref(uid)})

			pair := one[payload.CreateKeyPairResponse](s, v, kmip.OperationCreateKeyPair, &payload.CreateKeyPairRequest{
				CommonAttributes:     template(kmip.Enumeration(kmip.TagCryptographicAlgorithm, kmip.CryptographicAlgorithmRSA), kmip.Integer(kmip.TagCryptographicLength, 2048)),
				PrivateKeyAttributes: template(kmip.Mask(kmip.TagCryptographicUsageMask, kmip.CryptographicUsageMaskSign)),
				PublicKeyAttributes:  template(kmip.Mask(kmip.TagCryptographicUsageMask, kmip.CryptographicUsageMaskVerify)),
			})
			one[payload.GetResponse](s, v, kmip.OperationGet, &payload.GetRequest{UniqueIdentifier: ref(pair.PublicKeyUniqueIdentifier)})
			one[payload.GetAttributesResponse](s, v, kmip.OperationGetAttributes, &payload.GetAttributesRequest{UniqueIdentifier: ref(pair.PrivateKeyUniqueIdentifier)})

			exactRest(s, v, fresh, pair)
			secretData := &kmip.Object{Type: kmip.ObjectTypeSecretData, SecretDataType: kmip.SecretDataTypePassword, Key: &kmip.KeyBlock{Format: kmip.KeyFormatTypeOpaque, Material: secret.Copy([]byte("pw"))}}
			one[payload.RegisterResponse](s, v, kmip.OperationRegister, &payload.RegisterRequest{ObjectType: kmip.ObjectTypeSecretData, Object: secretData})
			var functions []kmip.QueryFunction
			for f := kmip.QueryFunctionQueryOperations; f <= lastQueryFunction(v); f++ {
				functions = append(functions, f)
			}
			answer := one[payload.QueryResponse](s, v, kmip.OperationQuery, &payload.QueryRequest{QueryFunction: functions})
			if len(answer.Operation) == 0 || len(answer.ObjectType) == 0 {
				t.Errorf("Query lists nothing: %+v", answer)
			}
			if v >= kmip.V11 {
				if got := one[payload.DiscoverVersionsResponse](s, v, kmip.OperationDiscoverVersions, &payload.DiscoverVersionsRequest{}); len(got.ProtocolVersion) != len(kmip.Versions) || got.ProtocolVersion[0] != kmip.V30 {
					t.Errorf("Discover Versions: %v", got.ProtocolVersion)
				}
			}
		})
	}
}

// lastQueryFunction is the last that the version has (§11.43).
func lastQueryFunction(v kmip.Version) kmip.QueryFunction {
	switch {
	case v < kmip.V11:
		return kmip.QueryFunctionQueryApplicationNamespaces
	case v < kmip.V12:
		return kmip.QueryFunctionQueryExtensionMap
	case v < kmip.V13:
		return kmip.QueryFunctionQueryAttestationTypes
	case v < kmip.V20:
		return kmip.QueryFunctionQueryClientRegistrationMethods
	case v < kmip.V30:
		return kmip.QueryFunctionQueryStorageProtectionMasks
	}
	return kmip.QueryFunctionQueryCredentialInformation
}

// What a version cannot say is left out, and nothing that a client stored is
// lost by it.
func TestAttributesSurviveClientsOfOtherVersions(t *testing.T) {
	s := newServer(t)
	uid := rich(s)
	one[payload.AddAttributeResponse](s, kmip.V10, kmip.OperationAddAttribute, &payload.AddAttributeRequest{UniqueIdentifier: ref(uid), NewAttribute: &payload.Instance{
		Attribute: kmip.NewAttribute(kmip.Text(kmip.TagOperationPolicyName, "default")),
	}})
	for _, c := range []struct {
		version kmip.Version
		has     []kmip.Tag
		not     []kmip.Tag
	}{
		{kmip.V10, []kmip.Tag{kmip.TagOperationPolicyName, kmip.TagName, kmip.TagObjectGroup}, []kmip.Tag{kmip.TagFresh, kmip.TagDescription, kmip.TagQuantumSafe, kmip.TagRotateInterval}},
		{kmip.V14, []kmip.Tag{kmip.TagOperationPolicyName, kmip.TagDescription, kmip.TagFresh}, []kmip.Tag{kmip.TagQuantumSafe}},
		{kmip.V20, []kmip.Tag{kmip.TagQuantumSafe, kmip.TagLink}, []kmip.Tag{kmip.TagOperationPolicyName, kmip.TagRotateInterval}},
		{kmip.V21, []kmip.Tag{kmip.TagRotateInterval, kmip.TagQuantumSafe}, []kmip.Tag{kmip.TagOperationPolicyName}},
		{kmip.V30, []kmip.Tag{kmip.TagLink, kmip.TagName, kmip.TagObjectGroup}, []kmip.Tag{kmip.TagOperationPolicyName}},
	} {
		got := one[payload.GetAttributesResponse](s, c.version, kmip.OperationGetAttributes, &payload.GetAttributesRequest{UniqueIdentifier: ref(uid)}).Attributes.Attributes
		for _, tag := range c.has {
			if !got.Has(tag) {
				t.Errorf("KMIP %s: %s is missing", c.version, tag)
			}
		}
		for _, tag := range c.not {
			if got.Has(tag) {
				t.Errorf("KMIP %s: %s must not be there", c.version, tag)
			}
		}
		if len(got.Instances(kmip.VendorAttribute(kmip.VendorX, "ID"))) != 1 {
			t.Errorf("KMIP %s: the custom attribute is missing", c.version)
		}
	}
}

// Where a version has no field for the tag of authenticated encryption, the tag
// follows the data, and versions understand each other.
func TestAuthenticationTagsInEveryVersion(t *testing.T) {
	s := newServer(t)
	uid := one[payload.CreateResponse](s, kmip.V14, kmip.OperationCreate, &payload.CreateRequest{
		ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: aes(kmip.DateTime(kmip.TagActivationDate, s.svc.Clock.Now())),
	}).UniqueIdentifier
	gcm := kmip.Structure(kmip.TagCryptographicParameters, kmip.Enumeration(kmip.TagBlockCipherMode, kmip.BlockCipherModeGCM), kmip.Integer(kmip.TagTagLength, 12))
	for _, v := range []kmip.Version{kmip.V12, kmip.V13, kmip.V14, kmip.V21, kmip.V30} {
		enc := one[payload.EncryptResponse](s, v, kmip.OperationEncrypt, &payload.EncryptRequest{UniqueIdentifier: ref(uid), CryptographicParameters: &gcm, Data: payload.Data{Bytes: []byte("plain")}})
		if got := len(enc.Data) + len(enc.AuthenticatedEncryptionTag); got != len("plain")+12 {
			t.Errorf("KMIP %s: data and tag have %d bytes", v, got)
		}
		dec := one[payload.DecryptResponse](s, v, kmip.OperationDecrypt, &payload.DecryptRequest{
			UniqueIdentifier: ref(uid), CryptographicParameters: &gcm, Data: payload.Data{Bytes: enc.Data}, IVCounterNonce: enc.IVCounterNonce, AuthenticatedEncryptionTag: enc.AuthenticatedEncryptionTag,
		})
		if string(dec.Data) != "plain" {
			t.Errorf("KMIP %s: %q", v, dec.Data)
		}
	}
}

// exactRest runs the operations that came after the first ones.
func exactRest(s *server, v kmip.Version, active string, pair *payload.CreateKeyPairResponse) {
	t := s.t
	t.Helper()
	lease := one[payload.ObtainLeaseResponse](s, v, kmip.OperationObtainLease, &payload.ObtainLeaseRequest{UniqueIdentifier: ref(active)})
	if lease.LeaseTime == nil || *lease.LeaseTime != time.Hour || lease.LastChangeDate.IsZero() {
		t.Errorf("lease %+v", lease)
	}
	limited := one[payload.CreateResponse](s, v, kmip.OperationCreate, &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: aes(
		kmip.DateTime(kmip.TagActivationDate, s.svc.Clock.Now()),
		kmip.Structure(kmip.TagUsageLimits, kmip.LongInteger(kmip.TagUsageLimitsTotal, 10), kmip.Enumeration(kmip.TagUsageLimitsUnit, kmip.UsageLimitsUnitByte)),
	)}).UniqueIdentifier
	n := int64(8)
	one[payload.GetUsageAllocationResponse](s, v, kmip.OperationGetUsageAllocation, &payload.GetUsageAllocationRequest{UniqueIdentifier: ref(limited), UsageLimitsCount: &n})
	if r := s.send(v, 0, payload.RequestItem{Operation: kmip.OperationGetUsageAllocation, Payload: &payload.GetUsageAllocationRequest{UniqueIdentifier: ref(limited), UsageLimitsCount: &n}}); r.Items[0].Status != failed {
		t.Error("more usage was allocated than there is")
	}
	one[payload.ArchiveResponse](s, v, kmip.OperationArchive, &payload.ArchiveRequest{UniqueIdentifier: ref(limited)})
	if r := s.send(v, 0, getItem(limited)); r.Items[0].Reason != kmip.ResultReasonObjectArchived {
		t.Errorf("Get of an archived object: %s", r.Items[0].Reason)
	}
	one[payload.RecoverResponse](s, v, kmip.OperationRecover, &payload.RecoverRequest{UniqueIdentifier: ref(limited)})
	one[payload.GetResponse](s, v, kmip.OperationGet, &payload.GetRequest{UniqueIdentifier: ref(limited)})
	if v >= kmip.V11 {
		fresh := one[payload.ReKeyKeyPairResponse](s, v, kmip.OperationReKeyKeyPair, &payload.ReKeyKeyPairRequest{PrivateKeyUniqueIdentifier: ref(pair.PrivateKeyUniqueIdentifier)})
		a := one[payload.GetAttributesResponse](s, kmip.V21, kmip.OperationGetAttributes, &payload.GetAttributesRequest{UniqueIdentifier: ref(fresh.PrivateKeyUniqueIdentifier)}).Attributes.Attributes
		links := map[kmip.LinkType]string{}
		for _, at := range a.Instances(kmip.AttributeID{Tag: kmip.TagLink}) {
			links[kmip.LinkOf(at.Value).Type] = kmip.LinkOf(at.Value).Target
		}
		if links[kmip.LinkTypePublicKeyLink] != fresh.PublicKeyUniqueIdentifier || links[kmip.LinkTypeReplacedObjectLink] != pair.PrivateKeyUniqueIdentifier || len(links) != 2 {
			t.Errorf("links of the new private key: %v", links)
		}
	}
	if v >= kmip.V12 {
		exactCryptography(s, v)
	}
	if v >= kmip.V20 {
		one[payload.LogResponse](s, v, kmip.OperationLog, &payload.LogRequest{LogMessage: "hello"})
		interval := kmip.Interval(kmip.TagAdjustmentValue, time.Minute)
		uid := rich2(s)
		one[payload.AdjustAttributeResponse](s, v, kmip.OperationAdjustAttribute, &payload.AdjustAttributeRequest{
			UniqueIdentifier: ref(uid), AttributeReference: []kmip.AttributeID{{Tag: kmip.TagProtectionPeriod}}, AdjustmentType: kmip.AdjustmentTypeIncrement, AdjustmentValue: &interval,
		})
		a := one[payload.GetAttributesResponse](s, v, kmip.OperationGetAttributes, &payload.GetAttributesRequest{UniqueIdentifier: ref(uid)}).Attributes.Attributes
		if got, _ := a.Get(kmip.TagProtectionPeriod); got.Duration() != time.Hour+time.Minute {
			t.Errorf("adjusted to %s", got.Duration())
		}
	}
	if v >= kmip.V21 {
		one[payload.PingResponse](s, v, kmip.OperationPing, &payload.PingRequest{})
	}
	if v >= kmip.V30 {
		uid := one[payload.CreateResponse](s, v, kmip.OperationCreate, &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: aes(name("gone"))}).UniqueIdentifier
		one[payload.ObliterateResponse](s, v, kmip.OperationObliterate, &payload.ObliterateRequest{UniqueIdentifier: ref(uid)})
		if r := s.send(v, 0, getItem(uid)); r.Items[0].Status != failed {
			t.Error("an obliterated object is still there")
		}
		one[payload.CreateResponse](s, v, kmip.OperationCreate, &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: aes(name("gone"))})
	}
}

// rich2 is an object with an attribute that can be adjusted.
func rich2(s *server) string {
	return one[payload.CreateResponse](s, kmip.V21, kmip.OperationCreate, &payload.CreateRequest{
		ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: aes(kmip.Interval(kmip.TagProtectionPeriod, time.Hour)),
	}).UniqueIdentifier
}

func exactCryptography(s *server, v kmip.Version) {
	t := s.t
	t.Helper()
	now := kmip.DateTime(kmip.TagActivationDate, s.svc.Clock.Now())
	pair := one[payload.CreateKeyPairResponse](s, v, kmip.OperationCreateKeyPair, &payload.CreateKeyPairRequest{
		CommonAttributes:     template(now, kmip.Enumeration(kmip.TagCryptographicAlgorithm, kmip.CryptographicAlgorithmRSA), kmip.Integer(kmip.TagCryptographicLength, 2048)),
		PrivateKeyAttributes: template(kmip.Mask(kmip.TagCryptographicUsageMask, kmip.CryptographicUsageMaskSign)),
		PublicKeyAttributes:  template(kmip.Mask(kmip.TagCryptographicUsageMask, kmip.CryptographicUsageMaskVerify)),
	})
	pkcs1 := kmip.Structure(kmip.TagCryptographicParameters, kmip.Enumeration(kmip.TagPaddingMethod, kmip.PaddingMethodPKCS1V15), kmip.Enumeration(kmip.TagHashingAlgorithm, kmip.HashingAlgorithmSHA256))
	signature := one[payload.SignResponse](s, v, kmip.OperationSign, &payload.SignRequest{UniqueIdentifier: ref(pair.PrivateKeyUniqueIdentifier), CryptographicParameters: &pkcs1, Data: payload.Data{Bytes: []byte("m")}}).SignatureData
	for data, want := range map[string]kmip.ValidityIndicator{"m": kmip.ValidityIndicatorValid, "n": kmip.ValidityIndicatorInvalid} {
		got := one[payload.SignatureVerifyResponse](s, v, kmip.OperationSignatureVerify, &payload.SignatureVerifyRequest{UniqueIdentifier: ref(pair.PublicKeyUniqueIdentifier), CryptographicParameters: &pkcs1, Data: payload.Data{Bytes: []byte(data)}, SignatureData: signature})
		if got.ValidityIndicator != want {
			t.Errorf("signature of %q: %s", data, got.ValidityIndicator)
		}
	}
	key := one[payload.CreateResponse](s, v, kmip.OperationCreate, &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: template(now,
		kmip.Enumeration(kmip.TagCryptographicAlgorithm, kmip.CryptographicAlgorithmHMACSHA256), kmip.Integer(kmip.TagCryptographicLength, 256),
		kmip.Mask(kmip.TagCryptographicUsageMask, kmip.CryptographicUsageMaskMACGenerate|kmip.CryptographicUsageMaskMACVerify))}).UniqueIdentifier
	code := one[payload.MACResponse](s, v, kmip.OperationMAC, &payload.MACRequest{UniqueIdentifier: ref(key), Data: payload.Data{Bytes: []byte("m")}}).MACData
	for data, want := range map[string]kmip.ValidityIndicator{"m": kmip.ValidityIndicatorValid, "n": kmip.ValidityIndicatorInvalid} {
		got := one[payload.MACVerifyResponse](s, v, kmip.OperationMACVerify, &payload.MACVerifyRequest{UniqueIdentifier: ref(key), Data: payload.Data{Bytes: []byte(data)}, MACData: code})
		if got.ValidityIndicator != want {
			t.Errorf("code of %q: %s", data, got.ValidityIndicator)
		}
	}
	sha := kmip.Structure(kmip.TagCryptographicParameters, kmip.Enumeration(kmip.TagHashingAlgorithm, kmip.HashingAlgorithmSHA256))
	if got := one[payload.HashResponse](s, v, kmip.OperationHash, &payload.HashRequest{CryptographicParameters: &sha, Data: payload.Data{Bytes: []byte("m")}}); len(got.Data) != 32 {
		t.Errorf("hash of %d bytes", len(got.Data))
	}
	n := int32(24)
	if got := one[payload.RNGRetrieveResponse](s, v, kmip.OperationRNGRetrieve, &payload.RNGRetrieveRequest{DataLength: &n}); len(got.Data) != 24 {
		t.Errorf("%d random bytes", len(got.Data))
	}
	if got := one[payload.RNGSeedResponse](s, v, kmip.OperationRNGSeed, &payload.RNGSeedRequest{Data: []byte("seed")}); got.DataLength == nil || *got.DataLength != 0 {
		t.Errorf("seed used: %v", got.DataLength)
	}
}

// A key leaves wrapped when it is asked for so, also a sensitive one.
func TestGetWrapped(t *testing.T) {
	s := newServer(t)
	now := kmip.DateTime(kmip.TagActivationDate, s.svc.Clock.Now())
	wrapKey := func(extra ...kmip.Item) string {
		return one[payload.CreateResponse](s, kmip.V21, kmip.OperationCreate, &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: template(append([]kmip.Item{
			kmip.Enumeration(kmip.TagCryptographicAlgorithm, kmip.CryptographicAlgorithmAES), kmip.Integer(kmip.TagCryptographicLength, 256),
			kmip.Mask(kmip.TagCryptographicUsageMask, kmip.CryptographicUsageMaskWrapKey),
		}, extra...)...)}).UniqueIdentifier
	}
	kek, idle := wrapKey(now), wrapKey()
	kekValue := one[payload.GetResponse](s, kmip.V21, kmip.OperationGet, &payload.GetRequest{UniqueIdentifier: ref(kek)}).Object.Key.Material
	noWrap := one[payload.CreateResponse](s, kmip.V21, kmip.OperationCreate, &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: aes(now)}).UniqueIdentifier
	material := bytes.Repeat([]byte{0x5a}, 32)
	uid := one[payload.RegisterResponse](s, kmip.V21, kmip.OperationRegister, &payload.RegisterRequest{
		ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: template(kmip.Boolean(kmip.TagSensitive, true)),
		Object: &kmip.Object{Type: kmip.ObjectTypeSymmetricKey, Key: &kmip.KeyBlock{Format: kmip.KeyFormatTypeRaw, Material: secret.Copy(material), Algorithm: kmip.CryptographicAlgorithmAES, LengthBits: 256}},
	}).UniqueIdentifier
	spec := func(key string, more ...kmip.Item) *kmip.Item {
		i := kmip.Structure(kmip.TagKeyWrappingSpecification, append([]kmip.Item{
			kmip.Enumeration(kmip.TagWrappingMethod, kmip.WrappingMethodEncrypt),
			kmip.Structure(kmip.TagEncryptionKeyInformation, kmip.Text(kmip.TagUniqueIdentifier, key)),
		}, more...)...)
		return &i
	}
	plain := kmip.Enumeration(kmip.TagEncodingOption, kmip.EncodingOptionNoEncoding)
	for _, v := range []kmip.Version{kmip.V10, kmip.V14, kmip.V21, kmip.V30} {
		got := one[payload.GetResponse](s, v, kmip.OperationGet, &payload.GetRequest{UniqueIdentifier: ref(uid), KeyWrappingSpecification: spec(kek)}).Object.Key
		opened, err := keywrap.Unwrap(kekValue, got.Material.Reveal())
		if err != nil || got.Wrapping == nil {
			t.Fatalf("KMIP %s: %v", v, err)
		}
		tree, err := wire.Parse(opened.Reveal(), wire.DefaultLimits())
		if err != nil {
			t.Fatalf("KMIP %s: the wrapped Key Value: %v", v, err)
		}
		if m, _ := tree.Field(kmip.TagKeyMaterial); tree.Tag != kmip.TagKeyValue || !bytes.Equal(m.Bytes, material) {
			t.Errorf("KMIP %s: unwrapped to something else", v)
		}
	}
	got := one[payload.GetResponse](s, kmip.V14, kmip.OperationGet, &payload.GetRequest{UniqueIdentifier: ref(uid), KeyWrappingSpecification: spec(kek, plain)}).Object.Key
	if opened, err := keywrap.Unwrap(kekValue, got.Material.Reveal()); err != nil || !bytes.Equal(opened.Reveal(), material) {
		t.Errorf("without encoding: %v", err)
	}
	for _, c := range []struct {
		name     string
		spec     *kmip.Item
		v14, v21 kmip.ResultReason
	}{
		{"not wrapped at all", nil, kmip.ResultReasonSensitive, kmip.ResultReasonSensitive},
		{"no such wrapping key", spec("nothing"), kmip.ResultReasonItemNotFound, kmip.ResultReasonWrappingObjectNotFound},
		{"a key that may not wrap", spec(noWrap), kmip.ResultReasonPermissionDenied, kmip.ResultReasonIncompatibleCryptographicUsageMask},
		{"a wrapping key that is not active", spec(idle), kmip.ResultReasonPermissionDenied, kmip.ResultReasonWrongKeyLifecycleState},
	} {
		for v, want := range map[kmip.Version]kmip.ResultReason{kmip.V14: c.v14, kmip.V21: c.v21} {
			r := s.send(v, 0, payload.RequestItem{Operation: kmip.OperationGet, Payload: &payload.GetRequest{UniqueIdentifier: ref(uid), KeyWrappingSpecification: c.spec}}).Items[0]
			if r.Reason != want {
				t.Errorf("%s in KMIP %s: %s (%s), want %s", c.name, v, r.Reason, r.Message, want)
			}
		}
	}
}

func TestNameTypeSurvivesAClientOfThree(t *testing.T) {
	s := newServer(t)
	uri := kmip.NameValue{Value: "urn:a", Type: kmip.NameTypeURI}
	uid := one[payload.CreateResponse](s, kmip.V14, kmip.OperationCreate, &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: aes(uri.Item())}).UniqueIdentifier
	one[payload.ModifyAttributeResponse](s, kmip.V30, kmip.OperationModifyAttribute, &payload.ModifyAttributeRequest{UniqueIdentifier: ref(uid), NewAttribute: &payload.Instance{Attribute: kmip.NewAttribute(name("urn:b"))}})
	got := one[payload.GetAttributesResponse](s, kmip.V14, kmip.OperationGetAttributes, &payload.GetAttributesRequest{UniqueIdentifier: ref(uid)}).Attributes.Attributes
	v, _ := got.Get(kmip.TagName)
	if n := kmip.NameOf(v); n != (kmip.NameValue{Value: "urn:b", Type: kmip.NameTypeURI}) {
		t.Errorf("name %+v", n)
	}
}
