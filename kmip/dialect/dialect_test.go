package dialect

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
	"github.com/claviger/claviger/kmip/wire"
)

func header(v kmip.Version, count int32, more ...kmip.Item) kmip.Item {
	h := kmip.Structure(kmip.TagRequestHeader, versionItem(kmip.TagProtocolVersion, v))
	h.Items = append(h.Items, more...)
	if count >= 0 {
		h.Items = append(h.Items, kmip.Integer(kmip.TagBatchCount, count))
	}
	return h
}

func item(op kmip.Operation, fields ...kmip.Item) kmip.Item {
	return kmip.Structure(kmip.TagBatchItem, kmip.Enumeration(kmip.TagOperation, op), kmip.Structure(kmip.TagRequestPayload, fields...))
}

func message(items ...kmip.Item) kmip.Item { return kmip.Structure(kmip.TagRequestMessage, items...) }

func oldAttr(name string, value kmip.Item) kmip.Item {
	return kmip.Structure(kmip.TagAttribute, kmip.Text(kmip.TagAttributeName, name), value.WithTag(kmip.TagAttributeValue))
}

func uid(s string) kmip.Item { return kmip.Text(kmip.TagUniqueIdentifier, s) }

func TestMessagesThatAreRefusedAsAWhole(t *testing.T) {
	get := item(kmip.OperationGet, uid("a"))
	for _, c := range []struct {
		name    string
		message kmip.Item
		answer  kmip.Version
		want    kmip.ResultReason
	}{
		{"not a request", kmip.Structure(kmip.TagResponseMessage), kmip.V30, kmip.ResultReasonInvalidMessage},
		{"no header", message(get), kmip.V30, kmip.ResultReasonInvalidMessage},
		{"unknown minor version", message(header(0x0107, 1), get), kmip.V14, kmip.ResultReasonInvalidMessage},
		{"unknown major version", message(header(0x0500, 1), get), kmip.V30, kmip.ResultReasonUnsupportedProtocolVersion},
		{"batch count differs", message(header(kmip.V12, 2), get), kmip.V12, kmip.ResultReasonInvalidMessage},
		{"batch count is missing", message(header(kmip.V12, -1), get), kmip.V12, kmip.ResultReasonInvalidMessage},
		{"no batch item", message(header(kmip.V12, 0)), kmip.V12, kmip.ResultReasonInvalidMessage},
		{"items without identifiers", message(header(kmip.V12, 2), get, get), kmip.V12, kmip.ResultReasonInvalidMessage},
		{"a field twice in the header", message(header(kmip.V12, 1, kmip.Integer(kmip.TagMaximumResponseSize, 9), kmip.Integer(kmip.TagMaximumResponseSize, 9)), get), kmip.V12, kmip.ResultReasonInvalidMessage},
		{"a field that no header has, 1.x", message(header(kmip.V12, 1, kmip.Integer(kmip.TagOffset, 9)), get), kmip.V12, kmip.ResultReasonInvalidField},
		{"a field that no header has, 2.x", message(header(kmip.V21, 1, kmip.Integer(kmip.TagOffset, 9)), get), kmip.V21, kmip.ResultReasonUnknownTag},
		{"critical extension, 1.x", message(header(kmip.V12, 1), withExtension(get)), kmip.V12, kmip.ResultReasonFeatureNotSupported},
		{"critical extension, 2.x", message(header(kmip.V20, 1), withExtension(get)), kmip.V20, kmip.ResultReasonUnknownMessageExtension},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := DecodeRequest(c.message)
			if err == nil {
				t.Fatal("accepted")
			}
			if r.Version != c.answer {
				t.Errorf("answered in %s, want %s", r.Version, c.answer)
			}
			if got := Reason(r.Version, 0, kmip.KindOf(err)); got != c.want {
				t.Errorf("reason %s (%v), want %s", got, err, c.want)
			}
		})
	}
}

func withExtension(i kmip.Item) kmip.Item {
	i.Items = append(i.Items[:len(i.Items):len(i.Items)], kmip.Structure(kmip.TagMessageExtension,
		kmip.Text(kmip.TagVendorIdentification, "v"), kmip.Boolean(kmip.TagCriticalityIndicator, true), kmip.Structure(kmip.TagVendorExtension)))
	return i
}

func TestItemsThatAreRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		v    kmip.Version
		item kmip.Item
		want kmip.ResultReason
	}{
		{"operation of a later version", kmip.V11, item(kmip.OperationEncrypt, uid("a")), kmip.ResultReasonOperationNotSupported},
		{"unknown operation", kmip.V21, item(kmip.Operation(0x99), uid("a")), kmip.ResultReasonOperationNotSupported},
		{"field of a later version, 1.x", kmip.V12, item(kmip.OperationGet, uid("a"), kmip.Enumeration(kmip.TagKeyWrapType, kmip.KeyWrapTypeAsRegistered)), kmip.ResultReasonInvalidField},
		{"field of another operation, 2.x", kmip.V20, item(kmip.OperationActivate, uid("a"), kmip.Integer(kmip.TagMaximumItems, 1)), kmip.ResultReasonUnknownTag},
		{"enumeration value of a later version, 1.x", kmip.V10, item(kmip.OperationQuery, kmip.Enumeration(kmip.TagQueryFunction, kmip.QueryFunctionQueryRNGs)), kmip.ResultReasonInvalidField},
		{"unknown enumeration value, 2.x", kmip.V21, item(kmip.OperationQuery, kmip.Enumeration(kmip.TagQueryFunction, kmip.QueryFunction(0x77))), kmip.ResultReasonUnknownEnumeration},
		{"a field twice", kmip.V14, item(kmip.OperationGet, uid("a"), uid("b")), kmip.ResultReasonInvalidMessage},
		{"wrong item type", kmip.V14, item(kmip.OperationGet, kmip.Integer(kmip.TagUniqueIdentifier, 1)), kmip.ResultReasonInvalidMessage},
		{"required field is missing", kmip.V14, item(kmip.OperationCreate), kmip.ResultReasonInvalidMessage},
		{"attribute of a later version", kmip.V12, item(kmip.OperationLocate, oldAttr("Sensitive", kmip.Boolean(0, true))), kmip.ResultReasonInvalidField},
		{"unknown attribute, 2.x", kmip.V21, item(kmip.OperationLocate, kmip.Structure(kmip.TagAttributes, kmip.Text(kmip.TagUsername, "x"))), kmip.ResultReasonInvalidAttribute},
		{"attribute with a value of another type", kmip.V14, item(kmip.OperationLocate, oldAttr("Cryptographic Length", kmip.Text(0, "x"))), kmip.ResultReasonInvalidField},
		{"several attributes where one belongs", kmip.V21, item(kmip.OperationSetAttribute, uid("a"), kmip.Structure(kmip.TagNewAttribute, kmip.Text(kmip.TagComment, "x"), kmip.Text(kmip.TagDescription, "y"))), kmip.ResultReasonInvalidMessage},
		{"empty identifier", kmip.V14, item(kmip.OperationGet, uid("")), kmip.ResultReasonInvalidField},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := DecodeRequest(message(header(c.v, 1), c.item))
			if err != nil {
				t.Fatalf("the message as a whole: %v", err)
			}
			it := r.Items[0]
			if it.Err == nil {
				t.Fatalf("accepted: %+v", it.Payload)
			}
			if got := Reason(c.v, it.Operation, kmip.KindOf(it.Err)); got != c.want {
				t.Errorf("reason %s (%v), want %s", got, it.Err, c.want)
			}
		})
	}
}

// What old clients write is taken, whatever they wrote it in.
func TestOldClientsAreUnderstood(t *testing.T) {
	locate := func(fields ...kmip.Item) *payload.LocateRequest {
		t.Helper()
		r, err := DecodeRequest(message(header(kmip.V10, 1), item(kmip.OperationLocate, fields...)))
		if err != nil || r.Items[0].Err != nil {
			t.Fatalf("%v, %v", err, r.Items)
		}
		return r.Items[0].Payload.(*payload.LocateRequest)
	}
	filter := oldAttr("Name", kmip.NameValue{Value: "n", Type: kmip.NameTypeUninterpretedTextString}.Item())
	for _, got := range []*payload.LocateRequest{locate(filter), locate(kmip.Structure(kmip.TagTemplateAttribute, filter))} {
		if names := got.Attributes.Attributes.Names(); len(names) != 1 || names[0] != "n" {
			t.Errorf("filters of Locate: %v", names)
		}
	}
	user := kmip.Structure(kmip.TagCredentialValue, kmip.Text(kmip.TagUsername, "u"), kmip.Text(kmip.TagPassword, "p"))
	kind := kmip.Enumeration(kmip.TagCredentialType, kmip.CredentialTypeUsernameAndPassword)
	for _, auth := range []kmip.Item{
		kmip.Structure(kmip.TagAuthentication, kmip.Structure(kmip.TagCredential, kind, user)),
		kmip.Structure(kmip.TagAuthentication, kind, user),
	} {
		r, err := DecodeRequest(message(header(kmip.V10, 1, auth), item(kmip.OperationGet, uid("a"))))
		if err != nil || len(r.Credentials) != 1 || r.Credentials[0].Username != "u" || !bytes.Equal(r.Credentials[0].Password, []byte("p")) {
			t.Errorf("credentials: %+v, %v", r.Credentials, err)
		}
	}
}

func TestEveryKindHasAReasonThatTheVersionKnows(t *testing.T) {
	for _, kind := range kmip.Kinds() {
		if _, ok := reasons[kind]; !ok {
			t.Errorf("%s has no Result Reason", kind)
		}
		for _, v := range kmip.Versions {
			for op := kmip.OperationCreate; op <= kmip.OperationDeactivate; op++ {
				r := Reason(v, op, kind)
				if !(codec{v}).valueExists(kmip.TagResultReason, uint32(r)) {
					t.Errorf("%s of %s in %s: %s does not exist there", kind, op, v, r)
				}
			}
		}
	}
}

// The reason of one situation changes with the version.
func TestReasonsByVersion(t *testing.T) {
	for _, c := range []struct {
		kind kmip.Kind
		op   kmip.Operation
		want map[kmip.Version]kmip.ResultReason
	}{
		{kmip.KindObjectNotFound, kmip.OperationGet, map[kmip.Version]kmip.ResultReason{kmip.V10: kmip.ResultReasonItemNotFound, kmip.V14: kmip.ResultReasonItemNotFound, kmip.V20: kmip.ResultReasonObjectNotFound, kmip.V30: kmip.ResultReasonObjectNotFound}},
		{kmip.KindWrongState, kmip.OperationDestroy, map[kmip.Version]kmip.ResultReason{kmip.V12: kmip.ResultReasonPermissionDenied, kmip.V20: kmip.ResultReasonPermissionDenied, kmip.V21: kmip.ResultReasonWrongKeyLifecycleState}},
		{kmip.KindObjectDestroyed, kmip.OperationGet, map[kmip.Version]kmip.ResultReason{kmip.V14: kmip.ResultReasonIllegalOperation, kmip.V21: kmip.ResultReasonObjectDestroyed}},
		{kmip.KindObjectDestroyed, kmip.OperationDestroy, map[kmip.Version]kmip.ResultReason{kmip.V14: kmip.ResultReasonPermissionDenied, kmip.V21: kmip.ResultReasonObjectDestroyed}},
		{kmip.KindNameNotUnique, kmip.OperationCreate, map[kmip.Version]kmip.ResultReason{kmip.V14: kmip.ResultReasonInvalidField, kmip.V21: kmip.ResultReasonNonUniqueNameAttribute}},
		{kmip.KindNameNotUnique, kmip.OperationAddAttribute, map[kmip.Version]kmip.ResultReason{kmip.V14: kmip.ResultReasonIllegalOperation, kmip.V21: kmip.ResultReasonNonUniqueNameAttribute}},
		{kmip.KindAttributeReadOnly, kmip.OperationModifyAttribute, map[kmip.Version]kmip.ResultReason{kmip.V14: kmip.ResultReasonPermissionDenied, kmip.V21: kmip.ResultReasonAttributeReadOnly}},
		{kmip.KindSensitive, kmip.OperationGet, map[kmip.Version]kmip.ResultReason{kmip.V12: kmip.ResultReasonPermissionDenied, kmip.V14: kmip.ResultReasonSensitive}},
	} {
		for v, want := range c.want {
			if got := Reason(v, c.op, c.kind); got != want {
				t.Errorf("%s of %s in %s: %s, want %s", c.kind, c.op, v, got, want)
			}
		}
	}
}

// Whatever bytes arrive, decoding ends with a request or a refusal, and the
// refusal can be written in the version that it names.
func FuzzDecodeRequest(f *testing.F) {
	for _, v := range kmip.Versions {
		r := &payload.Request{Version: v, Items: []payload.RequestItem{{Operation: kmip.OperationLocate, Payload: &payload.LocateRequest{
			Attributes: payload.AttributeList{Attributes: kmip.Attributes{kmip.NewAttribute(kmip.NameValue{Value: "n", Type: kmip.NameTypeURI}.Item())}},
		}}, {Operation: kmip.OperationGet, UniqueBatchItemID: []byte{1}, Payload: &payload.GetRequest{UniqueIdentifier: kmip.Reference{Text: "x"}}}}}
		f.Add(wire.Append(nil, EncodeRequest(r)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		tree, err := wire.Parse(b, wire.DefaultLimits())
		if err != nil {
			return
		}
		r, err := DecodeRequest(tree)
		resp := &payload.Response{Version: r.Version}
		if err != nil {
			resp = Failed(r.Version, resp.TimeStamp, err)
		}
		for _, i := range r.Items {
			resp.Items = append(resp.Items, payload.ResponseItem{Operation: i.Operation, UniqueBatchItemID: i.UniqueBatchItemID, Status: kmip.ResultStatusOperationFailed, Err: i.Err})
		}
		out := wire.Append(nil, EncodeResponse(resp))
		if back, err := wire.Parse(out, wire.Limits{MaxBytes: 1 << 30, MaxDepth: 64, MaxItems: 1 << 24}); err != nil {
			t.Fatalf("response does not parse: %v", err)
		} else if _, err := DecodeResponse(back); err != nil {
			t.Fatalf("response cannot be read: %v", err)
		}
	})
}

func BenchmarkGet(b *testing.B) {
	req := wire.Append(nil, EncodeRequest(&payload.Request{Version: kmip.V14, Items: []payload.RequestItem{{Operation: kmip.OperationGet, Payload: &payload.GetRequest{UniqueIdentifier: kmip.Reference{Text: "0192f0c1-0000-7000-8000-000000000000"}}}}}))
	key := &kmip.Object{Type: kmip.ObjectTypeSymmetricKey, Key: &kmip.KeyBlock{Format: kmip.KeyFormatTypeRaw, Algorithm: kmip.CryptographicAlgorithmAES, LengthBits: 256}}
	resp := &payload.Response{Version: kmip.V14, Items: []payload.ResponseItem{{Operation: kmip.OperationGet, Payload: &payload.GetResponse{ObjectType: kmip.ObjectTypeSymmetricKey, UniqueIdentifier: "0192f0c1-0000-7000-8000-000000000000", Object: key}}}}
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		tree, err := wire.Parse(req, wire.DefaultLimits())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := DecodeRequest(tree); err != nil {
			b.Fatal(err)
		}
		out = wire.Append(out[:0], EncodeResponse(resp))
	}
}

// A payload that cannot be planned is a mistake of ours, and must be found here.
func TestEveryPayloadHasAPlan(t *testing.T) {
	planned := 0
	for op := kmip.OperationCreate; op <= kmip.OperationDeactivate; op++ {
		for _, p := range []any{payload.NewRequest(op), payload.NewResponse(op)} {
			if p != nil {
				planOf(reflect.TypeOf(p).Elem())
				planned++
			}
		}
	}
	if planned == 0 {
		t.Error("no payload was planned")
	}
}
