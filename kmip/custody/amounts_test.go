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
