package operation_test

import (
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

func sessionRefusals() []refusal {
	unknown := since2(kmip.ResultReasonItemNotFound, kmip.ResultReasonInvalidAsynchronousCorrelationValue)
	badTicket := since2(0, kmip.ResultReasonInvalidTicket)
	readOnly := since21(0, kmip.ResultReasonAttributeReadOnly)
	nobody := []byte("0123456789abcdef")
	past := kmip.DateTime(kmip.TagLeaseTime, time.Unix(1, 0))
	wrongLease := kmip.Text(kmip.TagLeaseTime, "soon")
	user := &payload.ObjectTypes{ObjectType: []kmip.ObjectType{kmip.ObjectTypeUser}}
	state := template(kmip.Enumeration(kmip.TagState, kmip.StateActive))
	rights := func(fields ...kmip.Item) *kmip.Item {
		i := kmip.Structure(kmip.TagRights, right(fields...))
		return &i
	}
	certs := func(uids ...func(*fixture) string) func(*fixture) any {
		return func(f *fixture) any {
			r := &payload.ValidateRequest{}
			for _, uid := range uids {
				r.UniqueIdentifier = append(r.UniqueIdentifier, ref(uid(f)))
			}
			return r
		}
	}
	return []refusal{
		{op: kmip.OperationPoll, name: "no such request", request: func(*fixture) any { return &payload.PollRequest{AsynchronousCorrelationValue: nobody} }, want: unknown},
		{op: kmip.OperationPoll, name: "no value", request: func(*fixture) any { return &payload.PollRequest{} }, want: wrongMessage},
		{op: kmip.OperationProcess, name: "no such request", request: func(*fixture) any { return &payload.ProcessRequest{AsynchronousCorrelationValue: nobody} }, want: unknown},
		{op: kmip.OperationCancel, name: "no value", request: func(*fixture) any { return &payload.CancelRequest{} }, want: wrongMessage},

		{op: kmip.OperationLogin, name: "a Lease Time that is over", request: func(*fixture) any { return &payload.LoginRequest{LeaseTime: &past} }, want: wrongField},
		{op: kmip.OperationLogin, name: "a Lease Time that is none", request: func(*fixture) any { return &payload.LoginRequest{LeaseTime: &wrongLease} }, want: wrongMessage},
		{op: kmip.OperationLogin, name: "a negative Request Count", request: func(*fixture) any { return &payload.LoginRequest{RequestCount: ptr(int32(-1))} }, want: wrongField},
		{op: kmip.OperationDelegatedLogin, name: "no Rights", request: func(*fixture) any { return &payload.DelegatedLoginRequest{} }, want: wrongMessage},
		{op: kmip.OperationDelegatedLogin, name: "a Right of nothing", request: func(*fixture) any {
			return &payload.DelegatedLoginRequest{Rights: rights(kmip.Structure(kmip.TagOperations))}
		}, want: wrongField},
		{op: kmip.OperationLogout, name: "no such ticket", request: func(*fixture) any { return &payload.LogoutRequest{Ticket: ticketItem(nobody)} }, want: badTicket},
		{op: kmip.OperationLogout, name: "no ticket", request: func(*fixture) any { return &payload.LogoutRequest{} }, want: wrongMessage},

		{op: kmip.OperationSetDefaults, name: "defaults of what has none", since: kmip.V30, request: func(*fixture) any {
			return setDefaults(payload.ObjectDefaults{ObjectTypes: user, Attributes: template(name("x"))})
		}, want: since2(0, kmip.ResultReasonInvalidObjectType)},
		{op: kmip.OperationSetDefaults, name: "defaults of templates", until: kmip.V21, request: func(*fixture) any {
			return setDefaults(payload.ObjectDefaults{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: template(length(128))})
		}, edit: func(p *kmip.Item) { p.Items[0].Items[0].Items[0] = kmip.Enumeration(kmip.TagObjectType, uint32(0x77)) }, want: since2(0, kmip.ResultReasonUnknownEnumeration)},
		{op: kmip.OperationSetDefaults, name: "a default of what the server sets", request: func(*fixture) any {
			return setDefaults(payload.ObjectDefaults{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: state})
		}, want: readOnly},
		{op: kmip.OperationSetConstraints, name: "constraints of what has none", since: kmip.V30, request: func(*fixture) any { return constraints(payload.Constraint{ObjectTypes: user}) }, want: since2(0, kmip.ResultReasonInvalidObjectType)},
		{op: kmip.OperationSetConstraints, name: "no constraints", request: func(*fixture) any { return &payload.SetConstraintsRequest{} }, want: wrongMessage},

		{op: kmip.OperationSetEndpointRole, name: "a door that does not turn", request: func(*fixture) any { return &payload.SetEndpointRoleRequest{EndpointRole: kmip.EndpointRoleClient} }, want: always(kmip.ResultReasonFeatureNotSupported)},
		{op: kmip.OperationSetEndpointRole, name: "no role", request: func(*fixture) any { return &payload.SetEndpointRoleRequest{} }, want: wrongMessage},

		{op: kmip.OperationPKCS11, name: "another interface", request: func(*fixture) any {
			return &payload.PKCS11Request{PKCS11Interface: "other", PKCS11Function: kmip.PKCS11FunctionCInitialize}
		}, want: always(kmip.ResultReasonPKCS11InvalidInterface)},
		{op: kmip.OperationPKCS11, name: "arguments that cannot be read", request: func(*fixture) any {
			return &payload.PKCS11Request{PKCS11Function: kmip.PKCS11FunctionCInitialize, PKCS11InputParameters: []byte("xyz")}
		}, want: always(kmip.ResultReasonPKCS11CodecError)},
		{op: kmip.OperationPKCS11, name: "no such function", request: func(f *fixture) any {
			c := one[payload.PKCS11Response](f.server, f.v, kmip.OperationPKCS11, &payload.PKCS11Request{PKCS11Function: kmip.PKCS11FunctionCInitialize}).CorrelationValue
			return &payload.PKCS11Request{PKCS11Function: 0x80000001, CorrelationValue: c}
		}, want: always(kmip.ResultReasonPKCS11InvalidFunction)},

		{op: kmip.OperationQuery, name: "a group that nobody has", since: kmip.V21, request: func(f *fixture) any {
			return &payload.QueryRequest{QueryFunction: []kmip.QueryFunction{kmip.QueryFunctionQueryDefaultsInformation}, ObjectGroups: groupItems(f.v, "nowhere")}
		}, want: reasons{v21: kmip.ResultReasonUnknownObjectGroup, v30: kmip.ResultReasonObjectNotFound}},
		{op: kmip.OperationQuery, name: "no function", request: func(*fixture) any { return &payload.QueryRequest{} }, want: wrongMessage},

		{op: kmip.OperationValidate, name: "no certificate", request: certs(), want: wrongMessage},
		{op: kmip.OperationValidate, name: "no such certificate", request: certs(nothing), want: notThere},
		{op: kmip.OperationValidate, name: "what is no certificate", request: certs(func(f *fixture) string { return f.public }), want: since2(kmip.ResultReasonInvalidMessage, kmip.ResultReasonInvalidObjectType)},
		{op: kmip.OperationValidate, name: "an archived certificate", request: certs(func(f *fixture) string { return f.archived }), want: archivedNow},
		{op: kmip.OperationValidate, name: "a given certificate without value", request: func(*fixture) any {
			return &payload.ValidateRequest{Certificate: []kmip.Item{kmip.Structure(kmip.TagCertificate, kmip.Enumeration(kmip.TagCertificateType, kmip.CertificateTypeX509))}}
		}, want: wrongMessage},

		{op: kmip.OperationLog, name: "no message", request: func(*fixture) any { return &payload.LogRequest{} }, want: wrongMessage},
		{op: kmip.OperationReProvision, name: "who has no certificate of its own", request: func(*fixture) any { return &payload.ReProvisionRequest{} }, want: always(kmip.ResultReasonObjectNotFound)},
		{op: kmip.OperationInterop, name: "no function", request: func(*fixture) any { return &payload.InteropRequest{InteropIdentifier: "x"} }, want: wrongMessage},
	}
}

// Each error of the operations that are about no object has the reason that its
// version gives it.
func TestErrorsOfSessions(t *testing.T) { refuse(t, sessionRefusals()) }
