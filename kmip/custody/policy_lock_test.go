package custody_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/audit"
	"github.com/claviger/claviger/testenv/service"
)

// of opens a scope of a person for a domain.
func (p *person) of(t testing.TB, domain string) *custody.Scope {
	t.Helper()
	return p.s.Begin(p.scope(t).Principal, domain, "admin", "127.0.0.1:3", "test")
}

// staff makes an installation in which each role has a holder and the first
// administrator has ended. There are three officers.
func staff(t testing.TB, s *service.Service) (officers []*person) {
	t.Helper()
	for _, name := range []string{"off1", "off2", "off3"} {
		officers = append(officers, hire(t, s, name, policy.RoleOfficer))
	}
	hire(t, s, "sys", policy.RoleSystem)
	hire(t, s, "aud", policy.RoleAuditor)
	return officers
}

// only is a policy that leaves changing policies to one administrator.
func only(name string) string {
	return `@id("only") forbid (principal, action == Action::"policy.update", resource) unless { principal.name == "` + name + `" };`
}

func wantFailure(t *testing.T, err error, kind kmip.Kind, text string) {
	t.Helper()
	var f *kmip.Failure
	if !errors.As(err, &f) || f.Kind != kind || !strings.Contains(f.Message, text) {
		t.Errorf("got %v, want %s with %q", err, kind, text)
	}
}

func TestNobodyIsRevokedWithoutWhomPoliciesAreLocked(t *testing.T) {
	onBothStores(t, nobodyIsRevokedWithoutWhomPoliciesAreLocked)
}

func nobodyIsRevokedWithoutWhomPoliciesAreLocked(t *testing.T, s *service.Service) {
	ctx := t.Context()
	off := staff(t, s)
	for _, tc := range []struct{ domain, whose, source string }{
		{custody.SystemDomain, "of the installation", "installation#only (line 1)"},
		{"default", "of domain default", "default#only (line 1)"},
	} {
		if err := s.SetPolicy(ctx, off[2].of(t, tc.domain), only("off3"), 0); err != nil {
			t.Fatal(err)
		}
		for _, who := range []*person{off[0], off[2]} {
			err := s.RevokeAdministrator(ctx, who.scope(t), "off3")
			wantFailure(t, err, kmip.KindWrongState, "without off3 nobody could change the policies "+tc.whose)
			wantFailure(t, err, kmip.KindWrongState, tc.source)
		}
		if err := s.SetPolicy(ctx, off[2].of(t, tc.domain), "", 0); err != nil {
			t.Fatal(err)
		}
	}
	// With approvals, those who can give them count.
	two := `forbid (principal, action == Action::"policy.update", resource) unless { context.approvals >= 2 };`
	if err := s.SetPolicy(ctx, off[0].of(t, "default"), two, 0); err != nil {
		t.Fatal(err)
	}
	wantFailure(t, s.RevokeAdministrator(ctx, off[0].scope(t), "off2"), kmip.KindWrongState, "of domain default")
	hire(t, s, "off4", policy.RoleOfficer)
	if err := s.RevokeAdministrator(ctx, off[0].scope(t), "off2"); err != nil {
		t.Error(err)
	}
}

func TestTheFirstAdministratorDoesNotEndWhenOnlyItCanChangePolicies(t *testing.T) {
	onBothStores(t, theFirstAdministratorDoesNotEndWhenOnlyItCanChangePolicies)
}

func theFirstAdministratorDoesNotEndWhenOnlyItCanChangePolicies(t *testing.T, s *service.Service) {
	ctx := t.Context()
	setPolicy(t, s, custody.SystemDomain, only("root"))
	hire(t, s, "off", policy.RoleOfficer)
	hire(t, s, "sys", policy.RoleSystem)
	_, err := s.CreateAdministrator(ctx, s.Administrator(""), "aud", policy.RoleAuditor, nil)
	wantFailure(t, err, kmip.KindWrongState, "without root, who ends with this, nobody could change the policies of the installation")
	setPolicy(t, s, custody.SystemDomain, "")
	hire(t, s, "aud", policy.RoleAuditor)
}

// Whose certificate has expired, and who comes by break-glass for a while, keeps no
// document from being locked.
func TestWhoCannotComeDoesNotKeepAPolicyFromLocking(t *testing.T) {
	onBothStores(t, whoCannotComeDoesNotKeepAPolicyFromLocking)
}

func whoCannotComeDoesNotKeepAPolicyFromLocking(t *testing.T, s *service.Service) {
	ctx := t.Context()
	s.Clock.Advance(-390 * 24 * time.Hour)
	old := hire(t, s, "old", policy.RoleOfficer)
	s.Clock.Advance(390 * 24 * time.Hour)
	off := staff(t, s)
	if err := s.SetPolicy(ctx, old.of(t, "default"), only("old"), 0); err != nil {
		t.Fatalf("while its certificate is good: %v", err)
	}
	if err := s.SetPolicy(ctx, old.of(t, "default"), "", 0); err != nil {
		t.Fatal(err)
	}
	codes := codesOf(t, s, 2, 2)
	made, err := open(s, time.Hour, codes...)
	if err != nil {
		t.Fatal(err)
	}
	wantFailure(t, s.SetPolicy(ctx, off[0].of(t, "default"), only(made.Administrator.Name), 0), kmip.KindInvalidField, "no administrator could change them any more")
	s.Clock.Advance(8 * 24 * time.Hour)
	wantFailure(t, s.SetPolicy(ctx, off[0].of(t, "default"), only("old"), 0), kmip.KindInvalidField, "no administrator could change them any more")
}

// What locks by itself, because a certificate expires, break-glass repairs.
func TestBreakGlassChangesPoliciesWhateverTheySay(t *testing.T) {
	for name, postgres := range map[string]bool{"sqlite": false, "postgres": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			breakGlassChangesPolicies(t, service.With(t, service.Options{Postgres: postgres, Log: slog.NewTextHandler(&log, nil)}), &log)
		})
	}
}

func breakGlassChangesPolicies(t *testing.T, s *service.Service, log *bytes.Buffer) {
	ctx := t.Context()
	s.Clock.Advance(-390 * 24 * time.Hour)
	old := hire(t, s, "old", policy.RoleOfficer)
	s.Clock.Advance(390 * 24 * time.Hour)
	off := staff(t, s)
	codes := codesOf(t, s, 2, 2)
	shut := `@id("shut") forbid (principal, action, resource) unless { principal.name == "old" };`
	for _, domain := range []string{"default", custody.SystemDomain} {
		if err := s.SetPolicy(ctx, old.of(t, domain), shut, 0); err != nil {
			t.Fatal(err)
		}
	}
	s.Clock.Advance(8 * 24 * time.Hour)
	wantKind(t, s.SetPolicy(ctx, off[0].of(t, custody.SystemDomain), "", 0), kmip.KindPermissionDenied)
	made, err := open(s, time.Hour, codes...)
	if err != nil {
		t.Fatal(err)
	}
	glass := &person{s, made.Issued}
	// It is bound in everything else.
	wantKind(t, s.CreateDomain(ctx, glass.of(t, custody.SystemDomain), "more", ""), kmip.KindPermissionDenied)
	for _, domain := range []string{custody.SystemDomain, "default"} {
		p, err := s.ShowPolicy(ctx, glass.of(t, domain))
		if err != nil || p.Text != shut {
			t.Errorf("%s: shown %q, %v", domain, p.Text, err)
		}
		wantFailure(t, s.SetPolicy(ctx, glass.of(t, domain), only(made.Administrator.Name), 0), kmip.KindInvalidField, "no administrator could change them any more")
		log.Reset()
		if err := s.SetPolicy(ctx, glass.of(t, domain), "", 0); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(log.String(), `level=ERROR msg="break-glass has changed policies that did not let it" administrator=`+made.Administrator.Name) {
			t.Errorf("log: %s", log)
		}
		list, err := s.Store.Audit(ctx, store.AuditQuery{Operation: policy.ActionPolicyUpdate, Outcome: audit.Success, Limit: 1})
		if err != nil || len(list) != 1 || !strings.HasPrefix(list[0].Detail, "policies; by break-glass, although policy ") || list[0].Actor != "admin:"+made.Administrator.Name {
			t.Errorf("the audit says %+v, %v", list, err)
		}
	}
	if err := s.SetPolicy(ctx, off[0].of(t, "default"), "", 0); err != nil {
		t.Error(err)
	}
}

// A document that does not authenticate keeps everybody out; break-glass replaces it.
func TestBreakGlassReplacesADamagedPolicy(t *testing.T) {
	onBothStores(t, breakGlassReplacesADamagedPolicy)
}

func breakGlassReplacesADamagedPolicy(t *testing.T, s *service.Service) {
	ctx := t.Context()
	off := staff(t, s)
	codes := codesOf(t, s, 2, 2)
	if err := s.SetPolicy(ctx, off[0].of(t, custody.SystemDomain), "// kept", 0); err != nil {
		t.Fatal(err)
	}
	r, err := s.Store.Record(ctx, custody.SystemDomain, "policy", "only")
	if err != nil {
		t.Fatal(err)
	}
	r.Revision, r.Value = r.Revision+1, append([]byte(nil), r.Value...)
	r.Value[len(r.Value)-1] ^= 1
	if err := s.Store.Commit(ctx, store.Change{UpdateRecords: []store.Record{r}}); err != nil {
		t.Fatal(err)
	}
	node := s.Another(t) // it has read no policies yet
	off[0].s = node
	if err := node.SetPolicy(ctx, off[0].of(t, custody.SystemDomain), "", 0); err == nil {
		t.Fatal("an officer replaced what could not be read")
	}
	made, err := open(node, time.Hour, codes...)
	if err != nil {
		t.Fatal(err)
	}
	if err := node.SetPolicy(ctx, (&person{node, made.Issued}).of(t, custody.SystemDomain), "// new", 0); err != nil {
		t.Fatal(err)
	}
	if p, err := node.ShowPolicy(ctx, off[0].of(t, custody.SystemDomain)); err != nil || p.Text != "// new" {
		t.Errorf("%+v, %v", p, err)
	}
}
