package custody_test

import (
	"strings"
	"testing"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/testenv/service"
)

// What is explained is what would happen.
func TestExplainTellsWhoWouldNotBeAdmitted(t *testing.T) {
	onBothStores(t, explainTellsWhoWouldNotBeAdmitted)
}

func explainTellsWhoWouldNotBeAdmitted(t *testing.T, s *service.Service) {
	ctx, admin := t.Context(), s.Administrator("default")
	hire(t, s, "off", policy.RoleOfficer)
	hire(t, s, "gone", policy.RoleOfficer)
	for _, name := range []string{"gone", "off", "here"} {
		if _, err := s.CreateClient(ctx, admin, name, policy.RoleFull); err != nil {
			t.Fatal(err)
		}
	}
	yes := true
	_, err := s.SetClient(ctx, admin, "off", custody.ClientChange{Disabled: &yes})
	for _, err := range []error{
		err, s.RevokeClient(ctx, admin, "gone"), s.RevokeAdministrator(ctx, admin, "gone"),
		s.CreateUser(ctx, admin, "gone", "", secret.Copy([]byte("x"))), s.DisableUser(ctx, admin, "gone"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		q         custody.Question
		want      string // of the reason; "" when it is allowed
		approvals int
	}{
		{custody.Question{Actor: "client:here", Action: "Get"}, "", 0},
		{custody.Question{Actor: "client:gone", Action: "Get"}, "it is not admitted: the client is revoked", 0},
		{custody.Question{Actor: "client:off", Action: "Get"}, "it is not admitted: the client is disabled", 0},
		{custody.Question{Actor: "user:gone", Action: "Get"}, "it is not admitted: the user is disabled", 0},
		{custody.Question{Actor: "admin:gone", Action: "key.destroy"}, "it is not admitted: the administrator is revoked", 0},
		{custody.Question{Actor: "admin:off", Action: "key.destroy"}, "", 0},
		{custody.Question{Actor: "admin:off", Action: "administrator.create"}, "by an administrator of another role, whatever policies say", 1},
		{custody.Question{Actor: "admin:off", Action: "administrator.create", Approvals: 1}, "", 0},
		{custody.Question{Actor: "admin:root", Action: "administrator.create"}, "", 0},
	} {
		a, err := s.ExplainPolicy(ctx, admin, tc.q)
		if err != nil || a.Decision.Allow != (tc.want == "") || !strings.Contains(a.Decision.Reason, tc.want) || a.Decision.Approvals != tc.approvals {
			t.Errorf("%+v: %+v, %v; want %q", tc.q, a.Decision, err, tc.want)
		}
	}
}

// A policy that nobody would ever ask is refused, and not taken for one that holds.
func TestADomainSaysNothingAboutTheInstallation(t *testing.T) {
	onBothStores(t, aDomainSaysNothingAboutTheInstallation)
}

func aDomainSaysNothingAboutTheInstallation(t *testing.T, s *service.Service) {
	ctx, admin := t.Context(), s.Administrator("default")
	for _, text := range []string{
		"// one\nforbid (principal, action == Action::\"domain.rotate-key\", resource);",
		"// one\nforbid (principal, action in [Action::\"Get\", Action::\"domain.rotate-key\"], resource);",
	} {
		want := "domain.rotate-key is about the installation"
		err := s.CheckPolicy(ctx, admin, custody.Draft{Text: text})
		wantFailure(t, err, kmip.KindInvalidField, want)
		wantFailure(t, err, kmip.KindInvalidField, "default:2:")
		wantFailure(t, s.SetPolicy(ctx, admin, text, 0), kmip.KindInvalidField, want)
		if err := s.CheckPolicy(ctx, s.Administrator(custody.SystemDomain), custody.Draft{Text: text}); err != nil {
			t.Errorf("in the document of the installation: %v", err)
		}
	}
	// What means all administrative actions means those that the domain is asked about.
	setPolicy(t, s, "default", `forbid (principal is Administrator, action in Action::"administration", resource) unless { [Action::"policy.update", Action::"policy.try"].contains(action) };`)
	for action, allow := range map[string]bool{"domain.rotate-key": true, "key.destroy": false} {
		a, err := s.ExplainPolicy(ctx, admin, custody.Question{Actor: "admin:root", Action: action})
		if err != nil || a.Decision.Allow != allow {
			t.Errorf("%s: %+v, %v", action, a.Decision, err)
		}
	}
}
