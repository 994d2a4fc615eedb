package custody_test

import (
	"context"
	"crypto/x509"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/testenv/service"
)

// onBothStores runs a test on each store.
func onBothStores(t *testing.T, test func(t *testing.T, s *service.Service)) {
	t.Helper()
	for name, postgres := range map[string]bool{"sqlite": false, "postgres": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, service.With(t, service.Options{Postgres: postgres}))
		})
	}
}

// administrator opens a scope of an administrator with a role.
func administrator(s *service.Service, role string) *custody.Scope {
	p := custody.Principal{Principal: policy.Principal{Kind: policy.KindAdministrator, Name: role, Role: role}}
	return s.Begin(p, "default", "admin", "192.0.2.9:1", "test")
}

func refuses(t *testing.T, what string, err error, kind kmip.Kind) {
	t.Helper()
	if err == nil || kmip.KindOf(err) != kind {
		t.Errorf("%s: %v, want a failure of kind %q", what, err, kind)
	}
}

func newClient(t *testing.T, s *service.Service, name string) *custody.NewClient {
	t.Helper()
	made, err := s.CreateClient(context.Background(), s.Administrator("default"), name, "")
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func presented(made *custody.NewClient, source string) custody.Presented {
	return custody.Presented{Certificates: []*x509.Certificate{made.Issued.Certificate}, Source: source}
}

func TestClientSettingsDecideWhoMayCome(t *testing.T) {
	onBothStores(t, func(t *testing.T, s *service.Service) {
		ctx := t.Context()
		made := newClient(t, s, "array")
		yes, no, never := true, false, time.Time{}
		tomorrow, networks, everywhere := s.Clock.Now().Add(24*time.Hour), []netip.Prefix{netip.MustParsePrefix("192.0.2.77/24"), netip.MustParsePrefix("2001:db8::/32")}, []netip.Prefix{}
		come := func(source string) error {
			s.Clock.Advance(1100 * time.Millisecond) // what is known of it is a second old at most
			_, _, err := s.Identify(ctx, presented(made, source))
			return err
		}
		for _, step := range []struct {
			name   string
			change custody.ClientChange
			source string
			want   kmip.Kind // 0: it may come
		}{
			{"nothing is set", custody.ClientChange{Disabled: &no}, "198.51.100.1:1", 0},
			{"disabled", custody.ClientChange{Disabled: &yes}, "198.51.100.1:1", kmip.KindNotAuthenticated},
			{"enabled again", custody.ClientChange{Disabled: &no}, "198.51.100.1:1", 0},
			{"from a network that is not allowed", custody.ClientChange{Sources: &networks}, "198.51.100.1:1", kmip.KindPermissionDenied},
			{"from one that is", custody.ClientChange{}, "192.0.2.5:1", 0},
			{"from one that is, as IPv4 in IPv6", custody.ClientChange{}, "[::ffff:192.0.2.5]:1", 0},
			{"from one that is, by IPv6", custody.ClientChange{}, "[2001:db8::1]:1", 0},
			{"from nowhere", custody.ClientChange{}, "", kmip.KindPermissionDenied},
			{"from anywhere again", custody.ClientChange{Sources: &everywhere}, "198.51.100.1:1", 0},
			{"before it expires", custody.ClientChange{Expires: &tomorrow}, "198.51.100.1:1", 0},
		} {
			if _, err := s.SetClient(ctx, s.Administrator("default"), "array", step.change); err != nil {
				t.Fatalf("%s: %v", step.name, err)
			}
			if err := come(step.source); step.want == 0 && err != nil || step.want != 0 && kmip.KindOf(err) != step.want {
				t.Errorf("%s: %v, want %s", step.name, err, step.want)
			}
		}
		s.Clock.Advance(25 * time.Hour)
		refuses(t, "expired", come("198.51.100.1:1"), kmip.KindNotAuthenticated)
		if _, err := s.SetClient(ctx, s.Administrator("default"), "array", custody.ClientChange{Expires: &never}); err != nil {
			t.Fatal(err)
		}
		if err := come("198.51.100.1:1"); err != nil {
			t.Errorf("never expires: %v", err)
		}
		s.Clock.Advance(400 * 24 * time.Hour)
		refuses(t, "after the end of its certificate", come("198.51.100.1:1"), kmip.KindNotAuthenticated)

		for name, change := range map[string]custody.ClientChange{
			"a rate below zero": {Rate: ptr(-1.0)}, "a rate that is hardly one": {Rate: ptr(0.0001)}, "connections below zero": {Connections: ptr(-1)},
			"too many sources": {Sources: ptr(make([]netip.Prefix, 257))}, "a source that is none": {Sources: ptr(make([]netip.Prefix, 1))},
		} {
			if _, err := s.SetClient(ctx, s.Administrator("default"), "array", change); err == nil {
				t.Errorf("%s is taken", name)
			}
		}
		_, err := s.SetClient(ctx, s.Administrator("default"), "nobody", custody.ClientChange{Disabled: &yes})
		refuses(t, "nobody", err, kmip.KindObjectNotFound)
		_, err = s.SetClient(ctx, administrator(s, policy.RoleAuditor), "array", custody.ClientChange{Disabled: &yes})
		refuses(t, "an auditor", err, kmip.KindPermissionDenied)
	})
}

func ptr[T any](v T) *T { return &v }

func TestARateIsKeptByNodeAndFollowsItsSetting(t *testing.T) {
	s := service.New(t)
	made := newClient(t, s, "array")
	set := func(rate float64, burst int) custody.Visitor {
		t.Helper()
		if _, err := s.SetClient(t.Context(), s.Administrator("default"), "array", custody.ClientChange{Rate: &rate, Burst: &burst}); err != nil {
			t.Fatal(err)
		}
		s.Clock.Advance(2 * time.Second)
		v, _, err := s.Identify(t.Context(), presented(made, "192.0.2.1:1"))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	taken := func(v custody.Visitor, items int) (n int) {
		for range 100 {
			if s.Spend(v, items) == nil {
				n++
			}
		}
		return n
	}
	v := set(10, 5)
	if n := taken(v, 1); n != 5 {
		t.Errorf("%d at once, want 5", n)
	}
	s.Clock.Advance(300 * time.Millisecond)
	if n := taken(v, 1); n != 3 {
		t.Errorf("%d after 300 ms at 10 a second, want 3", n)
	}
	s.Clock.Advance(time.Second)
	if n := taken(v, 1000); n != 1 {
		t.Errorf("%d batches that are larger than the burst, want 1", n)
	}
	refuses(t, "over the rate", s.Spend(v, 1), kmip.KindUnavailable)
	if n := taken(set(0, 0), 1); n != 100 {
		t.Errorf("%d without a rate", n)
	}
	if n := taken(set(1, 2), 1); n != 2 {
		t.Errorf("%d with another rate, want 2", n)
	}
}

func TestRolesAreGrantedByOfficers(t *testing.T) {
	onBothStores(t, func(t *testing.T, s *service.Service) {
		ctx := t.Context()
		system, officer := administrator(s, policy.RoleSystem), administrator(s, policy.RoleOfficer)
		made, err := s.CreateClient(ctx, system, "array", "")
		if err != nil {
			t.Fatal(err)
		}
		if made.Client.Role != policy.RoleNone {
			t.Errorf("the client has role %q", made.Client.Role)
		}
		_, err = s.CreateClient(ctx, system, "second", policy.RoleFull)
		refuses(t, "a role by who may not grant any", err, kmip.KindPermissionDenied)
		if _, err := s.Store.Client(ctx, "default", "second"); err == nil {
			t.Error("the client was made all the same")
		}
		if _, err := s.CreateClient(ctx, system, "third", policy.RoleNone); err != nil {
			t.Errorf("no role, asked for: %v", err)
		}
		role, err := s.AddUser(ctx, system, "alice", "", secret.New([]byte("pw")))
		if err != nil || role != policy.RoleNone {
			t.Errorf("the user has role %q, %v", role, err)
		}
		refuses(t, "a grant by who made it", s.GrantClient(ctx, system, "array", policy.RoleFull), kmip.KindPermissionDenied)
		refuses(t, "a grant to a user by who made it", s.GrantUser(ctx, system, "alice", policy.RoleFull), kmip.KindPermissionDenied)
		refuses(t, "a role that is none", s.GrantClient(ctx, officer, "array", "king"), kmip.KindInvalidField)
		refuses(t, "nobody", s.GrantClient(ctx, officer, "nobody", policy.RoleFull), kmip.KindObjectNotFound)
		if err := s.GrantClient(ctx, officer, "array", policy.RoleFull); err != nil {
			t.Fatal(err)
		}
		if err := s.GrantUser(ctx, officer, "alice", policy.RoleUserAdmin); err != nil {
			t.Fatal(err)
		}
		if p, err := s.AuthenticateClient(ctx, made.Issued.Certificate); err != nil || p.Role != policy.RoleFull {
			t.Errorf("%+v, %v", p, err)
		}
		if u, err := s.Store.User(ctx, "default", "alice"); err != nil || u.Role != policy.RoleUserAdmin {
			t.Errorf("%+v, %v", u, err)
		}
		if err := s.RevokeClient(ctx, officer, "array"); err != nil {
			t.Fatal(err)
		}
		refuses(t, "a grant to a revoked client", s.GrantClient(ctx, officer, "array", policy.RoleFull), kmip.KindWrongState)
	})
}

func TestClientsAreListedWithTheirState(t *testing.T) {
	onBothStores(t, func(t *testing.T, s *service.Service) {
		ctx := t.Context()
		newClient(t, s, "array")
		newClient(t, s, "other")
		if _, err := s.IssueCertificate(ctx, s.Administrator("default"), "array"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.SetClient(ctx, s.Administrator("default"), "other", custody.ClientChange{Connections: ptr(3)}); err != nil {
			t.Fatal(err)
		}
		list, err := s.ListClients(ctx, s.Administrator(""))
		if err != nil || len(list) != 2 || len(list[0].Certificates) != 2 || len(list[1].Certificates) != 1 || list[1].Settings.Connections != 3 {
			t.Errorf("%+v, %v", list, err)
		}
		d, err := s.ShowClient(ctx, s.Administrator("default"), "other")
		if err != nil || d.Settings.Connections != 3 || len(d.Certificates) != 1 {
			t.Errorf("%+v, %v", d, err)
		}
		_, err = s.ShowClient(ctx, s.Administrator("default"), "nobody")
		refuses(t, "nobody", err, kmip.KindObjectNotFound)
	})
}

func TestAClientHasSeveralCertificatesAndLosesThemOneByOne(t *testing.T) {
	onBothStores(t, func(t *testing.T, s *service.Service) {
		ctx := t.Context()
		first := newClient(t, s, "array")
		second, err := s.IssueCertificate(ctx, s.Administrator("default"), "array")
		if err != nil {
			t.Fatal(err)
		}
		for _, made := range []*custody.NewClient{first, second} {
			if _, err := s.AuthenticateClient(ctx, made.Issued.Certificate); err != nil {
				t.Errorf("one of two certificates: %v", err)
			}
		}
		newClient(t, s, "other")
		sum := custody.FingerprintOf(first.Issued.Certificate)
		colons := strings.ToUpper(sum[:2]) + ":" + sum[2:]
		refuses(t, "of another client", s.RevokeCertificate(ctx, s.Administrator("default"), "other", sum), kmip.KindObjectNotFound)
		refuses(t, "half a fingerprint", s.RevokeCertificate(ctx, s.Administrator("default"), "array", sum[:32]), kmip.KindInvalidField)
		if err := s.RevokeCertificate(ctx, s.Administrator("default"), "array", colons); err != nil {
			t.Fatal(err)
		}
		s.Clock.Advance(2 * time.Second)
		_, err = s.AuthenticateClient(ctx, first.Issued.Certificate)
		refuses(t, "the revoked one", err, kmip.KindNotAuthenticated)
		if _, err := s.AuthenticateClient(ctx, second.Issued.Certificate); err != nil {
			t.Errorf("the other one: %v", err)
		}
		if err := s.RevokeClient(ctx, s.Administrator("default"), "array"); err != nil {
			t.Fatal(err)
		}
		_, err = s.IssueCertificate(ctx, s.Administrator("default"), "array")
		refuses(t, "one more for a revoked client", err, kmip.KindWrongState)
	})
}

func TestRefusalsAreCountedInTheAudit(t *testing.T) {
	s := service.New(t)
	made := newClient(t, s, "array")
	if _, err := s.SetClient(t.Context(), s.Administrator("default"), "array", custody.ClientChange{Disabled: ptr(true)}); err != nil {
		t.Fatal(err)
	}
	v, known, err := s.Identify(t.Context(), presented(made, "192.0.2.1:1"))
	if err == nil || !known || v.Client != "default/array" {
		t.Fatalf("%+v, %t, %v", v, known, err)
	}
	sc := s.Begin(v.Principal, "default", "kmip", "192.0.2.1:1", "test")
	for second := range 3 {
		for range 10 + second {
			s.TurnAway(t.Context(), sc, "Get", v.Client, err)
		}
		s.Clock.Advance(time.Second)
	}
	list, aerr := s.Store.Audit(t.Context(), store.AuditQuery{Outcome: "failure", Limit: 10})
	if aerr != nil || len(list) != 3 || list[2].Detail != "disabled" || list[1].Detail != "disabled; 9 more before it" || list[0].Detail != "disabled; 10 more before it" ||
		list[0].Actor != "client:array" || list[0].Reason != kmip.KindNotAuthenticated.String() {
		t.Errorf("%+v, %v", list, aerr)
	}
}

// While nothing about clients changes, who a client is is not asked of the store for
// each of them each second; when something does, it counts at once.
func TestClientsAreAskedForAgainWhenSomethingHasChanged(t *testing.T) {
	st := &watchedStore{}
	s := service.With(t, service.Options{Store: st.wrap})
	ctx := t.Context()
	made, err := s.CreateClient(ctx, s.Administrator("default"), "c", "")
	if err != nil {
		t.Fatal(err)
	}
	come := func() (int64, error) {
		before := st.reads.Load()
		_, _, err := s.Identify(ctx, custody.Presented{Certificates: []*x509.Certificate{made.Issued.Certificate}, Source: "127.0.0.1:1"})
		return st.reads.Load() - before, err
	}
	refresh := func() {
		if err := s.RefreshClients(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := come(); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		s.Clock.Advance(time.Second)
		refresh()
		if n, err := come(); n != 0 || err != nil {
			t.Fatalf("%d questions to the store, %v", n, err)
		}
	}
	s.Clock.Advance(3 * time.Second) // nobody looks whether something has changed
	if n, err := come(); n == 0 || err != nil {
		t.Errorf("%d questions to the store, %v", n, err)
	}
	refresh()
	if err := s.RevokeClient(ctx, s.Administrator("default"), "c"); err != nil {
		t.Fatal(err)
	}
	s.Clock.Advance(time.Second)
	refresh()
	if _, err := come(); kmip.KindOf(err) != kmip.KindNotAuthenticated {
		t.Errorf("a client that was revoked comes: %v", err)
	}
}
