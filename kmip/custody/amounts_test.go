package custody_test

import (
	"context"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/testenv/service"
)

// replaceWith imports a key into the place of one that is there.
func replaceWith(s *service.Service, sc *custody.Scope, uid string) error {
	sc.About(words("Import " + uid))
	value := &kmip.Object{Type: kmip.ObjectTypeSymmetricKey, Key: &kmip.KeyBlock{
		Format: kmip.KeyFormatTypeRaw, Material: secret.New(make([]byte, 32)), Algorithm: kmip.CryptographicAlgorithmAES, LengthBits: 256,
	}}
	defer value.Destroy()
	return s.Import(context.Background(), sc, custody.ImportArgs{
		UID: uid, Type: value.Type, Value: value, Replace: true, Attrs: attrs(kmip.Mask(kmip.TagCryptographicUsageMask, maskEncryptDecrypt)),
	})
}

// anActive makes an Active key.
func anActive(t *testing.T, s *service.Service, sc *custody.Scope, extra ...kmip.Item) string {
	t.Helper()
	return create(t, s, sc, append(extra, kmip.DateTime(kmip.TagActivationDate, s.Clock.Now()))...)
}

func TestARegistrarReplacesOnlyWhatItMade(t *testing.T) {
	onBothStores(t, func(t *testing.T, s *service.Service) {
		theirs := anActive(t, s, as(s, "theirs", policy.RoleFull))
		before := valueOf(t, s, theirs)
		wantKind(t, replaceWith(s, as(s, "reg", policy.RoleRegistrar), theirs), kmip.KindPermissionDenied)
		if string(valueOf(t, s, theirs)) != string(before) {
			t.Error("the key of another was replaced")
		}
		for _, own := range []string{create(t, s, as(s, "reg", policy.RoleRegistrar)), anActive(t, s, as(s, "reg", policy.RoleRegistrar))} {
			if err := replaceWith(s, as(s, "reg", policy.RoleRegistrar), own); err != nil {
				t.Errorf("its own: %v", err)
			}
		}
	})
}

// Who replaces an object ends it: what holds for Revoke and Destroy holds for that.
func TestReplacingNeedsWhatDestroyingNeeds(t *testing.T) {
	for _, action := range []string{"Destroy", "Revoke"} {
		inBothStores(t, service.Options{Decide: needing(1, action)}, func(t *testing.T, s *service.Service) {
			ann := hire(t, s, "ann", policy.RoleOfficer)
			uid := anActive(t, s, s.Client("default"))
			before := valueOf(t, s, uid)
			id := wantRequest(t, replaceWith(s, s.Client("default"), uid))
			if string(valueOf(t, s, uid)) != string(before) {
				t.Fatal("the key was replaced without approval")
			}
			if err := ann.approves(t, id); err != nil {
				t.Fatal(err)
			}
			if err := replaceWith(s, s.Client("default"), uid); err != nil {
				t.Errorf("after approval: %v", err)
			}
			wantRequest(t, replaceWith(s, s.Client("default"), anActive(t, s, s.Client("default"))))
		})
	}
}

// One request for approval is enough for all that an operation amounts to.
func TestReplacingNeedsOneApprovalForAllThatItAmountsTo(t *testing.T) {
	s := service.With(t, service.Options{Decide: needing(1, "Import", "Revoke", "Destroy")})
	ann := hire(t, s, "ann", policy.RoleOfficer)
	uid := anActive(t, s, as(s, "a", policy.RoleFull))
	if err := ann.approves(t, wantRequest(t, replaceWith(s, as(s, "a", policy.RoleFull), uid))); err != nil {
		t.Fatal(err)
	}
	if err := replaceWith(s, as(s, "a", policy.RoleFull), uid); err != nil {
		t.Errorf("after approval: %v", err)
	}
	s.Clock.Advance(time.Second)
	wantRequest(t, replaceWith(s, as(s, "a", policy.RoleFull), uid))
}

// dating are the ways to give an object a Deactivation Date.
var dating = map[string]func(*service.Service, *custody.Scope, string, time.Time) error{
	"AddAttribute": func(s *service.Service, sc *custody.Scope, uid string, at time.Time) error {
		_, err := s.AddAttribute(context.Background(), sc, uid, kmip.NewAttribute(kmip.DateTime(kmip.TagDeactivationDate, at)))
		return err
	},
	"SetAttribute": func(s *service.Service, sc *custody.Scope, uid string, at time.Time) error {
		return s.SetAttribute(context.Background(), sc, uid, kmip.NewAttribute(kmip.DateTime(kmip.TagDeactivationDate, at)))
	},
	"ModifyAttribute": func(s *service.Service, sc *custody.Scope, uid string, at time.Time) error {
		_, err := s.ModifyAttribute(context.Background(), sc, uid, kmip.NewAttribute(kmip.DateTime(kmip.TagDeactivationDate, at)), custody.Change{})
		return err
	},
	"AdjustAttribute": func(s *service.Service, sc *custody.Scope, uid string, at time.Time) error {
		a, err := s.GetAttributes(context.Background(), sc, uid, []kmip.AttributeID{{Tag: kmip.TagDeactivationDate}})
		if err != nil {
			return err
		}
		by := kmip.Interval(kmip.TagAdjustmentValue, a.Time(kmip.TagDeactivationDate).Sub(at).Abs())
		how := kmip.AdjustmentTypeDecrement
		if at.After(a.Time(kmip.TagDeactivationDate)) {
			how = kmip.AdjustmentTypeIncrement
		}
		return s.AdjustAttribute(context.Background(), sc, uid, kmip.AttributeID{Tag: kmip.TagDeactivationDate}, how, &by)
	},
}

// A date that ends an object, now or later, is as good as Revoke.
func TestADateThatEndsAnObjectNeedsWhatRevokeNeeds(t *testing.T) {
	onBothStores(t, func(t *testing.T, s *service.Service) {
		now := s.Clock.Now()
		for how, date := range dating {
			var has []kmip.Item
			if how != "AddAttribute" {
				has = []kmip.Item{kmip.DateTime(kmip.TagDeactivationDate, now.Add(100*day))}
			}
			for what, at := range map[string]time.Time{"in the past": now.Add(-time.Hour), "now": now, "in a moment": now.Add(2 * time.Second), "earlier than before": now.Add(90 * day)} {
				uid := anActive(t, s, as(s, "theirs", policy.RoleFull), has...)
				if err := date(s, as(s, "db", policy.RoleDatabase), uid, at); kmip.KindOf(err) != kmip.KindPermissionDenied {
					t.Errorf("%s, %s, by who may not revoke: %v", how, what, err)
				}
				if got := stateOf(t, s, uid); got != kmip.StateActive {
					t.Errorf("%s, %s: %s", how, what, got)
				}
				if err := date(s, as(s, "array", policy.RoleStorageArray), uid, at); err != nil {
					t.Errorf("%s, %s, by who may: %v", how, what, err)
				}
			}
			if how != "AddAttribute" { // it ends no earlier
				uid := anActive(t, s, as(s, "theirs", policy.RoleFull), has...)
				if err := date(s, as(s, "db", policy.RoleDatabase), uid, now.Add(200*day)); err != nil {
					t.Errorf("%s, later: %v", how, err)
				}
			}
		}
	})
}

// What a key policy sets when a key is activated is not what the client asks for.
func TestActivationByAnAttributeSetsTheDatesOfTheKeyPolicy(t *testing.T) {
	s := service.New(t)
	keyPolicies(t, s, custody.KeyPolicy{Recipient: period("30d")})
	uid := create(t, s, as(s, "db", policy.RoleDatabase))
	if err := s.SetAttribute(t.Context(), as(s, "db", policy.RoleDatabase), uid, kmip.NewAttribute(kmip.DateTime(kmip.TagActivationDate, s.Clock.Now()))); err != nil {
		t.Fatal(err)
	}
	if got := since(t, s, uid, kmip.TagDeactivationDate, s.Clock.Now()); got != 30*day {
		t.Errorf("the key ends in %s, want 30 days", got)
	}
}

func TestADateThatEndsAnObjectIsApprovedAsRevoke(t *testing.T) {
	inBothStores(t, service.Options{Decide: needing(2, "Revoke")}, func(t *testing.T, s *service.Service) {
		ann, bob := hire(t, s, "ann", policy.RoleOfficer), hire(t, s, "bob", policy.RoleOfficer)
		uid, at := anActive(t, s, s.Client("default")), s.Clock.Now()
		ask := func() error {
			sc := s.Client("default")
			sc.About(words("AddAttribute " + uid))
			return dating["AddAttribute"](s, sc, uid, at)
		}
		id := wantRequest(t, ask())
		for _, p := range []*person{ann, bob} {
			if err := p.approves(t, id); err != nil {
				t.Fatal(err)
			}
		}
		if err := ask(); err != nil {
			t.Fatal(err)
		}
		if got := stateOf(t, s, uid); got != kmip.StateDeactivated {
			t.Errorf("the key is %s", got)
		}
	})
}

func TestAnObjectDoesNotLeaveTheGroupThatProtectsIt(t *testing.T) {
	onBothStores(t, func(t *testing.T, s *service.Service) {
		ctx := t.Context()
		setPolicy(t, s, "default", `
			forbid (principal, action == Action::"Destroy", resource in ObjectGroup::"vault");
			forbid (principal, action == Action::"Get", resource) when { resource.names.contains("secret") };
			forbid (principal, action in Action::"describe", resource in ObjectGroup::"closed");`)
		group := kmip.AttributeID{Tag: kmip.TagObjectGroup}
		array := func() *custody.Scope { return as(s, "array", policy.RoleStorageArray) }
		full := func() *custody.Scope { return as(s, "full", policy.RoleFull) }
		protected := create(t, s, full(), kmip.Text(kmip.TagObjectGroup, "vault"), name("secret"))
		plain := create(t, s, full(), name("plain"))
		add := func(uid string, at kmip.Item) error {
			_, err := s.AddAttribute(ctx, array(), uid, kmip.NewAttribute(at))
			return err
		}
		for _, tc := range []struct {
			name string
			do   func() error
			want kmip.Kind // 0: it is done
		}{
			{"delete the group", func() error {
				_, err := s.DeleteAttribute(ctx, array(), protected, group, custody.Change{})
				return err
			}, kmip.KindPermissionDenied},
			{"set another group", func() error {
				return s.SetAttribute(ctx, array(), protected, kmip.NewAttribute(kmip.Text(kmip.TagObjectGroup, "open")))
			}, kmip.KindPermissionDenied},
			{"modify the group", func() error {
				_, err := s.ModifyAttribute(ctx, array(), protected, kmip.NewAttribute(kmip.Text(kmip.TagObjectGroup, "open")), custody.Change{})
				return err
			}, kmip.KindPermissionDenied},
			{"rename it", func() error {
				_, err := s.ModifyAttribute(ctx, array(), protected, kmip.NewAttribute(name("other")), custody.Change{})
				return err
			}, kmip.KindPermissionDenied},
			{"into a group whose objects nobody describes", func() error { return add(plain, kmip.Text(kmip.TagObjectGroup, "closed")) }, kmip.KindPermissionDenied},
			{"one more group", func() error { return add(protected, kmip.Text(kmip.TagObjectGroup, "more")) }, 0},
			{"one more name", func() error { return add(protected, name("alias")) }, 0},
			{"into the group that protects it", func() error { return add(plain, kmip.Text(kmip.TagObjectGroup, "vault")) }, 0},
			{"what policy does not see", func() error { return add(protected, kmip.Text(kmip.TagComment, "c")) }, 0},
		} {
			if err := tc.do(); tc.want == 0 && err != nil || tc.want != 0 && kmip.KindOf(err) != tc.want {
				t.Errorf("%s: %v", tc.name, err)
			}
		}
		wantKind(t, s.Destroy(ctx, array(), protected), kmip.KindObjectNotFound)
		wantKind(t, s.Destroy(ctx, array(), plain), kmip.KindObjectNotFound)
	})
}

// Where approvals would permit what the object is protected from, they permit the way
// out of its protection, too.
func TestLeavingAGroupIsApprovedAsWhatItPermits(t *testing.T) {
	s := service.New(t)
	setPolicy(t, s, "default", `forbid (principal, action == Action::"Destroy", resource in ObjectGroup::"vault") unless { context.approvals >= 1 };`)
	ann := hire(t, s, "ann", policy.RoleOfficer)
	uid := create(t, s, s.Client("default"), kmip.Text(kmip.TagObjectGroup, "vault"))
	ask := func() error {
		sc := s.Client("default")
		sc.About(words("DeleteAttribute " + uid))
		_, err := s.DeleteAttribute(t.Context(), sc, uid, kmip.AttributeID{Tag: kmip.TagObjectGroup}, custody.Change{})
		return err
	}
	if err := ann.approves(t, wantRequest(t, ask())); err != nil {
		t.Fatal(err)
	}
	if err := ask(); err != nil {
		t.Error(err)
	}
}
