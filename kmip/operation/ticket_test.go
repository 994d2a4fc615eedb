package operation_test

import (
	"context"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/payload"
)

// login logs in and returns the value of the ticket.
func (s *server) login(v kmip.Version, r *payload.LoginRequest) []byte {
	s.t.Helper()
	return ticketValue(s.t, one[payload.LoginResponse](s, v, kmip.OperationLogin, r).Ticket)
}

func ticketValue(t *testing.T, ticket *kmip.Item) []byte {
	t.Helper()
	kind, _ := ticket.Field(kmip.TagTicketType)
	value, ok := ticket.Field(kmip.TagTicketValue)
	if !ok || kind.Uint32() != uint32(kmip.TicketTypeLogin) {
		t.Fatalf("%+v is no ticket", ticket)
	}
	return value.Bytes
}

// present is the server as who presents a ticket beside its certificate sees it.
func (s *server) present(client custody.Principal, ticket []byte) (*server, error) {
	s.t.Helper()
	p, grant, err := s.svc.AuthenticateTicket(context.Background(), client, ticket)
	if err != nil {
		return nil, err
	}
	return s.as(p, grant), nil
}

func (s *server) mustPresent(client custody.Principal, ticket []byte) *server {
	s.t.Helper()
	other, err := s.present(client, ticket)
	if err != nil {
		s.t.Fatal(err)
	}
	return other
}

func ticketItem(value []byte) *kmip.Item {
	i := kmip.Structure(kmip.TagTicket, kmip.Enumeration(kmip.TagTicketType, kmip.TicketTypeLogin), kmip.ByteString(kmip.TagTicketValue, value))
	return &i
}

// A ticket stands for whoever logged in, until it is logged out.
func TestLoginAndLogout(t *testing.T) {
	inEvery(t, kmip.V20, func(t *testing.T, s *server, v kmip.Version) {
		alice, p := s.client("alice")
		bob, q := s.client("bob")
		ticket := alice.login(v, &payload.LoginRequest{})
		by := s.mustPresent(q, ticket)
		uid := by.create(v, items(aes(name("k")))...)
		if op, object, outcome := s.lastRecord(); op != "Create" || object != uid || outcome != "success" || s.recorded()[0].Actor != "client:alice" {
			t.Errorf("recorded %s of %s by %s: %s", op, object, s.recorded()[0].Actor, outcome)
		}
		by.get(v, uid)
		// A ticket that was made with it ends with it, and makes no further ones.
		second := ticketValue(t, one[payload.DelegatedLoginResponse](by, v, kmip.OperationDelegatedLogin, &payload.DelegatedLoginRequest{
			Rights: ptr(kmip.Structure(kmip.TagRights, kmip.Structure(kmip.TagRight))),
		}).Ticket)
		further := s.mustPresent(q, second)
		further.get(v, uid)
		further.fails(v, "a ticket made with a ticket of a ticket", kmip.OperationLogin, &payload.LoginRequest{}, kmip.ResultReasonNotAuthorised)
		bob.fails(v, "logout of another's ticket", kmip.OperationLogout, &payload.LogoutRequest{Ticket: ticketItem(ticket)}, kmip.ResultReasonInvalidTicket)
		one[payload.LogoutResponse](alice, v, kmip.OperationLogout, &payload.LogoutRequest{Ticket: ticketItem(ticket)})
		if _, err := s.present(p, ticket); kmip.KindOf(err) != kmip.KindTicket {
			t.Errorf("a ticket that was logged out: %v", err)
		}
		if _, err := s.present(q, second); kmip.KindOf(err) != kmip.KindTicket {
			t.Errorf("a ticket that was made with one that was logged out: %v", err)
		}
		alice.fails(v, "logout twice", kmip.OperationLogout, &payload.LogoutRequest{Ticket: ticketItem(ticket)}, kmip.ResultReasonInvalidTicket)
	})
}

// A ticket ends by its Lease Time, by its Request Count, and with its owner.
func TestTicketsEnd(t *testing.T) {
	inEvery(t, kmip.V20, func(t *testing.T, s *server, v kmip.Version) {
		alice, p := s.client("alice")
		_, q := s.client("bob")
		now := s.svc.Clock.Now()
		interval, date := kmip.Interval(kmip.TagLeaseTime, time.Hour), kmip.DateTime(kmip.TagLeaseTime, now.Add(2*time.Hour))
		zero, past := kmip.Interval(kmip.TagLeaseTime, 0), kmip.DateTime(kmip.TagLeaseTime, now.Add(-time.Hour))
		for what, c := range map[string]struct {
			lease *kmip.Item
			hours int
		}{"none": {nil, 24}, "an Interval": {&interval, 1}, "a date": {&date, 2}, "zero": {&zero, 24}} {
			ticket := alice.login(v, &payload.LoginRequest{LeaseTime: c.lease})
			s.svc.Clock.Advance(time.Duration(c.hours)*time.Hour - time.Second)
			if _, err := s.present(p, ticket); err != nil {
				t.Errorf("%s: before its end: %v", what, err)
			}
			s.svc.Clock.Advance(time.Second)
			if _, err := s.present(p, ticket); kmip.KindOf(err) != kmip.KindTicket {
				t.Errorf("%s: after its end: %v", what, err)
			}
			s.svc.Clock.Advance(-time.Duration(c.hours) * time.Hour)
		}
		alice.fails(v, "a Lease Time that is over", kmip.OperationLogin, &payload.LoginRequest{LeaseTime: &past}, kmip.ResultReasonInvalidField)
		alice.fails(v, "a negative Request Count", kmip.OperationLogin, &payload.LoginRequest{RequestCount: ptr(int32(-1))}, kmip.ResultReasonInvalidField)

		ticket := alice.login(v, &payload.LoginRequest{RequestCount: ptr(int32(2))})
		for range 2 {
			s.mustPresent(q, ticket)
		}
		if _, err := s.present(q, ticket); kmip.KindOf(err) != kmip.KindUsageLimit {
			t.Errorf("the third request of two: %v", err)
		}
		ticket = alice.login(v, &payload.LoginRequest{RequestCount: ptr(int32(0))})
		for range 3 {
			s.mustPresent(q, ticket)
		}
		if err := s.svc.RevokeClient(context.Background(), s.svc.Administrator("default"), "alice"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.present(q, ticket); kmip.KindOf(err) != kmip.KindNotAuthenticated {
			t.Errorf("the ticket of a client that was revoked: %v", err)
		}
	})
}

// The Usage Limits of a ticket count what is done with it.
func TestUsageLimitsOfTickets(t *testing.T) {
	inEvery(t, kmip.V20, func(t *testing.T, s *server, v kmip.Version) {
		alice, p := s.client("alice")
		uid := alice.create(v, items(aes(s.now()))...)
		limits := func(total int64, unit kmip.UsageLimitsUnit) *kmip.Item {
			i := kmip.Structure(kmip.TagUsageLimits, kmip.LongInteger(kmip.TagUsageLimitsTotal, total), kmip.Enumeration(kmip.TagUsageLimitsUnit, unit))
			return &i
		}
		encrypt := func(n int) *payload.EncryptRequest {
			return &payload.EncryptRequest{UniqueIdentifier: ref(uid), Data: payload.Data{Bytes: make([]byte, n)}, CryptographicParameters: parameters(kmip.Enumeration(kmip.TagBlockCipherMode, kmip.BlockCipherModeGCM))}
		}
		ticket := alice.login(v, &payload.LoginRequest{UsageLimits: limits(2, kmip.UsageLimitsUnitObject)})
		by := s.mustPresent(p, ticket)
		by.get(v, uid)
		s.mustPresent(p, ticket).get(v, uid)
		s.mustPresent(p, ticket).fails(v, "a third operation", kmip.OperationGet, &payload.GetRequest{UniqueIdentifier: ref(uid)}, kmip.ResultReasonUsageLimitExceeded)

		ticket = alice.login(v, &payload.LoginRequest{UsageLimits: limits(50, kmip.UsageLimitsUnitByte)})
		by = s.mustPresent(p, ticket)
		one[payload.EncryptResponse](by, v, kmip.OperationEncrypt, encrypt(30))
		by = s.mustPresent(p, ticket)
		by.fails(v, "more bytes than are left", kmip.OperationEncrypt, encrypt(21), kmip.ResultReasonUsageLimitExceeded)
		one[payload.EncryptResponse](by, v, kmip.OperationEncrypt, encrypt(20))
	})
}

// right makes a Right of a delegated login.
func right(fields ...kmip.Item) kmip.Item { return kmip.Structure(kmip.TagRight, fields...) }

func operationsItem(ops ...kmip.Operation) kmip.Item {
	i := kmip.Structure(kmip.TagOperations)
	for _, o := range ops {
		i.Items = append(i.Items, kmip.Enumeration(kmip.TagOperation, o))
	}
	return i
}

// groupsIn are the objects of a group in the words of a version; of KMIP 2.0, which
// has no Object Groups, the one object that is in it.
func groupsIn(v kmip.Version, object, group string) kmip.Item {
	switch {
	case v < kmip.V21:
		return kmip.Structure(kmip.TagObjects, kmip.Text(kmip.TagUniqueIdentifier, object))
	case v < kmip.V30:
		return kmip.Structure(kmip.TagObjectGroups, kmip.Text(kmip.TagObjectGroup, group))
	}
	return kmip.Structure(kmip.TagObjectGroups, kmip.Item{Tag: kmip.TagGroupLink, Type: kmip.TypeNameReference, Bytes: []byte(group)})
}

// A delegated login allows what one of its Rights allows, and no more.
func TestDelegatedLogin(t *testing.T) {
	inEvery(t, kmip.V20, func(t *testing.T, s *server, v kmip.Version) {
		alice, _ := s.client("alice")
		_, q := s.client("bob")
		a := alice.create(v, items(aes(name("a"), s.now()))...)
		b := alice.create(v, items(aes(name("b"), kmip.Text(kmip.TagObjectGroup, "shared")))...)
		other := alice.create(v, items(aes(name("c"), kmip.Text(kmip.TagObjectGroup, "private")))...)
		objects := kmip.Structure(kmip.TagObjects, kmip.Text(kmip.TagUniqueIdentifier, a))
		rights := kmip.Structure(kmip.TagRights, right(operationsItem(kmip.OperationGet, kmip.OperationEncrypt), objects), right(operationsItem(kmip.OperationGetAttributes), groupsIn(v, b, "shared")))
		ticket := ticketValue(t, one[payload.DelegatedLoginResponse](alice, v, kmip.OperationDelegatedLogin, &payload.DelegatedLoginRequest{Rights: &rights}).Ticket)
		by := s.mustPresent(q, ticket)
		by.get(v, a)
		by.attributes(v, b)
		for what, item := range map[string]payload.RequestItem{
			"another object": getItem(b), "another operation": activateItem(a), "an object of another group": batch(kmip.OperationGetAttributes, &payload.GetAttributesRequest{UniqueIdentifier: ref(other)}),
			"a new object": createItem("new"), "an object that is not there": getItem("nothing"),
		} {
			if r := by.send(v, 0, item).Items[0]; r.Status != failed || r.Reason != kmip.ResultReasonNotAuthorised {
				t.Errorf("%s: %s %s (%s), want Not Authorised", what, r.Status, r.Reason, r.Message)
			}
		}
		if op, _, outcome := s.lastRecord(); outcome != "failure" {
			t.Errorf("recorded %s: %s", op, outcome)
		}
		// A search finds what a Right is about, and nothing else.
		for what, c := range map[string]struct {
			right kmip.Item
			want  string
		}{"an object": {right(operationsItem(kmip.OperationLocate), objects), a}, "a group": {right(operationsItem(kmip.OperationLocate), groupsIn(v, b, "shared")), b}} {
			rights := kmip.Structure(kmip.TagRights, c.right)
			by := s.mustPresent(q, ticketValue(t, one[payload.DelegatedLoginResponse](alice, v, kmip.OperationDelegatedLogin, &payload.DelegatedLoginRequest{Rights: &rights}).Ticket))
			if found := one[payload.LocateResponse](by, v, kmip.OperationLocate, &payload.LocateRequest{}).UniqueIdentifier; len(found) != 1 || found[0] != c.want {
				t.Errorf("a search by a Right on %s found %v, want %s", what, found, c.want)
			}
		}
		// Nothing is allowed without Rights; everything by a Right without fields.
		none, all := kmip.Structure(kmip.TagRights), kmip.Structure(kmip.TagRights, right())
		by = s.mustPresent(q, ticketValue(t, one[payload.DelegatedLoginResponse](alice, v, kmip.OperationDelegatedLogin, &payload.DelegatedLoginRequest{Rights: &none}).Ticket))
		by.fails(v, "no Rights", kmip.OperationGet, &payload.GetRequest{UniqueIdentifier: ref(a)}, kmip.ResultReasonNotAuthorised)
		empty := kmip.Structure(kmip.TagRights, right(kmip.Structure(kmip.TagObjects)))
		alice.fails(v, "a Right on no objects", kmip.OperationDelegatedLogin, &payload.DelegatedLoginRequest{Rights: &empty}, kmip.ResultReasonInvalidField)
		by = s.mustPresent(q, ticketValue(t, one[payload.DelegatedLoginResponse](alice, v, kmip.OperationDelegatedLogin, &payload.DelegatedLoginRequest{Rights: &all}).Ticket))
		by.create(v, items(aes(name("new")))...)
		by.get(v, other)
	})
}

// The Usage Limits of a Right count what it allows.
func TestUsageLimitsOfRights(t *testing.T) {
	s := newServer(t)
	alice, p := s.client("alice")
	a := alice.create(kmip.V21, items(aes())...)
	limits := kmip.Structure(kmip.TagUsageLimits, kmip.LongInteger(kmip.TagUsageLimitsTotal, 1), kmip.Enumeration(kmip.TagUsageLimitsUnit, kmip.UsageLimitsUnitObject))
	rights := kmip.Structure(kmip.TagRights, right(limits, operationsItem(kmip.OperationGet)), right(operationsItem(kmip.OperationGetAttributes)))
	ticket := ticketValue(t, one[payload.DelegatedLoginResponse](alice, kmip.V21, kmip.OperationDelegatedLogin, &payload.DelegatedLoginRequest{Rights: &rights}).Ticket)
	s.mustPresent(p, ticket).get(kmip.V21, a)
	s.mustPresent(p, ticket).fails(kmip.V21, "a second Get", kmip.OperationGet, &payload.GetRequest{UniqueIdentifier: ref(a)}, kmip.ResultReasonUsageLimitExceeded)
	s.mustPresent(p, ticket).attributes(kmip.V21, a)
}

// What is done by a ticket can neither be put off nor be undone where that could
// outlive it.
func TestTicketsInBatches(t *testing.T) {
	inEvery(t, kmip.V20, func(t *testing.T, s *server, v kmip.Version) {
		alice, p := s.client("alice")
		r := alice.send(v, kmip.BatchErrorContinuationOptionUndo, batch(kmip.OperationLogin, &payload.LoginRequest{}), createItem("k"))
		if r.Items[0].Status != failed || r.Items[0].Reason != kmip.ResultReasonFeatureNotSupported {
			t.Errorf("Login in a batch that can be undone: %+v", r.Items)
		}
		ticket := alice.login(v, &payload.LoginRequest{})
		r = alice.send(v, kmip.BatchErrorContinuationOptionUndo, batch(kmip.OperationLogout, &payload.LogoutRequest{Ticket: ticketItem(ticket)}), createItem("k"))
		if r.Items[0].Status != failed {
			t.Errorf("Logout in a batch that can be undone: %+v", r.Items)
		}
		by := s.mustPresent(p, ticket)
		if r := by.submit(v, demanded, createItem("later"))[0]; r.Status != failed || r.Reason != kmip.ResultReasonFeatureNotSupported {
			t.Errorf("asynchronous by a ticket: %s %s", r.Status, r.Reason)
		}
		alice.fails(v, "logout without a value", kmip.OperationLogout, &payload.LogoutRequest{
			Ticket: func() *kmip.Item {
				i := kmip.Structure(kmip.TagTicket, kmip.Enumeration(kmip.TagTicketType, kmip.TicketTypeLogin))
				return &i
			}(),
		}, kmip.ResultReasonInvalidMessage)
	})
}
