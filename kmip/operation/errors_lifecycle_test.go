package operation_test

import (
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

func lifecycleRefusals() []refusal {
	activate := func(uid func(*fixture) string) func(*fixture) any {
		return func(f *fixture) any { return &payload.ActivateRequest{UniqueIdentifier: ref(uid(f))} }
	}
	revoke := func(uid func(*fixture) string, code kmip.RevocationReasonCode) func(*fixture) any {
		return func(f *fixture) any {
			return &payload.RevokeRequest{UniqueIdentifier: ref(uid(f)), RevocationReason: &payload.RevocationReason{RevocationReasonCode: code}}
		}
	}
	destroy := func(uid func(*fixture) string) func(*fixture) any {
		return func(f *fixture) any { return &payload.DestroyRequest{UniqueIdentifier: ref(uid(f))} }
	}
	allocate := func(uid func(*fixture) string, n int64) func(*fixture) any {
		return func(f *fixture) any {
			return &payload.GetUsageAllocationRequest{UniqueIdentifier: ref(uid(f)), UsageLimitsCount: &n}
		}
	}
	lease := func(uid func(*fixture) string) func(*fixture) any {
		return func(f *fixture) any { return &payload.ObtainLeaseRequest{UniqueIdentifier: ref(uid(f))} }
	}
	illegal := since2(kmip.ResultReasonIllegalOperation, kmip.ResultReasonInvalidObjectType)
	gone := since2(kmip.ResultReasonPermissionDenied, kmip.ResultReasonObjectDestroyed)
	exceeded := since2(kmip.ResultReasonPermissionDenied, kmip.ResultReasonUsageLimitExceeded)
	day := 24 * time.Hour
	sign := int32(kmip.CryptographicUsageMaskSign)
	return []refusal{
		{op: kmip.OperationActivate, name: "no such object", request: activate(nothing), want: notThere},
		withoutIdentifier(kmip.OperationActivate, &payload.ActivateRequest{}),
		{op: kmip.OperationActivate, name: "a template", request: activate(func(f *fixture) string { return f.template }), want: illegal},
		{op: kmip.OperationActivate, name: "an Active object", request: activate(func(f *fixture) string { return f.active }), want: wrongState},
		{op: kmip.OperationActivate, name: "a Deactivated object", request: activate(func(f *fixture) string { return f.revoked }), want: wrongState},
		{op: kmip.OperationActivate, name: "a destroyed object", request: activate(func(f *fixture) string { return f.destroyed }), want: wrongState},
		{op: kmip.OperationActivate, name: "an archived object", request: activate(func(f *fixture) string { return f.archived }), want: archivedNow},

		{op: kmip.OperationRevoke, name: "no such object", request: revoke(nothing, kmip.RevocationReasonCodeSuperseded), want: notThere},
		withoutIdentifier(kmip.OperationRevoke, &payload.RevokeRequest{RevocationReason: superseded()}),
		{op: kmip.OperationRevoke, name: "a template", request: revoke(func(f *fixture) string { return f.template }, kmip.RevocationReasonCodeKeyCompromise), want: illegal},
		{op: kmip.OperationRevoke, name: "a code of nobody", request: revoke(func(f *fixture) string { return f.active }, 0x80000007), want: since2(kmip.ResultReasonInvalidField, kmip.ResultReasonUnknownEnumeration)},
		{op: kmip.OperationRevoke, name: "a code that there is not", request: revoke(func(f *fixture) string { return f.active }, kmip.RevocationReasonCodeSuperseded), want: since2(kmip.ResultReasonInvalidField, kmip.ResultReasonUnknownEnumeration), edit: setField(
			kmip.Structure(kmip.TagRevocationReason, kmip.Enumeration(kmip.TagRevocationReasonCode, uint32(99))))},
		{op: kmip.OperationRevoke, name: "no reason", request: func(f *fixture) any { return &payload.RevokeRequest{UniqueIdentifier: ref(f.active)} }, want: wrongMessage},
		{op: kmip.OperationRevoke, name: "when it was compromised, without a compromise", request: func(f *fixture) any {
			return &payload.RevokeRequest{UniqueIdentifier: ref(f.active), RevocationReason: superseded(), CompromiseOccurrenceDate: time.Unix(1, 0)}
		}, want: wrongField},
		{op: kmip.OperationRevoke, name: "a Pre-Active object without compromise", request: revoke(func(f *fixture) string { return f.preActive }, kmip.RevocationReasonCodeSuperseded), want: wrongState},
		{op: kmip.OperationRevoke, name: "an archived object", request: revoke(func(f *fixture) string { return f.archived }, kmip.RevocationReasonCodeSuperseded), want: archivedNow},

		{op: kmip.OperationDestroy, name: "no such object", request: destroy(nothing), want: notThere},
		withoutIdentifier(kmip.OperationDestroy, &payload.DestroyRequest{}),
		{op: kmip.OperationDestroy, name: "a destroyed object", request: destroy(func(f *fixture) string { return f.destroyed }), want: gone},
		{op: kmip.OperationDestroy, name: "an Active object", request: destroy(func(f *fixture) string { return f.active }), want: wrongState},
		{op: kmip.OperationDestroy, name: "an archived object", request: destroy(func(f *fixture) string { return f.archived }), want: archivedNow},

		{op: kmip.OperationArchive, name: "no such object", request: func(*fixture) any { return &payload.ArchiveRequest{UniqueIdentifier: ref("nothing")} }, want: notThere},
		withoutIdentifier(kmip.OperationArchive, &payload.ArchiveRequest{}),
		{op: kmip.OperationArchive, name: "an archived object", request: func(f *fixture) any { return &payload.ArchiveRequest{UniqueIdentifier: ref(f.archived)} }, want: archivedNow},

		{op: kmip.OperationRecover, name: "no such object", request: func(*fixture) any { return &payload.RecoverRequest{UniqueIdentifier: ref("nothing")} }, want: notThere},
		withoutIdentifier(kmip.OperationRecover, &payload.RecoverRequest{}),

		{op: kmip.OperationCheck, name: "no such object", request: func(*fixture) any { return &payload.CheckRequest{UniqueIdentifier: ref("nothing")} }, want: notThere},
		withoutIdentifier(kmip.OperationCheck, &payload.CheckRequest{}),
		{op: kmip.OperationCheck, name: "an archived object", request: func(f *fixture) any { return &payload.CheckRequest{UniqueIdentifier: ref(f.archived)} }, want: archivedNow},
		{op: kmip.OperationCheck, name: "an object that cannot be used", request: func(f *fixture) any {
			return &payload.CheckRequest{UniqueIdentifier: ref(f.template), CryptographicUsageMask: &sign}
		}, want: since2(kmip.ResultReasonIllegalOperation, kmip.ResultReasonIllegalObjectType)},
		{op: kmip.OperationCheck, name: "a mask that is not allowed", request: func(f *fixture) any {
			return &payload.CheckRequest{UniqueIdentifier: ref(f.active), CryptographicUsageMask: &sign}
		}, want: wrongMask},
		{op: kmip.OperationCheck, name: "more usage than is left", request: func(f *fixture) any {
			return &payload.CheckRequest{UniqueIdentifier: ref(f.limited), UsageLimitsCount: ptr(int64(2))}
		}, want: exceeded},
		{op: kmip.OperationCheck, name: "a longer lease than is granted", request: func(f *fixture) any {
			return &payload.CheckRequest{UniqueIdentifier: ref(f.active), LeaseTime: &day}
		}, want: always(kmip.ResultReasonPermissionDenied)},

		{op: kmip.OperationObtainLease, name: "no such object", request: lease(nothing), want: notThere},
		withoutIdentifier(kmip.OperationObtainLease, &payload.ObtainLeaseRequest{}),
		{op: kmip.OperationObtainLease, name: "an archived object", request: lease(func(f *fixture) string { return f.archived }), want: archivedNow},
		{op: kmip.OperationObtainLease, name: "no lease is granted: a destroyed object", request: lease(func(f *fixture) string { return f.destroyed }), want: gone},

		{op: kmip.OperationGetUsageAllocation, name: "no such object", request: allocate(nothing, 1), want: notThere},
		withoutIdentifier(kmip.OperationGetUsageAllocation, &payload.GetUsageAllocationRequest{UsageLimitsCount: ptr(int64(1))}),
		{op: kmip.OperationGetUsageAllocation, name: "no Usage Limits", request: allocate(func(f *fixture) string { return f.active }, 1), want: since2(kmip.ResultReasonIllegalOperation, kmip.ResultReasonAttributeNotFound)},
		{op: kmip.OperationGetUsageAllocation, name: "an object that protects nothing", request: allocate(func(f *fixture) string { return f.opaque }, 1), want: illegal},
		{op: kmip.OperationGetUsageAllocation, name: "no count", request: func(f *fixture) any { return &payload.GetUsageAllocationRequest{UniqueIdentifier: ref(f.limited)} }, want: wrongMessage},
		{op: kmip.OperationGetUsageAllocation, name: "more than is left", request: allocate(func(f *fixture) string { return f.limited }, 2), want: exceeded},
		{op: kmip.OperationGetUsageAllocation, name: "a negative count", request: allocate(func(f *fixture) string { return f.limited }, -1), want: wrongField},
		{op: kmip.OperationGetUsageAllocation, name: "an archived object", request: allocate(func(f *fixture) string { return f.archived }, 1), want: archivedNow},

		{op: kmip.OperationDeactivate, name: "no such object", request: func(*fixture) any { return &payload.DeactivateRequest{UniqueIdentifier: ref("nothing")} }, want: notThere},
		{op: kmip.OperationDeactivate, name: "a Pre-Active object", request: func(f *fixture) any { return &payload.DeactivateRequest{UniqueIdentifier: ref(f.preActive)} }, want: wrongState},
		{op: kmip.OperationDeactivate, name: "an archived object", request: func(f *fixture) any { return &payload.DeactivateRequest{UniqueIdentifier: ref(f.archived)} }, want: archivedNow},

		{op: kmip.OperationObliterate, name: "no such object", request: func(*fixture) any { return &payload.ObliterateRequest{UniqueIdentifier: ref("nothing")} }, want: notThere},
		{op: kmip.OperationObliterate, name: "an Active object", request: func(f *fixture) any { return &payload.ObliterateRequest{UniqueIdentifier: ref(f.active)} }, want: wrongState},
	}
}

func nothing(*fixture) string { return "nothing" }

// Each error of the operations on the life of an object has the reason that its
// version gives it (1.4 §11.11, §11.18 to §11.24; 2.1 §6.1).
func TestErrorsOfTheLifecycle(t *testing.T) { refuse(t, lifecycleRefusals()) }
