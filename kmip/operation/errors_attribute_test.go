package operation_test

import (
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

// namespaced is Application Specific Information that leaves the data to the
// server, which has no namespace that it makes data for.
func namespaced() kmip.Item {
	return kmip.Structure(kmip.TagApplicationSpecificInformation, kmip.Text(kmip.TagApplicationNamespace, "ldap"))
}

var noNamespace = always(kmip.ResultReasonApplicationNamespaceNotSupported)

// attributeNamed puts an attribute that the version does not have into a payload,
// where it says which attribute is meant.
func attributeNamed(v func() kmip.Version, tag kmip.Tag) func(*kmip.Item) {
	return func(p *kmip.Item) {
		if v() < kmip.V20 {
			setField(kmip.Structure(kmip.TagAttribute, kmip.Text(kmip.TagAttributeName, "No Such Attribute"), kmip.Text(kmip.TagAttributeValue, "x")))(p)
			return
		}
		setField(kmip.Structure(tag, kmip.Text(kmip.TagUsername, "x")))(p)
	}
}

func attributeRefusals(v func() kmip.Version) []refusal {
	add := func(uid func(*fixture) string, i kmip.Item) func(*fixture) any {
		return func(f *fixture) any {
			return &payload.AddAttributeRequest{UniqueIdentifier: ref(uid(f)), NewAttribute: attribute(i)}
		}
	}
	modify := func(uid func(*fixture) string, i kmip.Item) func(*fixture) any {
		return func(f *fixture) any {
			return &payload.ModifyAttributeRequest{UniqueIdentifier: ref(uid(f)), NewAttribute: attribute(i)}
		}
	}
	set := func(uid func(*fixture) string, i kmip.Item) func(*fixture) any {
		return func(f *fixture) any {
			return &payload.SetAttributeRequest{UniqueIdentifier: ref(uid(f)), NewAttribute: attribute(i)}
		}
	}
	del := func(uid func(*fixture) string, tag kmip.Tag) func(*fixture) any {
		return func(f *fixture) any {
			return &payload.DeleteAttributeRequest{UniqueIdentifier: ref(uid(f)), AttributeReference: []kmip.AttributeID{{Tag: tag}}}
		}
	}
	adjust := func(uid func(*fixture) string, tag kmip.Tag, how kmip.AdjustmentType, by *kmip.Item) func(*fixture) any {
		return func(f *fixture) any {
			return &payload.AdjustAttributeRequest{UniqueIdentifier: ref(uid(f)), AttributeReference: []kmip.AttributeID{{Tag: tag}}, AdjustmentType: how, AdjustmentValue: by}
		}
	}
	active := func(f *fixture) string { return f.active }
	preActive := func(f *fixture) string { return f.preActive }
	archived := func(f *fixture) string { return f.archived }
	grouped := func(f *fixture) string { return f.grouped }
	contact := kmip.Text(kmip.TagContactInformation, "c")
	state := kmip.Enumeration(kmip.TagState, kmip.StateActive)
	activation := kmip.DateTime(kmip.TagActivationDate, time.Unix(1_700_000_000, 0))
	one, big, text := kmip.Interval(kmip.TagAdjustmentValue, time.Second), kmip.Interval(kmip.TagAdjustmentValue, 1<<31*time.Second), kmip.Text(kmip.TagAdjustmentValue, "x")
	readOnlyAdd := since21(kmip.ResultReasonPermissionDenied, kmip.ResultReasonReadOnlyAttribute)
	readOnlySet := since2(0, kmip.ResultReasonReadOnlyAttribute)
	nameTaken := since2(kmip.ResultReasonIllegalOperation, kmip.ResultReasonNonUniqueNameAttribute)
	absent := since2(kmip.ResultReasonItemNotFound, kmip.ResultReasonAttributeNotFound)
	noInstance := since2(kmip.ResultReasonItemNotFound, kmip.ResultReasonAttributeInstanceNotFound)
	return []refusal{
		{op: kmip.OperationAddAttribute, name: "no such object", request: add(nothing, contact), want: notThere},
		withoutIdentifier(kmip.OperationAddAttribute, &payload.AddAttributeRequest{NewAttribute: attribute(contact)}),
		{op: kmip.OperationAddAttribute, name: "a read-only attribute", request: add(active, state), want: readOnlyAdd},
		{op: kmip.OperationAddAttribute, name: "an attribute that there is not", request: add(active, contact), edit: attributeNamed(v, kmip.TagNewAttribute), want: since2(kmip.ResultReasonPermissionDenied, kmip.ResultReasonInvalidAttribute)},
		{op: kmip.OperationAddAttribute, name: "an attribute that is there and has one value", request: add(active, activation), want: since2(kmip.ResultReasonIllegalOperation, kmip.ResultReasonAttributeSingleValued)},
		{op: kmip.OperationAddAttribute, name: "with an index", request: add(active, contact), until: kmip.V14, want: wrongField, edit: func(p *kmip.Item) {
			setField(kmip.Structure(kmip.TagAttribute, kmip.Text(kmip.TagAttributeName, "Contact Information"), kmip.Integer(kmip.TagAttributeIndex, 3), kmip.Text(kmip.TagAttributeValue, "x")))(p)
		}},
		{op: kmip.OperationAddAttribute, name: "a Name that is taken", request: add(active, name("taken")), want: nameTaken},
		{op: kmip.OperationAddAttribute, name: "a Name that it has", request: add(active, name("active")), want: nameTaken},
		{op: kmip.OperationAddAttribute, name: "one instance too many", request: add(grouped, kmip.Text(kmip.TagObjectGroup, "one more")), want: tooMany},
		{op: kmip.OperationAddAttribute, name: "a namespace without data", request: add(active, namespaced()), since: kmip.V12, want: noNamespace},
		{op: kmip.OperationAddAttribute, name: "a date in the wrong state", request: add(func(f *fixture) string { return f.revoked }, kmip.DateTime(kmip.TagProtectStopDate, time.Unix(4_000_000_000, 0))), want: wrongState},
		{op: kmip.OperationAddAttribute, name: "an archived object", request: add(archived, contact), want: archivedNow},

		{op: kmip.OperationModifyAttribute, name: "no such object", request: modify(nothing, contact), want: notThere},
		withoutIdentifier(kmip.OperationModifyAttribute, &payload.ModifyAttributeRequest{NewAttribute: attribute(contact)}),
		{op: kmip.OperationModifyAttribute, name: "an attribute that it does not have", request: modify(active, contact), want: since2(kmip.ResultReasonInvalidField, kmip.ResultReasonAttributeNotFound)},
		{op: kmip.OperationModifyAttribute, name: "an attribute that there is not", request: modify(active, contact), edit: attributeNamed(v, kmip.TagNewAttribute), want: since2(kmip.ResultReasonInvalidField, kmip.ResultReasonAttributeNotFound)},
		{op: kmip.OperationModifyAttribute, name: "no such instance", until: kmip.V14, request: func(f *fixture) any {
			return &payload.ModifyAttributeRequest{UniqueIdentifier: ref(f.active), NewAttribute: &payload.Instance{Attribute: kmip.NewAttribute(name("z")), Index: ptr(int32(7))}}
		}, want: noInstance},
		{op: kmip.OperationModifyAttribute, name: "no such instance by its value", since: kmip.V20, request: func(f *fixture) any {
			return &payload.ModifyAttributeRequest{UniqueIdentifier: ref(f.active), CurrentAttribute: attribute(name("q")), NewAttribute: attribute(name("z"))}
		}, want: noInstance},
		{op: kmip.OperationModifyAttribute, name: "one of several instances", since: kmip.V20, until: kmip.V21, request: modify(grouped, kmip.Text(kmip.TagObjectGroup, "z")), want: since2(0, kmip.ResultReasonMultiValuedAttribute)},
		{op: kmip.OperationModifyAttribute, name: "a read-only attribute", request: modify(active, state), want: readOnlyMade},
		{op: kmip.OperationModifyAttribute, name: "a Name that is taken", request: modify(active, name("taken")), want: nameTaken},
		{op: kmip.OperationModifyAttribute, name: "a namespace without data", request: modify(active, namespaced()), since: kmip.V12, want: noNamespace},
		{op: kmip.OperationModifyAttribute, name: "a date in the wrong state", request: modify(active, activation), want: wrongState},
		{op: kmip.OperationModifyAttribute, name: "an archived object", request: modify(archived, contact), want: archivedNow},

		{op: kmip.OperationDeleteAttribute, name: "no such object", request: del(nothing, kmip.TagContactInformation), want: notThere},
		withoutIdentifier(kmip.OperationDeleteAttribute, &payload.DeleteAttributeRequest{AttributeReference: []kmip.AttributeID{{Tag: kmip.TagContactInformation}}}),
		{op: kmip.OperationDeleteAttribute, name: "a read-only attribute", request: del(active, kmip.TagState), want: readOnlyMade},
		{op: kmip.OperationDeleteAttribute, name: "a required attribute", request: del(active, kmip.TagCryptographicUsageMask), want: readOnlyMade},
		{op: kmip.OperationDeleteAttribute, name: "no such instance", until: kmip.V14, request: func(f *fixture) any {
			return &payload.DeleteAttributeRequest{UniqueIdentifier: ref(f.active), AttributeReference: []kmip.AttributeID{{Tag: kmip.TagName}}, AttributeIndex: ptr(int32(7))}
		}, want: noInstance},
		{op: kmip.OperationDeleteAttribute, name: "no such instance by its value", since: kmip.V20, request: func(f *fixture) any {
			return &payload.DeleteAttributeRequest{UniqueIdentifier: ref(f.active), CurrentAttribute: attribute(name("q"))}
		}, want: noInstance},
		{op: kmip.OperationDeleteAttribute, name: "an attribute that it does not have", request: del(active, kmip.TagContactInformation), want: absent},
		{op: kmip.OperationDeleteAttribute, name: "neither attribute nor instance", since: kmip.V20, request: func(f *fixture) any { return &payload.DeleteAttributeRequest{UniqueIdentifier: ref(f.active)} }, want: wrongMessage},
		{op: kmip.OperationDeleteAttribute, name: "an archived object", request: del(archived, kmip.TagContactInformation), want: archivedNow},

		{op: kmip.OperationSetAttribute, name: "no such object", request: set(nothing, contact), want: notThere},
		withoutIdentifier(kmip.OperationSetAttribute, &payload.SetAttributeRequest{NewAttribute: attribute(contact)}),
		{op: kmip.OperationSetAttribute, name: "a read-only attribute", request: set(active, state), want: readOnlySet},
		{op: kmip.OperationSetAttribute, name: "an attribute with several values", request: set(grouped, kmip.Text(kmip.TagObjectGroup, "z")), want: since2(0, kmip.ResultReasonMultiValuedAttribute)},
		{op: kmip.OperationSetAttribute, name: "a Name that is taken", request: set(active, name("taken")), want: nameTaken},
		{op: kmip.OperationSetAttribute, name: "an impossible value", request: set(active, name("")), want: wrongValue},
		{op: kmip.OperationSetAttribute, name: "an attribute that there is not", request: set(active, contact), edit: attributeNamed(v, kmip.TagNewAttribute), want: since2(0, kmip.ResultReasonUnsupportedAttribute)},
		{op: kmip.OperationSetAttribute, name: "a date in the wrong state", request: set(active, activation), want: wrongState},
		{op: kmip.OperationSetAttribute, name: "an archived object", request: set(archived, contact), want: archivedNow},

		{op: kmip.OperationAdjustAttribute, name: "no such object", request: adjust(nothing, kmip.TagProtectionPeriod, kmip.AdjustmentTypeIncrement, &one), want: always(kmip.ResultReasonItemNotFound)},
		withoutIdentifierAs(kmip.OperationAdjustAttribute, adjust(nothing, kmip.TagProtectionPeriod, kmip.AdjustmentTypeIncrement, &one)(nil)),
		{op: kmip.OperationAdjustAttribute, name: "a value that is no number", request: adjust(active, kmip.TagName, kmip.AdjustmentTypeIncrement, &one), want: always(kmip.ResultReasonInvalidDataType)},
		{op: kmip.OperationAdjustAttribute, name: "an amount that is no number", request: adjust(preActive, kmip.TagProtectionPeriod, kmip.AdjustmentTypeIncrement, &text), want: always(kmip.ResultReasonInvalidDataType)},
		{op: kmip.OperationAdjustAttribute, name: "several values", request: adjust(grouped, kmip.TagObjectGroup, kmip.AdjustmentTypeIncrement, &one), until: kmip.V21, want: always(kmip.ResultReasonMultiValuedAttribute)},
		{op: kmip.OperationAdjustAttribute, name: "out of its range", request: adjust(func(f *fixture) string { return f.period }, kmip.TagProtectionPeriod, kmip.AdjustmentTypeIncrement, &big), want: always(kmip.ResultReasonNumericRange)},
		{op: kmip.OperationAdjustAttribute, name: "a read-only attribute", request: adjust(active, kmip.TagCryptographicLength, kmip.AdjustmentTypeIncrement, nil), want: always(kmip.ResultReasonReadOnlyAttribute)},
		{op: kmip.OperationAdjustAttribute, name: "an attribute that there is not", request: adjust(active, kmip.TagName, kmip.AdjustmentTypeIncrement, &one), want: always(kmip.ResultReasonUnsupportedAttribute), edit: setField(
			kmip.Enumeration(kmip.TagAttributeReference, uint32(kmip.TagUsername)))},
		{op: kmip.OperationAdjustAttribute, name: "a date in the wrong state", request: adjust(active, kmip.TagActivationDate, kmip.AdjustmentTypeIncrement, &one), want: wrongState},
		{op: kmip.OperationAdjustAttribute, name: "an archived object", request: adjust(archived, kmip.TagProtectionPeriod, kmip.AdjustmentTypeIncrement, &one), want: archivedNow},

		{op: kmip.OperationGetAttributes, name: "no such object", request: func(*fixture) any { return &payload.GetAttributesRequest{UniqueIdentifier: ref("nothing")} }, want: reasons{
			kmip.ResultReasonItemNotFound, kmip.ResultReasonObjectNotFound, kmip.ResultReasonObjectNotFound, kmip.ResultReasonItemNotFound,
		}},
		withoutIdentifier(kmip.OperationGetAttributes, &payload.GetAttributesRequest{}),
		{op: kmip.OperationGetAttributes, name: "an attribute that is named twice", request: func(f *fixture) any {
			return &payload.GetAttributesRequest{UniqueIdentifier: ref(f.active), AttributeReference: []kmip.AttributeID{{Tag: kmip.TagName}, {Tag: kmip.TagName}}}
		}, want: wrongMessage},
		{op: kmip.OperationGetAttributes, name: "an archived object", request: func(f *fixture) any { return &payload.GetAttributesRequest{UniqueIdentifier: ref(f.archived)} }, want: archivedNow},

		{op: kmip.OperationGetAttributeList, name: "no such object", request: func(*fixture) any { return &payload.GetAttributeListRequest{UniqueIdentifier: ref("nothing")} }, want: notThere},
		withoutIdentifier(kmip.OperationGetAttributeList, &payload.GetAttributeListRequest{}),
		{op: kmip.OperationGetAttributeList, name: "an archived object", request: func(f *fixture) any { return &payload.GetAttributeListRequest{UniqueIdentifier: ref(f.archived)} }, want: archivedNow},

		{op: kmip.OperationLocate, name: "an attribute that there is not", request: func(*fixture) any { return &payload.LocateRequest{} }, want: since2(kmip.ResultReasonInvalidField, kmip.ResultReasonInvalidAttribute), edit: func(p *kmip.Item) {
			if v() < kmip.V20 {
				attributeNamed(v, 0)(p)
				return
			}
			setField(kmip.Structure(kmip.TagAttributes, kmip.Text(kmip.TagUsername, "x")))(p)
		}},
		{op: kmip.OperationLocate, name: "a template that there is not", until: kmip.V14, request: func(*fixture) any { return &payload.LocateRequest{} }, want: wrongField, edit: setField(
			kmip.Structure(kmip.TagTemplateAttribute, kmip.NameValue{Value: "nowhere", Type: kmip.NameTypeUninterpretedTextString}.Item()))},
	}
}

// withoutIdentifierAs is withoutIdentifier for an operation that lists Item Not
// Found where others have Object Not Found. What names an object names none.
func withoutIdentifierAs(op kmip.Operation, request any) refusal {
	r := withoutIdentifier(op, request)
	r.edit = dropField(kmip.TagUniqueIdentifier)
	r.want = always(kmip.ResultReasonItemNotFound)
	return r
}

// Each error of the operations on attributes has the reason that its version
// gives it (1.4 §11.10, §11.13 to §11.17; 2.1 §6.1).
func TestErrorsOfAttributes(t *testing.T) {
	var f *fixture
	list := attributeRefusals(func() kmip.Version { return f.v })
	refuseOn(t, &f, list)
}
