package operation_test

import (
	"testing"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

func TestAnItemIsRepeatedForEachIdentifierThatItsReferenceStandsFor(t *testing.T) {
	located := kmip.Reference{Enum: kmip.UniqueIdentifierEnumerationLocate}
	for _, v := range []kmip.Version{kmip.V20, kmip.V21, kmip.V30} {
		for option, want := range map[kmip.BatchErrorContinuationOption][]kmip.ResultStatus{
			kmip.BatchErrorContinuationOptionContinue: {ok, ok, failed, ok, ok},
			kmip.BatchErrorContinuationOptionStop:     {ok, ok, failed},
		} {
			t.Run(v.String()+" "+option.String(), func(t *testing.T) {
				s := newServer(t)
				var uids []string
				for _, n := range []string{"a", "b", "c"} {
					uids = append(uids, one[payload.CreateResponse](s, v, kmip.OperationCreate, createItem(n).Payload).UniqueIdentifier)
				}
				one[payload.ActivateResponse](s, v, kmip.OperationActivate, activateItem(uids[1]).Payload)
				r := s.send(v, option, payload.RequestItem{Operation: kmip.OperationLocate, Payload: &payload.LocateRequest{}},
					payload.RequestItem{Operation: kmip.OperationActivate, Payload: &payload.ActivateRequest{UniqueIdentifier: located}},
					payload.RequestItem{Operation: kmip.OperationGet, Payload: &payload.GetRequest{UniqueIdentifier: kmip.Reference{IsNth: true, Nth: -1}}})
				if got := statuses(r); !equal(got, want) {
					t.Fatalf("statuses %v, want %v", got, want)
				}
				for n, i := range r.Items[1:min(4, len(r.Items))] {
					if v < kmip.V30 && string(i.UniqueBatchItemID) != "\x02" || i.Operation != kmip.OperationActivate {
						t.Errorf("item %d is %s with the batch item ID %x", n+1, i.Operation, i.UniqueBatchItemID)
					}
				}
			})
		}
	}
}

func TestALinkMayNameTheResultOfAnEarlierItem(t *testing.T) {
	link := func(target kmip.Item) kmip.Attribute {
		return kmip.NewAttribute(kmip.Structure(kmip.TagLink, kmip.Enumeration(kmip.TagLinkType, kmip.LinkTypeParentLink), target.WithTag(kmip.TagLinkedObjectIdentifier)))
	}
	for name, target := range map[string]kmip.Item{
		"the last of an operation": kmip.Enumeration(kmip.TagUniqueIdentifier, kmip.UniqueIdentifierEnumerationCreate),
		"the placeholder":          kmip.Enumeration(kmip.TagUniqueIdentifier, kmip.UniqueIdentifierEnumerationIDPlaceholder),
		"the nth":                  kmip.Integer(kmip.TagUniqueIdentifier, 0),
		"the nth from the end":     kmip.Integer(kmip.TagUniqueIdentifier, -1),
	} {
		for _, v := range []kmip.Version{kmip.V20, kmip.V21} {
			for how, item := range map[string]payload.RequestItem{
				"a new object":     {Operation: kmip.OperationCreate, Payload: &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: aes(link(target).Value)}},
				"an attribute":     {Operation: kmip.OperationAddAttribute, Payload: &payload.AddAttributeRequest{NewAttribute: &payload.Instance{Attribute: link(target)}}},
				"an undoable item": {Operation: kmip.OperationAddAttribute, Payload: &payload.AddAttributeRequest{NewAttribute: &payload.Instance{Attribute: link(target)}}},
			} {
				t.Run(name+" of "+how+" "+v.String(), func(t *testing.T) {
					s := newServer(t)
					option := kmip.BatchErrorContinuationOptionStop
					if how == "an undoable item" {
						option = kmip.BatchErrorContinuationOptionUndo
					}
					r := s.send(v, option, createItem("parent"), item, payload.RequestItem{Operation: kmip.OperationGetAttributes, Payload: &payload.GetAttributesRequest{}})
					if got := statuses(r); !equal(got, []kmip.ResultStatus{ok, ok, ok}) {
						t.Fatalf("statuses %v: %s", got, r.Items[len(r.Items)-1].Message)
					}
					parent := r.Items[0].Payload.(*payload.CreateResponse).UniqueIdentifier
					got := r.Items[2].Payload.(*payload.GetAttributesResponse).Attributes.Attributes.Instances(kmip.AttributeID{Tag: kmip.TagLink})
					if len(got) != 1 || kmip.LinkOf(got[0].Value).Target != parent {
						t.Errorf("the link is %v, want one to %s", got, parent)
					}
				})
			}
		}
	}
	t.Run("not in KMIP 1.4", func(t *testing.T) {
		s := newServer(t)
		r := s.send(kmip.V14, 0, createItem("parent"), payload.RequestItem{Operation: kmip.OperationAddAttribute, Payload: &payload.AddAttributeRequest{
			NewAttribute: &payload.Instance{Attribute: link(kmip.Integer(kmip.TagUniqueIdentifier, 0))},
		}})
		if got := statuses(r); !equal(got, []kmip.ResultStatus{ok, failed}) {
			t.Errorf("statuses %v", got)
		}
	})
	t.Run("nothing has been made", func(t *testing.T) {
		s := newServer(t)
		r := s.send(kmip.V21, 0, payload.RequestItem{Operation: kmip.OperationCreate, Payload: &payload.CreateRequest{
			ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: aes(link(kmip.Integer(kmip.TagUniqueIdentifier, 0)).Value),
		}})
		if r.Items[0].Status != failed {
			t.Errorf("statuses %v", statuses(r))
		}
	})
}

func TestItemsAreRepeatedSoOftenAndNotMore(t *testing.T) {
	s := newServer(t)
	for range 501 {
		s.create(kmip.V21, items(aes())...)
	}
	get := payload.RequestItem{Operation: kmip.OperationGetAttributeList, Payload: &payload.GetAttributeListRequest{UniqueIdentifier: kmip.Reference{Enum: kmip.UniqueIdentifierEnumerationLocate}}}
	r := s.send(kmip.V21, kmip.BatchErrorContinuationOptionContinue, payload.RequestItem{Operation: kmip.OperationLocate, Payload: &payload.LocateRequest{}}, get, get)
	if len(r.Items) != 1+501+1 || r.Items[501].Status != ok || r.Items[502].Status != failed {
		t.Errorf("%d items, the last %s; want 501 lists and a refusal", len(r.Items), r.Items[len(r.Items)-1].Status)
	}
}
