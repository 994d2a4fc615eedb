package operation_test

import (
	"testing"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/operation"
	"github.com/claviger/claviger/kmip/payload"
)

func createItem(n string) payload.RequestItem {
	return payload.RequestItem{Operation: kmip.OperationCreate, Payload: &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: aes(name(n))}}
}

func getItem(uid string) payload.RequestItem {
	return payload.RequestItem{Operation: kmip.OperationGet, Payload: &payload.GetRequest{UniqueIdentifier: ref(uid)}}
}

func activateItem(uid string) payload.RequestItem {
	return payload.RequestItem{Operation: kmip.OperationActivate, Payload: &payload.ActivateRequest{UniqueIdentifier: ref(uid)}}
}

func statuses(r *payload.Response) []kmip.ResultStatus {
	var out []kmip.ResultStatus
	for _, i := range r.Items {
		out = append(out, i.Status)
	}
	return out
}

const (
	ok     = kmip.ResultStatusSuccess
	failed = kmip.ResultStatusOperationFailed
	undone = kmip.ResultStatusOperationUndone
)

func TestBatchErrorContinuation(t *testing.T) {
	for _, c := range []struct {
		name   string
		option kmip.BatchErrorContinuationOption
		want   []kmip.ResultStatus
		after  int // objects that are there afterwards
	}{
		{"the default is stop", 0, []kmip.ResultStatus{ok, failed}, 1},
		{"stop answers up to the failure", kmip.BatchErrorContinuationOptionStop, []kmip.ResultStatus{ok, failed}, 1},
		{"continue runs the rest", kmip.BatchErrorContinuationOptionContinue, []kmip.ResultStatus{ok, failed, ok}, 2},
		{"undo takes everything back", kmip.BatchErrorContinuationOptionUndo, []kmip.ResultStatus{undone, failed}, 0},
	} {
		for _, v := range []kmip.Version{kmip.V12, kmip.V21, kmip.V30} {
			t.Run(c.name+" "+v.String(), func(t *testing.T) {
				s := newServer(t)
				r := s.send(v, c.option, createItem("a"), getItem("nothing"), createItem("b"))
				if got := statuses(r); !equal(got, c.want) {
					t.Errorf("statuses %v, want %v", got, c.want)
				}
				found := one[payload.LocateResponse](s, v, kmip.OperationLocate, &payload.LocateRequest{})
				if len(found.UniqueIdentifier) != c.after {
					t.Errorf("%d objects afterwards, want %d", len(found.UniqueIdentifier), c.after)
				}
			})
		}
	}
}

func equal(a, b []kmip.ResultStatus) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestUndoRestoresStateAttributesAndUse(t *testing.T) {
	s := newServer(t)
	limits := kmip.Structure(kmip.TagUsageLimits, kmip.LongInteger(kmip.TagUsageLimitsTotal, 100), kmip.Enumeration(kmip.TagUsageLimitsUnit, kmip.UsageLimitsUnitByte))
	uid := one[payload.CreateResponse](s, kmip.V14, kmip.OperationCreate, &payload.CreateRequest{
		ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: aes(name("k"), limits),
	}).UniqueIdentifier
	before := one[payload.GetAttributesResponse](s, kmip.V14, kmip.OperationGetAttributes, &payload.GetAttributesRequest{UniqueIdentifier: ref(uid)}).Attributes.Attributes
	cbc := kmip.Structure(kmip.TagCryptographicParameters, kmip.Enumeration(kmip.TagBlockCipherMode, kmip.BlockCipherModeCBC), kmip.Enumeration(kmip.TagPaddingMethod, kmip.PaddingMethodPKCS5))
	reason := &payload.RevocationReason{RevocationReasonCode: kmip.RevocationReasonCodeSuperseded}
	r := s.send(
		kmip.V14, kmip.BatchErrorContinuationOptionUndo,
		activateItem(uid),
		payload.RequestItem{Operation: kmip.OperationEncrypt, Payload: &payload.EncryptRequest{UniqueIdentifier: ref(uid), CryptographicParameters: &cbc, Data: payload.Data{Bytes: make([]byte, 40)}}},
		payload.RequestItem{Operation: kmip.OperationReKey, Payload: &payload.ReKeyRequest{UniqueIdentifier: ref(uid)}},
		payload.RequestItem{Operation: kmip.OperationRevoke, Payload: &payload.RevokeRequest{UniqueIdentifier: ref(uid), RevocationReason: reason}},
		payload.RequestItem{Operation: kmip.OperationDestroy, Payload: &payload.DestroyRequest{UniqueIdentifier: ref(uid)}},
		getItem(uid),
	)
	if got, want := statuses(r), []kmip.ResultStatus{undone, undone, undone, undone, undone, failed}; !equal(got, want) {
		t.Fatalf("statuses %v, want %v: %+v", got, want, r.Items)
	}
	after := one[payload.GetAttributesResponse](s, kmip.V14, kmip.OperationGetAttributes, &payload.GetAttributesRequest{UniqueIdentifier: ref(uid)}).Attributes.Attributes
	if len(before) != len(after) {
		t.Fatalf("%d attributes before, %d after", len(before), len(after))
	}
	for i := range before {
		if !before[i].Value.Equal(after[i].Value) {
			t.Errorf("%s changed: %+v, was %+v", before[i], after[i].Value, before[i].Value)
		}
	}
	one[payload.GetResponse](s, kmip.V14, kmip.OperationGet, &payload.GetRequest{UniqueIdentifier: ref(uid)})
}

func TestUndoableBatchThatSucceedsIsDone(t *testing.T) {
	s := newServer(t)
	r := s.send(kmip.V21, kmip.BatchErrorContinuationOptionUndo, createItem("a"), activateItem(""), getItem(""))
	if got := statuses(r); !equal(got, []kmip.ResultStatus{ok, ok, ok}) {
		t.Fatalf("statuses %v: %+v", got, r.Items)
	}
	uid := r.Items[0].Payload.(*payload.CreateResponse).UniqueIdentifier
	got := one[payload.GetAttributesResponse](s, kmip.V21, kmip.OperationGetAttributes, &payload.GetAttributesRequest{UniqueIdentifier: ref(uid)})
	if st := kmip.State(got.Attributes.Attributes.Uint32(kmip.TagState)); st != kmip.StateActive {
		t.Errorf("state %s, want Active", st)
	}
}

func TestPlaceholder(t *testing.T) {
	s := newServer(t)
	locate := func(n string, maximum int32) payload.RequestItem {
		return payload.RequestItem{Operation: kmip.OperationLocate, Payload: &payload.LocateRequest{MaximumItems: &maximum, Attributes: payload.AttributeList{Attributes: template(name(n)).Attributes}}}
	}
	if r := s.send(kmip.V11, 0, createItem("a"), getItem("")); !equal(statuses(r), []kmip.ResultStatus{ok, ok}) {
		t.Errorf("Get after Create: %+v", r.Items)
	}
	if r := s.send(kmip.V11, 0, locate("a", 1), getItem("")); !equal(statuses(r), []kmip.ResultStatus{ok, ok}) {
		t.Errorf("Get after Locate of one: %+v", r.Items)
	}
	r := s.send(kmip.V11, 0, locate("nothing", 1), getItem(""))
	if !equal(statuses(r), []kmip.ResultStatus{ok, failed}) || r.Items[1].Reason != kmip.ResultReasonItemNotFound {
		t.Errorf("Get after an empty Locate: %+v", r.Items)
	}
	if r := s.send(kmip.V21, 0, getItem("")); r.Items[0].Reason != kmip.ResultReasonObjectNotFound {
		t.Errorf("Get without anything: %+v", r.Items)
	}
	placed := payload.RequestItem{Operation: kmip.OperationGet, Payload: &payload.GetRequest{UniqueIdentifier: kmip.Reference{Enum: kmip.UniqueIdentifierEnumerationCreate}}}
	nth := payload.RequestItem{Operation: kmip.OperationGet, Payload: &payload.GetRequest{UniqueIdentifier: kmip.Reference{IsNth: true, Nth: 0}}}
	if r := s.send(kmip.V21, 0, createItem("b"), placed, nth); !equal(statuses(r), []kmip.ResultStatus{ok, ok, ok}) {
		t.Errorf("results addressed by kind and by number: %+v", r.Items)
	}
}

func TestResponseTooLargeFailsTheLargestItems(t *testing.T) {
	s := newServer(t)
	r := s.send(kmip.V14, 0, createItem("a"), payload.RequestItem{Operation: kmip.OperationGetAttributes, Payload: &payload.GetAttributesRequest{}})
	sizes := map[kmip.Operation]int{kmip.OperationCreate: 10, kmip.OperationGetAttributes: 1000}
	total := func() int {
		n := 0
		for _, i := range r.Items {
			if i.Err == nil {
				n += sizes[i.Operation]
			}
		}
		return n
	}
	if !operation.TooLarge(r, func(i payload.ResponseItem) int { return sizes[i.Operation] }, func() bool { return total() <= 100 }) {
		t.Fatal("cannot be made to fit")
	}
	if r.Items[0].Err != nil || kmip.KindOf(r.Items[1].Err) != kmip.KindResponseTooLarge {
		t.Errorf("items %v, %v", r.Items[0].Err, r.Items[1].Err)
	}
}
