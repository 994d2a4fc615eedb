package custody_test

import (
	"slices"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/testenv/service"
)

// arrives is a scope of a client by its certificate, as a connection makes it.
func arrives(t *testing.T, s *service.Service, made *custody.NewClient) *custody.Scope {
	t.Helper()
	p, err := s.AuthenticateClient(t.Context(), made.Issued.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	return s.Begin(p, p.Domain, "kmip", "127.0.0.1:1", "test")
}

func TestARoleThatIsTakenAwayReachesWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, s *service.Service) {
		ctx, admin := t.Context(), s.Administrator("default")
		made := newClient(t, s, "array")
		if err := s.CreateUser(ctx, admin, "person", "full", secret.New([]byte("password"))); err != nil {
			t.Fatal(err)
		}
		sc := arrives(t, s, made)
		if _, err := s.Submit(ctx, sc, kmip.OperationDestroy, []byte("message")); err != nil {
			t.Fatal(err)
		}
		ticket := func(sc *custody.Scope) []byte {
			t.Helper()
			value, err := s.Login(ctx, sc, custody.LoginArgs{})
			if err != nil {
				t.Fatal(err)
			}
			return value
		}
		person, err := s.AuthenticateUser(ctx, sc.Principal, "person", []byte("password"))
		if err != nil {
			t.Fatal(err)
		}
		ofUser := ticket(s.Begin(person, "default", "kmip", "127.0.0.1:1", "test"))
		ofClient := ticket(sc)

		if err := s.GrantUser(ctx, admin, "person", "auditor"); err != nil {
			t.Fatal(err)
		}
		if err := s.GrantClient(ctx, admin, "array", policy.RoleNone); err != nil {
			t.Fatal(err)
		}
		s.Clock.Advance(2 * time.Second)
		now := arrives(t, s, made).Principal
		for name, c := range map[string]struct {
			ticket []byte
			role   string
		}{"user": {ofUser, "auditor"}, "client": {ofClient, policy.RoleNone}} {
			p, grant, err := s.AuthenticateTicket(ctx, now, c.ticket)
			if err != nil || p.Role != c.role {
				t.Errorf("by a ticket of a %s: role %q, %v", name, p.Role, err)
			}
			if p, err = s.NowBy(ctx, p, grant); err != nil || p.Role != c.role || p.Beside == nil && name == "user" {
				t.Errorf("on a connection of a %s: %+v, %v", name, p, err)
			}
		}
		claimed, err := s.Claim(ctx)
		if err != nil || len(claimed) != 1 {
			t.Fatalf("claimed %d, %v", len(claimed), err)
		}
		if err := s.Admit(ctx, claimed[0]); err != nil || claimed[0].Scope.Principal.Role != policy.RoleNone {
			t.Errorf("a request that waited: role %q, %v", claimed[0].Scope.Principal.Role, err)
		}
	})
}

func TestATicketThatEndedEndsWhatCameByIt(t *testing.T) {
	t.Parallel()
	s := service.New(t)
	sc := arrives(t, s, newClient(t, s, "array"))
	value, err := s.Login(t.Context(), sc, custody.LoginArgs{})
	if err != nil {
		t.Fatal(err)
	}
	p, grant, err := s.AuthenticateTicket(t.Context(), sc.Principal, value)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.NowBy(t.Context(), p, grant); err != nil {
		t.Fatal(err)
	}
	if err := s.Logout(t.Context(), sc, value); err != nil {
		t.Fatal(err)
	}
	if _, err := s.NowBy(t.Context(), p, grant); err == nil {
		t.Error("it is good after the logout")
	}
}

func TestResultsGoOnlyToWhoAskedThroughTheSameClient(t *testing.T) {
	t.Parallel()
	s := service.New(t)
	ctx := t.Context()
	if err := s.CreateUser(ctx, s.Administrator("default"), "person", "full", secret.New([]byte("password"))); err != nil {
		t.Fatal(err)
	}
	through := func(made *custody.NewClient) *custody.Scope {
		t.Helper()
		p, err := s.AuthenticateUser(ctx, arrives(t, s, made).Principal, "person", []byte("password"))
		if err != nil {
			t.Fatal(err)
		}
		return s.Begin(p, "default", "kmip", "127.0.0.1:1", "test")
	}
	one, other := newClient(t, s, "one"), newClient(t, s, "other")
	correlation, err := s.Submit(ctx, through(one), kmip.OperationGet, []byte("message"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Poll(ctx, through(one), correlation); err != nil {
		t.Errorf("through the same client: %v", err)
	}
	_, err = s.Poll(ctx, through(other), correlation)
	refuses(t, "through another client", err, kmip.KindAsynchronous)
	if list, err := s.Outstanding(ctx, through(other), nil, nil); err != nil || len(list) > 0 {
		t.Errorf("through another client: %v, %v", list, err)
	}
	// A ticket with some of the rights of its owner.
	value, err := s.DelegatedLogin(ctx, through(one), custody.LoginArgs{Rights: []custody.Right{{Operations: []kmip.Operation{kmip.OperationPoll}}}})
	if err != nil {
		t.Fatal(err)
	}
	p, grant, err := s.AuthenticateTicket(ctx, arrives(t, s, one).Principal, value)
	if err != nil {
		t.Fatal(err)
	}
	sc := s.Begin(p, "default", "kmip", "127.0.0.1:1", "test")
	sc.Use(grant)
	_, err = s.Poll(ctx, sc, correlation)
	refuses(t, "by a ticket with some of the rights", err, kmip.KindAsynchronous)
}

func TestNoAdministratorAloneOpensAWayIntoAClientThatMayDoSomething(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, s *service.Service) {
		ctx := t.Context()
		newClient(t, s, "array")
		system, officer := hire(t, s, "sys", policy.RoleSystem), hire(t, s, "off", policy.RoleOfficer)
		asks := func(said string) *custody.Scope {
			sc := system.scope(t)
			sc.Domain = "default"
			sc.About(words(said))
			return sc
		}
		if err := s.CreateUser(ctx, s.Administrator("default"), "array", "full", secret.New([]byte("first"))); err != nil {
			t.Fatal(err)
		}
		identity := []custody.ClientIdentity{{Kind: "dns", Value: "array.example"}}
		ways := map[string]func(sc *custody.Scope, client string) error{
			"certificate": func(sc *custody.Scope, client string) error {
				_, err := s.IssueCertificate(ctx, sc, client)
				return err
			},
			"token": func(sc *custody.Scope, client string) error {
				_, err := s.MakeToken(ctx, sc, client, 0)
				return err
			},
			"identity": func(sc *custody.Scope, client string) error {
				_, err := s.ChangeIdentities(ctx, sc, client, identity, nil)
				return err
			},
		}
		ways["password"] = func(sc *custody.Scope, user string) error {
			return s.SetPassword(ctx, sc, user, secret.New([]byte("second")))
		}
		if _, err := s.CreateClient(ctx, asks("create"), "fresh", ""); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"certificate", "token"} {
			if err := ways[name](asks(name), "fresh"); err != nil {
				t.Errorf("%s for a client that may do nothing: %v", name, err)
			}
		}
		for name, way := range ways {
			id := wantRequest(t, way(asks(name), "array"))
			if err := officer.approves(t, id); err != nil {
				t.Fatal(err)
			}
			if err := way(asks(name), "array"); err != nil {
				t.Errorf("%s that was approved: %v", name, err)
			}
		}
		err := s.AddTrust(ctx, asks("trust"), custody.Trust{Name: "theirs"}, nil)
		wantRequest(t, err)
	})
}

func TestWhatIsHiddenAsksForApprovalsAsWhatIsNotThere(t *testing.T) {
	t.Parallel()
	decide := func(r policy.Request) policy.Decision {
		switch {
		case r.Principal.Name == "array" && slices.Contains(r.Resource.Names, "hidden"):
			return policy.Decision{Reason: "hidden"}
		case r.Action == "Destroy" && r.Context.Approvals < 2:
			return policy.Decision{Reason: "two", Approvals: 2}
		}
		return policy.NewSet(nil, nil).Decide(r)
	}
	s := service.With(t, service.Options{Decide: decide})
	uid, err := s.Create(t.Context(), s.Client("default"), kmip.ObjectTypeSymmetricKey, aes256(name("hidden")))
	if err != nil {
		t.Fatal(err)
	}
	there := destroy(s, "array", uid)
	absent := destroy(s, "array", "01a20e69-0000-7000-8000-000000000000")
	wantRequest(t, there)
	wantRequest(t, absent)
}
