package custody_test

import (
	"crypto/sha256"
	"slices"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/testenv/service"
)

// hashedOf is a Hashed Password credential by SHA-256 (KMIP 1.4, §9.4).
func hashedOf(name, password string, at time.Time) []byte {
	sum := func(parts ...[]byte) []byte {
		s := sha256.Sum256(slices.Concat(parts...))
		return s[:]
	}
	stamp := kmip.AppendItem(nil, kmip.Item{Type: kmip.TypeDateTimeExtended, Int: at.UnixMicro()})[5:]
	s1, s2 := sum([]byte(name), []byte(password)), sum([]byte(password), []byte(name))
	return slices.Concat(sum(s1, stamp), s2)
}

func TestUsersAreListedDisabledAndEnabled(t *testing.T) {
	onBothStores(t, usersAreListedDisabledAndEnabled)
}

func usersAreListedDisabledAndEnabled(t *testing.T, s *service.Service) {
	ctx, admin, client := t.Context(), s.Administrator("default"), s.Client("default").Principal
	if err := s.CreateDomain(ctx, s.Administrator(""), "other", ""); err != nil {
		t.Fatal(err)
	}
	for domain, name := range map[string]string{"default": "alice", "other": "bob"} {
		if err := s.CreateUser(ctx, s.Administrator(domain), name, "", secret.Copy([]byte("first"))); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := s.Users(ctx, admin); err != nil || len(list) != 1 || list[0].Name != "alice" || !list[0].Disabled.IsZero() {
		t.Errorf("%+v, %v", list, err)
	}
	if list, err := s.Users(ctx, s.Administrator("")); err != nil || len(list) != 2 || list[1].Domain != "other" {
		t.Errorf("%+v, %v", list, err)
	}
	comes := func(password string) error {
		_, err := s.AuthenticateUser(ctx, client, "alice", []byte(password))
		return err
	}
	hashed := func(password string) error {
		s.Clock.Advance(time.Second)
		_, _, err := s.AuthenticateHashed(ctx, client, "alice", s.Clock.Now(), 0, hashedOf("alice", password, s.Clock.Now()))
		return err
	}
	for _, way := range []func(string) error{comes, hashed} {
		if err := way("first"); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := s.DisableUser(ctx, admin, "alice"); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := s.Users(ctx, admin); err != nil || list[0].Disabled.IsZero() {
		t.Errorf("%+v, %v", list, err)
	}
	wantKind(t, comes("first"), kmip.KindNotAuthenticated)
	wantKind(t, hashed("first"), kmip.KindNotAuthenticated)
	// Another password does not bring it back.
	wantKind(t, s.SetPassword(ctx, admin, "alice", secret.Copy(nil)), kmip.KindMissingField)
	if err := s.SetPassword(ctx, admin, "alice", secret.Copy([]byte("second"))); err != nil {
		t.Fatal(err)
	}
	wantKind(t, comes("second"), kmip.KindNotAuthenticated)
	for range 2 {
		if err := s.EnableUser(ctx, admin, "alice"); err != nil {
			t.Fatal(err)
		}
	}
	for _, way := range []func(string) error{comes, hashed} {
		wantKind(t, way("first"), kmip.KindNotAuthenticated)
		if err := way("second"); err != nil {
			t.Error(err)
		}
	}
	for _, err := range []error{
		s.DisableUser(ctx, admin, "bob"), s.EnableUser(ctx, admin, "bob"), s.SetPassword(ctx, admin, "bob", secret.Copy([]byte("x"))),
	} {
		wantKind(t, err, kmip.KindObjectNotFound)
	}
}

// No duty alone brings a disabled user back and uses it.
func TestWhoSetsPasswordsEnablesNobody(t *testing.T) {
	s, ctx := service.New(t), t.Context()
	if err := s.CreateUser(ctx, s.Administrator("default"), "alice", "", secret.Copy([]byte("first"))); err != nil {
		t.Fatal(err)
	}
	for role, may := range map[string][]bool{ // list, disable, password, enable
		policy.RoleSystem:  {true, true, true, false},
		policy.RoleOfficer: {true, true, false, true},
		policy.RoleAuditor: {true, false, false, false},
	} {
		sc := administrator(s, role)
		_, err := s.Users(ctx, sc)
		for i, err := range []error{err, s.DisableUser(ctx, sc, "alice"), s.SetPassword(ctx, sc, "alice", secret.Copy([]byte("x"))), s.EnableUser(ctx, sc, "alice")} {
			if may[i] && err != nil {
				t.Errorf("%s, %d: %v", role, i, err)
			} else if !may[i] {
				wantKind(t, err, kmip.KindPermissionDenied)
			}
		}
	}
}
