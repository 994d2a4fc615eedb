package operation_test

import (
	"context"
	"slices"
	"testing"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/dialect"
	"github.com/claviger/claviger/kmip/payload"
	"github.com/claviger/claviger/kmip/wire"
	"github.com/claviger/claviger/policy"
)

// item makes a message of one batch item that the test builds itself.
func itemMessage(v kmip.Version, fields ...kmip.Item) []byte {
	m := dialect.EncodeRequest(&payload.Request{Version: v, Items: []payload.RequestItem{{Operation: kmip.OperationQuery, Payload: &payload.QueryRequest{}}}})
	m.Items[1] = kmip.Structure(kmip.TagBatchItem, fields...)
	return wire.Append(nil, m)
}

func operationItem(op kmip.Operation) kmip.Item { return kmip.Enumeration(kmip.TagOperation, op) }

// everyOperation lists the operations that some version has.
func everyOperation(s *server) []kmip.Operation {
	var all []kmip.Operation
	for _, v := range kmip.Versions {
		for _, op := range s.operationsOf(v) {
			if !slices.Contains(all, op) {
				all = append(all, op)
			}
		}
	}
	return all
}

// What a message can be wrong in, whatever operation it is about (1.4 §11.1, 2.1
// §6.1, §11.46).
func TestErrorsOfMessages(t *testing.T) {
	s := newServer(t)
	all := append(everyOperation(s), 0x77)
	if len(all) < 60 {
		t.Fatalf("%d operations", len(all))
	}
	unknownField := since2(kmip.ResultReasonInvalidField, kmip.ResultReasonUnknownTag)
	unknownExtension := since2(kmip.ResultReasonFeatureNotSupported, kmip.ResultReasonUnknownMessageExtension)
	extension := func(critical bool) kmip.Item {
		return kmip.Structure(kmip.TagMessageExtension, kmip.Text(kmip.TagVendorIdentification, "ACME"), kmip.Boolean(kmip.TagCriticalityIndicator, critical), kmip.Structure(kmip.TagVendorExtension))
	}
	for _, v := range kmip.Versions {
		has := s.operationsOf(v)
		for _, op := range all {
			check := func(what string, b []byte, want kmip.ResultReason) {
				t.Helper()
				if r := s.raw(b).Items[0]; r.Status != failed || r.Reason != want {
					t.Errorf("KMIP %s, %s, %s: %s %s (%s), want %s", v, op, what, r.Status, r.Reason, r.Message, want)
				}
			}
			p := kmip.Structure(kmip.TagRequestPayload)
			if !slices.Contains(has, op) {
				check("an operation that the version does not have", itemMessage(v, operationItem(op), p), kmip.ResultReasonOperationNotSupported)
				continue
			}
			check("no payload", itemMessage(v, operationItem(op)), kmip.ResultReasonInvalidMessage)
			check("a payload that is none", itemMessage(v, operationItem(op), kmip.Text(kmip.TagRequestPayload, "x")), kmip.ResultReasonInvalidMessage)
			check("a field that it does not have", itemMessage(v, operationItem(op), kmip.Structure(kmip.TagRequestPayload, kmip.Text(kmip.TagServerURI, "x"))), unknownField.in(v))
			check("a critical extension", itemMessage(v, operationItem(op), p, extension(true)), unknownExtension.in(v))
			check("a field of the item that there is not", itemMessage(v, operationItem(op), p, kmip.Text(kmip.TagServerURI, "x")), unknownField.in(v))
			check("no operation", itemMessage(v, p), kmip.ResultReasonInvalidMessage)
			if op == kmip.OperationQuery || op == kmip.OperationDiscoverVersions {
				if r := s.raw(itemMessage(v, operationItem(op), kmip.Structure(kmip.TagRequestPayload), extension(false))).Items[0]; r.Reason == unknownExtension.in(v) {
					t.Errorf("KMIP %s, %s: an extension that is not critical is refused", v, op)
				}
			}
		}
	}
}

// Whoever may do nothing, may do nothing of it; and whoever is nobody, less.
func TestErrorsOfPermission(t *testing.T) {
	f := newFixture(t)
	_, f.alice = f.client("alice")
	admin := *f.server
	p := f.svc.Client("default").Principal
	p.Role = policy.RoleUserAdmin
	nobody := p
	nobody.Role = "no such role"
	// Query and Discover Versions are for everybody, Interop does nothing.
	free := []kmip.Operation{kmip.OperationQuery, kmip.OperationDiscoverVersions, kmip.OperationInterop}
	public := free[:2]
	requests := map[kmip.Operation]func(*fixture) any{}
	for _, r := range allRefusals() {
		if r.edit == nil && r.since <= kmip.V21 && requests[r.op] == nil {
			requests[r.op] = r.request
		}
	}
	requests[kmip.OperationDeriveKey] = func(f *fixture) any { return derivation(kmip.DerivationMethodHASH, []string{f.deriveKey}, nil) }
	requests[kmip.OperationPoll] = func(*fixture) any { return &payload.PollRequest{AsynchronousCorrelationValue: []byte("x")} }
	requests[kmip.OperationCancel] = func(*fixture) any { return &payload.CancelRequest{AsynchronousCorrelationValue: []byte("x")} }
	requests[kmip.OperationProcess] = func(*fixture) any { return &payload.ProcessRequest{AsynchronousCorrelationValue: []byte("x")} }
	requests[kmip.OperationQueryAsynchronousRequests] = func(*fixture) any { return &payload.QueryAsynchronousRequestsRequest{} }
	requests[kmip.OperationGetConstraints] = func(*fixture) any { return &payload.GetConstraintsRequest{} }
	requests[kmip.OperationSetConstraints] = func(*fixture) any { return constraints() }
	requests[kmip.OperationSetDefaults] = func(*fixture) any { return &payload.SetDefaultsRequest{} }
	requests[kmip.OperationLogin] = func(*fixture) any { return &payload.LoginRequest{} }
	requests[kmip.OperationLogout] = func(*fixture) any { return &payload.LogoutRequest{Ticket: ticketItem([]byte("x"))} }
	requests[kmip.OperationDelegatedLogin] = func(*fixture) any {
		i := kmip.Structure(kmip.TagRights)
		return &payload.DelegatedLoginRequest{Rights: &i}
	}
	requests[kmip.OperationValidate] = func(*fixture) any { return &payload.ValidateRequest{UniqueIdentifier: []kmip.Reference{ref("x")}} }
	requests[kmip.OperationLog] = func(*fixture) any { return &payload.LogRequest{LogMessage: "m"} }
	requests[kmip.OperationPing] = func(*fixture) any { return &payload.PingRequest{} }
	requests[kmip.OperationInterop] = func(*fixture) any {
		return &payload.InteropRequest{InteropFunction: kmip.InteropFunctionBegin, InteropIdentifier: "x"}
	}
	requests[kmip.OperationRNGSeed] = func(*fixture) any { return &payload.RNGSeedRequest{Data: []byte("x")} }
	requests[kmip.OperationRNGRetrieve] = func(*fixture) any { return &payload.RNGRetrieveRequest{DataLength: ptr(int32(1))} }
	requests[kmip.OperationHash] = func(*fixture) any {
		return &payload.HashRequest{CryptographicParameters: parameters(kmip.Enumeration(kmip.TagHashingAlgorithm, kmip.HashingAlgorithmSHA256)), Data: payload.Data{Bytes: []byte("x")}}
	}
	requests[kmip.OperationPKCS11] = func(*fixture) any { return &payload.PKCS11Request{PKCS11Function: kmip.PKCS11FunctionCInitialize} }
	requests[kmip.OperationLocate] = func(*fixture) any { return &payload.LocateRequest{} }
	requests[kmip.OperationSetEndpointRole] = func(*fixture) any { return &payload.SetEndpointRoleRequest{EndpointRole: kmip.EndpointRoleServer} }
	requests[kmip.OperationCreateUser] = func(*fixture) any { return &payload.CreateUserRequest{Attributes: template(name("u"))} }
	requests[kmip.OperationCreateGroup] = func(*fixture) any { return &payload.CreateGroupRequest{Attributes: template(name("g"))} }
	requests[kmip.OperationCreateCredential] = func(*fixture) any { return passwordCredential("x") }
	for _, v := range kmip.Versions {
		f.v = v
		for _, op := range f.operationsOf(v) {
			request := requests[op]
			if request == nil {
				if !slices.Contains(free, op) {
					t.Errorf("no request of %s", op)
				}
				continue
			}
			userAdmin := op == kmip.OperationCreateUser || op == kmip.OperationCreateGroup || op == kmip.OperationCreateCredential
			if !userAdmin && !slices.Contains(free, op) {
				by := admin.as(p, nil)
				if r := by.try(v, op, request(f)); r.Status != failed || r.Reason != kmip.ResultReasonPermissionDenied {
					t.Errorf("KMIP %s, %s by a user administrator: %s %s (%s)", v, op, r.Status, r.Reason, r.Message)
				}
			}
			if !slices.Contains(free, op) {
				by := admin.as(nobody, nil)
				if r := by.try(v, op, request(f)); r.Status != failed || r.Reason != kmip.ResultReasonPermissionDenied {
					t.Errorf("KMIP %s, %s by nobody's role: %s %s (%s)", v, op, r.Status, r.Reason, r.Message)
				}
			}
			if v == kmip.V21 && !slices.Contains(free, op) && op != kmip.OperationLogin && op != kmip.OperationDelegatedLogin && op != kmip.OperationReProvision {
				f.delegated(op, request(f))
			}
			req := &payload.Request{Version: v, Items: []payload.RequestItem{{Operation: op, Payload: request(f)}}}
			r := f.ops.Batch(context.Background(), f.svc.Client("default"), false, req, nil).Items[0]
			if got := kmip.KindOf(r.Err); (got != kmip.KindNotAuthenticated) != slices.Contains(public, op) {
				t.Errorf("KMIP %s, %s by a certificate of nobody: %v", v, op, r.Err)
			}
		}
	}
}

// delegated asks for an operation by a ticket that allows that operation, and by
// one that allows another.
func (f *fixture) delegated(op kmip.Operation, request any) {
	f.t.Helper()
	for allowed, refused := range map[kmip.Operation]bool{op: false, kmip.OperationObliterate: true} {
		value, err := f.svc.DelegatedLogin(context.Background(), f.as(f.alice, nil).begin(), custody.LoginArgs{Rights: []custody.Right{{Operations: []kmip.Operation{allowed}}}})
		if err != nil {
			f.t.Fatal(err)
		}
		r := f.mustPresent(f.alice, value).try(kmip.V21, op, request)
		if got := r.Reason == kmip.ResultReasonNotAuthorised; got != refused {
			f.t.Errorf("%s by a ticket for %s: %s %s (%s)", op, allowed, r.Status, r.Reason, r.Message)
		}
	}
}
