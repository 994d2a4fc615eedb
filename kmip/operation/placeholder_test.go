package operation_test

import (
	"testing"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

// What an item leaves in the ID Placeholder for those after it (1.4 §4, 2.1 §6.1):
// itself, what was there before, or nothing. The tests of the operations that make
// objects show that these become it.
func TestWhatItemsLeaveInThePlaceholder(t *testing.T) {
	inEvery(t, kmip.V10, func(t *testing.T, s *server, v kmip.Version) {
		k := s.create(v, items(aes(name("k"), s.now(), kmip.Text(kmip.TagContactInformation, "c")))...)
		other := s.create(v, items(aes(name("other")))...)
		sign := int32(kmip.CryptographicUsageMaskSign)
		locate := func(n string, maximum *int32) payload.RequestItem {
			r := &payload.LocateRequest{MaximumItems: maximum}
			if n != "" {
				r.Attributes = payload.AttributeList{Attributes: template(name(n)).Attributes}
			}
			return batch(kmip.OperationLocate, r)
		}
		const kept, emptied, newest = "kept", "emptied", "other"
		for _, c := range []struct {
			name  string
			since kmip.Version
			item  payload.RequestItem
			want  string
		}{
			{"Get", 0, getItem(""), kept},
			{"Get of another", 0, getItem(other), kept},
			{"Get Attributes", 0, batch(kmip.OperationGetAttributes, &payload.GetAttributesRequest{UniqueIdentifier: ref(other)}), kept},
			{"Get Attribute List", 0, batch(kmip.OperationGetAttributeList, &payload.GetAttributeListRequest{}), kept},
			{"Modify Attribute", 0, batch(kmip.OperationModifyAttribute, &payload.ModifyAttributeRequest{NewAttribute: attribute(kmip.Text(kmip.TagContactInformation, "d"))}), kept},
			{"Obtain Lease of another", 0, batch(kmip.OperationObtainLease, &payload.ObtainLeaseRequest{UniqueIdentifier: ref(other)}), kept},
			{"Check", 0, batch(kmip.OperationCheck, &payload.CheckRequest{}), kept},
			{"Check that is refused", 0, batch(kmip.OperationCheck, &payload.CheckRequest{CryptographicUsageMask: &sign}), emptied},
			{"Query", 0, batch(kmip.OperationQuery, &payload.QueryRequest{QueryFunction: []kmip.QueryFunction{kmip.QueryFunctionQueryObjects}}), kept},
			{"what fails", 0, batch(kmip.OperationActivate, &payload.ActivateRequest{UniqueIdentifier: ref("nothing")}), kept},
			{"Create that fails", 0, createItem("k"), kept},
			{"Locate of one", 0, locate("other", nil), newest},
			{"Locate of none", 0, locate("nowhere", nil), emptied},
			{"Locate of several", 0, locate("", nil), emptied},
			{"Locate of several, one is wanted", 0, locate("", ptr(int32(1))), newest},
			{"Recover of another", 0, batch(kmip.OperationRecover, &payload.RecoverRequest{UniqueIdentifier: ref(other)}), newest},
			{"RNG Retrieve", kmip.V12, batch(kmip.OperationRNGRetrieve, &payload.RNGRetrieveRequest{DataLength: ptr(int32(4))}), kept},
			{"Export of another", kmip.V14, batch(kmip.OperationExport, &payload.ExportRequest{UniqueIdentifier: ref(other)}), newest},
			{"Set Attribute of another", kmip.V20, batch(kmip.OperationSetAttribute, &payload.SetAttributeRequest{UniqueIdentifier: ref(other), NewAttribute: attribute(kmip.Text(kmip.TagComment, "c"))}), kept},
		} {
			if v < c.since {
				continue
			}
			r := s.send(v, kmip.BatchErrorContinuationOptionContinue, locate("k", nil), c.item, batch(kmip.OperationGetAttributes, &payload.GetAttributesRequest{}))
			last := r.Items[len(r.Items)-1]
			got := emptied
			if p, isThere := last.Payload.(*payload.GetAttributesResponse); isThere {
				got = map[string]string{k: kept, other: newest}[p.UniqueIdentifier]
			}
			if got != c.want {
				t.Errorf("%s: the ID Placeholder is %s, want %s (%s)", c.name, got, c.want, last.Message)
			}
		}
	})
}
