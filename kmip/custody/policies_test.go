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
	"github.com/claviger/claviger/store/audit"
	"github.com/claviger/claviger/testenv/service"
)

// as opens a scope of a client of the domain "default" with a role.
func as(s *service.Service, name, role string) *custody.Scope {
	p := custody.Principal{Principal: policy.Principal{Kind: policy.KindClient, Domain: "default", Name: name, Role: role}}
	return s.Begin(p, "default", "kmip", "10.1.2.3:4", "test")
}

func setPolicy(t *testing.T, s *service.Service, domain, text string) {
	t.Helper()
	if err := s.SetPolicy(t.Context(), s.Administrator(domain), text, 0); err != nil {
		t.Fatal(err)
	}
}

func get(s *service.Service, sc *custody.Scope, uid string) error {
	_, err := s.Get(context.Background(), sc, uid, custody.GetOptions{})
	return err
}

func TestAPolicyIsInForceOnEveryNodeAtOnce(t *testing.T) {
	onBothStores(t, aPolicyIsInForceOnEveryNodeAtOnce)
}

func aPolicyIsInForceOnEveryNodeAtOnce(t *testing.T, s *service.Service) {
	other := s.Another(t)
	uid := create(t, s, s.Client("default"))
	for _, n := range []*service.Service{s, other} {
		if err := get(n, as(n, "a", policy.RoleFull), uid); err != nil {
			t.Fatal(err)
		}
	}
	setPolicy(t, s, "default", `@id("shut") forbid (principal, action == Action::"Get", resource) unless { context.source.isInRange(ip("192.168.0.0/16")) };`)
	wantKind(t, get(s, as(s, "a", policy.RoleFull), uid), kmip.KindPermissionDenied)
	s.Clock.Advance(time.Second)
	wantKind(t, get(other, as(other, "a", policy.RoleFull), uid), kmip.KindPermissionDenied)
	wantKind(t, get(other, other.Client("default"), uid), kmip.KindPermissionDenied)

	list, err := s.Audit(t.Context(), s.Administrator(""), store.AuditQuery{Operation: "Get", Outcome: audit.Failure, Limit: 1})
	if err != nil || len(list) != 1 || list[0].Detail != "policy default#shut (line 1) forbids it" {
		t.Errorf("the audit says %+v, %v", list, err)
	}
	setPolicy(t, other, "default", "")
	s.Clock.Advance(time.Second)
	if err := get(s, as(s, "a", policy.RoleFull), uid); err != nil {
		t.Errorf("the policy was taken back: %v", err)
	}
}

func TestAPolicyOfTheInstallationHoldsInEveryDomain(t *testing.T) {
	onBothStores(t, aPolicyOfTheInstallationHoldsInEveryDomain)
}

func aPolicyOfTheInstallationHoldsInEveryDomain(t *testing.T, s *service.Service) {
	uid := create(t, s, s.Client("default"))
	setPolicy(t, s, custody.SystemDomain, `forbid (principal, action in Action::"retrieve", resource);`)
	wantKind(t, get(s, as(s, "a", policy.RoleFull), uid), kmip.KindPermissionDenied)
	setPolicy(t, s, custody.SystemDomain, `forbid (principal is Administrator, action == Action::"key.destroy", resource);`)
	wantKind(t, s.DestroyKey(t.Context(), s.Administrator("default"), uid, false, false), kmip.KindPermissionDenied)
}

func TestAPolicyThatIsWrongLeavesTheOldOneInForce(t *testing.T) {
	onBothStores(t, aPolicyThatIsWrongLeavesTheOldOneInForce)
}

func aPolicyThatIsWrongLeavesTheOldOneInForce(t *testing.T, s *service.Service) {
	uid := create(t, s, s.Client("default"))
	setPolicy(t, s, "default", `forbid (principal, action == Action::"Get", resource);`)
	for _, tc := range []struct{ domain, text, want string }{
		{"default", "permit (principal, action, resource", "default:1:36: this is not Cedar"},
		{"default", "\npermit (principal == Client::\"nobody\", action, resource);", `default:2:22: no client "nobody" in domain "default"`},
		{"default", `permit (principal, action, resource == Object::"none");`, `default:1:40: no object "none"`},
		{"default", `permit (principal in Domain::"elsewhere", action, resource);`, `says nothing about domain "elsewhere"`},
		{"default", `permit (principal == Administrator::"nobody", action, resource);`, `no administrator "nobody"`},
		{custody.SystemDomain, `permit (principal == Client::"a", action, resource);`, "installation:1:22: a policy of the installation cannot name a client"},
		{"nowhere", ``, `no domain "nowhere"`},
		{"default", `forbid (principal, action, resource);`, "no administrator could change them any more"},
		{custody.SystemDomain, `forbid (principal is Administrator, action == Action::"policy.update", resource) unless { context.approvals >= 2 };`, "no administrator could change them any more"},
	} {
		err := s.SetPolicy(t.Context(), s.Administrator(tc.domain), tc.text, 0)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %s", tc.text, err, tc.want)
		}
	}
	wantKind(t, get(s, as(s, "a", policy.RoleFull), uid), kmip.KindPermissionDenied)
}

func TestAPolicyIsNotReplacedUnseen(t *testing.T) { onBothStores(t, aPolicyIsNotReplacedUnseen) }

func aPolicyIsNotReplacedUnseen(t *testing.T, s *service.Service) {
	setPolicy(t, s, "default", "// one")
	p, err := s.ShowPolicy(t.Context(), s.Administrator("default"))
	if err != nil || p.Revision != 1 || p.Text != "// one" {
		t.Fatalf("%+v, %v", p, err)
	}
	setPolicy(t, s, "default", "// two")
	wantKind(t, s.SetPolicy(t.Context(), s.Administrator("default"), "// three", p.Revision), kmip.KindWrongState)
}

func TestRolesAndGroupsOfADomain(t *testing.T) { onBothStores(t, rolesAndGroupsOfADomain) }

func rolesAndGroupsOfADomain(t *testing.T, s *service.Service) {
	ctx, admin := t.Context(), s.Administrator("default")
	uid := create(t, s, s.Client("default"))
	if _, err := s.CreateClient(ctx, admin, "a", "reader"); err == nil {
		t.Fatal("a client has a role that is not there")
	}
	for _, step := range []struct {
		name string
		do   func() error
		want string // in the error
	}{
		{"a policy for a role that is not there", func() error {
			return s.SetPolicy(ctx, admin, `permit (principal in Role::"reader", action == Action::"Get", resource);`, 0)
		}, `no role "reader"`},
		{"make the role", func() error { return s.CreateRole(ctx, admin, "reader") }, ""},
		{"make it twice", func() error { return s.CreateRole(ctx, admin, "reader") }, "exists already"},
		{"make a ready one", func() error { return s.CreateRole(ctx, admin, "database") }, "exists already"},
		{"a role where there are no clients", func() error { return s.CreateRole(ctx, s.Administrator(custody.SystemDomain), "reader") }, "has no clients"},
		{"a group where there are no clients", func() error {
			return s.SetGroup(ctx, s.Administrator(custody.SystemDomain), "readers", []string{})
		}, "has no clients"},
		{"a client of the role", func() error { _, err := s.CreateClient(ctx, admin, "a", "reader"); return err }, ""},
		{"a client of the role in another domain", func() error {
			if err := s.CreateDomain(ctx, s.Administrator(""), "other", ""); err != nil {
				return err
			}
			_, err := s.CreateClient(ctx, s.Administrator("other"), "a", "reader")
			return err
		}, `no role "reader" in domain "other"`},
		{"the role may nothing yet", func() error { return get(s, as(s, "a", "reader"), uid) }, "not permitted"},
		{"the policy for it", func() error {
			return s.SetPolicy(ctx, admin, `permit (principal in Role::"reader", action == Action::"Get", resource);`, 0)
		}, ""},
		{"the role may get", func() error { return get(s, as(s, "a", "reader"), uid) }, ""},
		{"delete a role that a policy names", func() error { return s.DeleteRole(ctx, admin, "reader") }, "has role"},
		{"a group with nobody that is known", func() error { return s.SetGroup(ctx, admin, "night", []string{"client:z"}) }, `no client "z"`},
		{"a group with what is no member", func() error { return s.SetGroup(ctx, admin, "night", []string{"z"}) }, "client:NAME"},
		{"a group", func() error { return s.SetGroup(ctx, admin, "night", []string{"client:a"}) }, ""},
		{"a policy for the group", func() error {
			return s.SetPolicy(ctx, admin, `permit (principal in Group::"night", action == Action::"Destroy", resource);`, 0)
		}, ""},
		{"delete a group that a policy names", func() error { return s.SetGroup(ctx, admin, "night", nil) }, `no group "night"`},
		{"a member may destroy", func() error { return s.Destroy(ctx, as(s, "a", "reader"), uid) }, ""},
		{"delete a group that is not there", func() error { return s.SetGroup(ctx, admin, "day", nil) }, `no group "day"`},
		{"delete a role that a client has", func() error { return s.DeleteRole(ctx, admin, "reader") }, `client "a" has role`},
		{"delete a role that is not there", func() error { return s.DeleteRole(ctx, admin, "writer") }, `no role "writer"`},
	} {
		err := step.do()
		if step.want == "" && err != nil || step.want != "" && (err == nil || !strings.Contains(err.Error(), step.want)) {
			t.Fatalf("%s: %v, want %q", step.name, err, step.want)
		}
	}
}

// TestHiddenAndAbsentGiveOneAnswer: who may do something with some objects only
// cannot tell an object that he may not touch from one that is not there.
func TestHiddenAndAbsentGiveOneAnswer(t *testing.T) { onBothStores(t, hiddenAndAbsentGiveOneAnswer) }

func hiddenAndAbsentGiveOneAnswer(t *testing.T, s *service.Service) {
	uid := create(t, s, as(s, "theirs", policy.RoleFull))
	for _, tc := range []struct {
		name, text string
		want       kmip.Kind
	}{
		{"permitted for one's own", `permit (principal in Role::"none", action, resource) when { resource.creator == principal.actor };`, kmip.KindPermissionDenied},
		{"forbidden for some", `permit (principal in Role::"none", action, resource); forbid (principal, action, resource) when { resource.type == "SymmetricKey" };`, kmip.KindObjectNotFound},
	} {
		t.Run(tc.name, func(t *testing.T) {
			setPolicy(t, s, "default", tc.text)
			there, absent := get(s, as(s, "a", policy.RoleNone), uid), get(s, as(s, "a", policy.RoleNone), "01a20d80-0000-7000-8000-000000000000")
			wantKind(t, there, tc.want)
			wantKind(t, absent, tc.want)
			if m := messageOf(t, there); m != messageOf(t, absent) {
				t.Errorf("hidden: %q, absent: %q", m, messageOf(t, absent))
			}
		})
	}
}

func messageOf(t *testing.T, err error) string {
	t.Helper()
	f, ok := err.(*kmip.Failure) //nolint:errorlint // what clients are told
	if !ok {
		t.Fatalf("%v is no failure", err)
	}
	return f.Message
}

func TestTheLastKnownPolicyHoldsForABoundAndThenNothing(t *testing.T) {
	st := &watchedStore{}
	s := service.With(t, service.Options{Store: st.wrap})
	uid := create(t, s, s.Client("default"))
	st.away.Store(true)
	s.Clock.Advance(10 * time.Minute)
	if err := get(s, s.Client("default"), uid); err != nil {
		t.Errorf("within the bound: %v", err)
	}
	s.Clock.Advance(6 * time.Minute)
	wantKind(t, get(s, s.Client("default"), uid), kmip.KindUnavailable)
	st.away.Store(false)
	s.Clock.Advance(time.Second)
	if err := get(s, s.Client("default"), uid); err != nil {
		t.Errorf("when the store is back: %v", err)
	}
}

func TestADamagedPolicyDeniesItsDomainOnly(t *testing.T) {
	onBothStores(t, aDamagedPolicyDeniesItsDomainOnly)
}

func aDamagedPolicyDeniesItsDomainOnly(t *testing.T, s *service.Service) {
	if err := s.CreateDomain(t.Context(), s.Administrator(""), "other", ""); err != nil {
		t.Fatal(err)
	}
	mine, theirs := create(t, s, s.Client("default")), create(t, s, s.Client("other"))
	setPolicy(t, s, "default", "// kept")
	setPolicy(t, s, "other", "// another one")
	r, err := s.Store.Record(t.Context(), "default", "policy", "only")
	if err != nil {
		t.Fatal(err)
	}
	moved, err := s.Store.Record(t.Context(), "other", "policy", "only")
	if err != nil {
		t.Fatal(err)
	}
	r.Revision, r.Value = r.Revision+1, moved.Value
	if err := s.Store.Commit(t.Context(), store.Change{UpdateRecords: []store.Record{r}, PutSettings: []store.Setting{{Name: "policy.epoch", Value: []byte("x")}}}); err != nil {
		t.Fatal(err)
	}
	s.Clock.Advance(time.Second)
	wantKind(t, get(s, s.Client("default"), mine), kmip.KindPermissionDenied)
	if err := get(s, s.Client("other"), theirs); err != nil {
		t.Errorf("another domain: %v", err)
	}
}

func TestExplainCompareAndSimulate(t *testing.T) { onBothStores(t, explainCompareAndSimulate) }

func explainCompareAndSimulate(t *testing.T, s *service.Service) {
	ctx, admin := t.Context(), s.Administrator("default")
	for name, role := range map[string]string{"db": policy.RoleDatabase, "arr": policy.RoleStorageArray} {
		if _, err := s.CreateClient(ctx, admin, name, role); err != nil {
			t.Fatal(err)
		}
	}
	uid := create(t, s, as(s, "db", policy.RoleDatabase))
	for range 3 {
		if err := get(s, as(s, "db", policy.RoleDatabase), uid); err != nil {
			t.Fatal(err)
		}
	}
	if err := get(s, as(s, "arr", policy.RoleStorageArray), uid); err != nil {
		t.Fatal(err)
	}
	wantKind(t, s.Destroy(ctx, as(s, "db", policy.RoleDatabase), uid), kmip.KindPermissionDenied)
	s.Clock.Advance(time.Minute)
	admin = s.Administrator("default")

	a, err := s.ExplainPolicy(ctx, admin, custody.Question{Actor: "client:db", Action: "Destroy", UID: uid})
	if err != nil || a.Decision.Allow || a.Role != policy.RoleDatabase || a.Decision.Reason != `no policy permits it to role "database"` {
		t.Errorf("explain: %+v, %v", a, err)
	}
	for _, q := range []custody.Question{
		{Actor: "client:none", Action: "Get"},
		{Actor: "db", Action: "Get"},
		{Actor: "client:db", Action: "Steal"},
		{Actor: "client:db", Action: "Get", UID: "none"},
		{Actor: "client:db", Action: "Get", Source: "here"},
	} {
		if _, err := s.ExplainPolicy(ctx, admin, q); err == nil {
			t.Errorf("%+v was explained", q)
		}
	}

	draft := custody.Draft{Text: `@id("no-db-get") forbid (principal in Role::"database", action == Action::"Get", resource);`}
	c, err := s.ComparePolicy(ctx, admin, draft)
	if err != nil || len(c.Policies) != 1 || c.Policies[0].Policy != "no-db-get" || c.Policies[0].Was != "" {
		t.Errorf("compare: %+v, %v", c, err)
	}
	if len(c.Shifts) != 1 || c.Shifts[0].Role != "database" || c.Shifts[0].Action != "Get" || c.Shifts[0].Object != "" || c.Shifts[0].Is.Allow {
		t.Errorf("shifts: %+v", c.Shifts)
	}
	sim, err := s.SimulatePolicy(ctx, admin, draft, 24*time.Hour)
	if err != nil || len(sim.Outcomes) != 1 || sim.Outcomes[0].Actor != "client:db" || sim.Outcomes[0].Requests != 3 || sim.Outcomes[0].UID != uid || sim.Outcomes[0].Is.Allow {
		t.Errorf("simulate: %+v, %v", sim, err)
	}
	if sim, err = s.SimulatePolicy(ctx, admin, custody.Draft{Text: `permit (principal in Role::"database", action == Action::"Destroy", resource);`}, 24*time.Hour); err != nil ||
		len(sim.Outcomes) != 1 || sim.Outcomes[0].Action != "Destroy" || !sim.Outcomes[0].Is.Allow {
		t.Errorf("simulate what was refused: %+v, %v", sim, err)
	}
	if err := get(s, as(s, "db", policy.RoleDatabase), uid); err != nil {
		t.Errorf("a draft is in force: %v", err)
	}
	for name, err := range map[string]error{
		"check":    s.CheckPolicy(ctx, admin, custody.Draft{Text: "x"}),
		"compare":  func() error { _, err := s.ComparePolicy(ctx, admin, custody.Draft{Text: "x"}); return err }(),
		"simulate": func() error { _, err := s.SimulatePolicy(ctx, admin, custody.Draft{Text: "x"}, time.Hour); return err }(),
	} {
		if err == nil || !strings.Contains(err.Error(), "this is not Cedar: unexpected effect: x") {
			t.Errorf("%s of what is not Cedar: %v", name, err)
		}
	}
}
