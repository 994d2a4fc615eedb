package custody_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/testenv/service"
)

func begin(t *testing.T, s *service.Service, name, role string) string {
	t.Helper()
	token, _, err := s.BeginSession(context.Background(), s.Begin(custody.Principal{}, "", "admin", "192.0.2.1:9", "test"), custody.Identity{Name: name, Role: role})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

const someone = "oidc:https://idp.example#1234"

func TestSessionsEndAtTheirLimits(t *testing.T) {
	inBothStores(t, service.Options{}, func(t *testing.T, s *service.Service) {
		ctx := context.Background()
		alive := func(token string) bool {
			t.Helper()
			p, err := s.AuthenticateSession(ctx, token)
			if err != nil {
				wantKind(t, err, kmip.KindNotAuthenticated)
				return false
			}
			if p.Name != someone || p.Role != policy.RoleOfficer || p.Kind != policy.KindAdministrator || p.Fingerprint != "" {
				t.Errorf("principal %+v", p)
			}
			return true
		}
		token := begin(t, s, someone, policy.RoleOfficer)
		if !alive(token) || alive(token+"x") || alive("") || alive("claviger-session-") {
			t.Error("the token and no other stands for the session")
		}
		s.Clock.Advance(14 * time.Minute)
		if !alive(token) {
			t.Error("ended before its idle time")
		}
		s.Clock.Advance(14 * time.Minute)
		if !alive(token) {
			t.Error("use did not keep it")
		}
		s.Clock.Advance(15 * time.Minute)
		if alive(token) {
			t.Error("alive after its idle time")
		}
		token = begin(t, s, someone, policy.RoleOfficer)
		for at := time.Duration(0); at < custody.SessionLife; at += 10 * time.Minute {
			if !alive(token) {
				t.Fatalf("ended after %s", at)
			}
			s.Clock.Advance(10 * time.Minute)
		}
		if alive(token) {
			t.Error("alive after 8 hours of use")
		}
	})
}

func TestSessionsAreListedAndEnded(t *testing.T) {
	s, ctx := service.New(t), context.Background()
	ann, eve := hire(t, s, "ann", policy.RoleOfficer), hire(t, s, "eve", policy.RoleAuditor)
	first := begin(t, s, someone, policy.RoleOfficer)
	s.Clock.Advance(time.Second) // the list is in the order of their beginning
	second := begin(t, s, someone+"5", policy.RoleAuditor)
	list, err := s.Sessions(ctx, eve.scope(t))
	if err != nil || len(list) != 2 || list[0].Name != someone || list[0].Source != "192.0.2.1:9" || strings.Contains(first, list[0].ID) {
		t.Fatalf("sessions %+v, %v", list, err)
	}
	var id string
	for _, one := range list {
		if one.Name == someone {
			id = one.ID
		}
	}
	wantKind(t, s.EndSession(ctx, eve.scope(t), id), kmip.KindPermissionDenied)
	wantKind(t, s.EndSession(ctx, ann.scope(t), ""), kmip.KindObjectNotFound)
	wantKind(t, s.EndSession(ctx, ann.scope(t), id[:4]), kmip.KindObjectNotFound)
	if err := s.EndSession(ctx, ann.scope(t), id); err != nil {
		t.Fatal(err)
	}
	_, err = s.AuthenticateSession(ctx, first)
	wantKind(t, err, kmip.KindNotAuthenticated)
	p, err := s.AuthenticateSession(ctx, second)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.EndOwnSession(ctx, s.Begin(p, "", "admin", "", ""), second); err != nil {
		t.Fatal(err)
	}
	_, err = s.AuthenticateSession(ctx, second)
	wantKind(t, err, kmip.KindNotAuthenticated)
	// What the store keeps admits nobody.
	token := begin(t, s, someone, policy.RoleOfficer)
	records, err := s.Store.Records(ctx, store.RecordQuery{Kind: "session", Limit: 10})
	if err != nil || len(records) != 1 || strings.Contains(token, records[0].Key) {
		t.Fatalf("records %+v, %v", records, err)
	}
	for _, guess := range []string{records[0].Key, "claviger-session-" + records[0].Key} {
		if _, err := s.AuthenticateSession(ctx, guess); err == nil {
			t.Error("the key of the record admits")
		}
	}
}

func TestSessionsAreForKnownRolesAndBounded(t *testing.T) {
	s, ctx := service.New(t), context.Background()
	try := func(name, role string) error {
		_, _, err := s.BeginSession(ctx, s.Begin(custody.Principal{}, "", "admin", "", ""), custody.Identity{Name: name, Role: role})
		return err
	}
	wantKind(t, try(someone, policy.RoleAdministrator), kmip.KindPermissionDenied)
	wantKind(t, try(someone, policy.RoleFull), kmip.KindPermissionDenied)
	wantKind(t, try("root", policy.RoleOfficer), kmip.KindNotAuthenticated)
	wantKind(t, try("oidc:"+strings.Repeat("x", 300), policy.RoleOfficer), kmip.KindNotAuthenticated)
	wantKind(t, try("oidc:x\x1b[0m", policy.RoleOfficer), kmip.KindNotAuthenticated)
	for range 16 {
		if err := try(someone, policy.RoleOfficer); err != nil {
			t.Fatal(err)
		}
	}
	wantKind(t, try(someone, policy.RoleOfficer), kmip.KindPermissionDenied)
	if err := try(someone+"5", policy.RoleOfficer); err != nil {
		t.Errorf("somebody else: %v", err)
	}
	s.Clock.Advance(15 * time.Minute)
	if err := try(someone, policy.RoleOfficer); err != nil {
		t.Errorf("when the others have ended: %v", err)
	}
}
