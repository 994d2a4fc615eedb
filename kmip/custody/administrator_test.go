package custody_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/audit"
	"github.com/claviger/claviger/testenv/service"
)

func TestTheFirstAdministratorEndsWhenEachRoleHasAHolder(t *testing.T) {
	inBothStores(t, service.Options{}, func(t *testing.T, s *service.Service) {
		ctx := context.Background()
		issued, err := s.RenewAdministrator(ctx)
		if err != nil {
			t.Fatal(err)
		}
		root := &person{s, issued}
		if _, err := s.CreateAdministrator(ctx, root.scope(t), "second", policy.RoleAdministrator, nil); err != nil {
			t.Fatal(err)
		}
		hire(t, s, "ann", policy.RoleOfficer)
		hire(t, s, "sam", policy.RoleSystem)
		made, err := s.CreateAdministrator(ctx, root.scope(t), "eve", policy.RoleAuditor, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(made.Ended) != 2 {
			t.Errorf("ended: %v, want root and second", made.Ended)
		}
		_, err = s.AuthenticateAdministrator(ctx, issued.Certificate)
		wantKind(t, err, kmip.KindNotAuthenticated)
		entries, err := s.Store.Audit(ctx, store.AuditQuery{Operation: policy.ActionAdminRevoke, Outcome: audit.Success, Limit: 10})
		if err != nil || len(entries) != 2 {
			t.Errorf("%d entries, %v; want 2", len(entries), err)
		}
		// Nothing brings it back, nor makes another.
		_, err = s.RenewAdministrator(ctx)
		wantKind(t, err, kmip.KindWrongState)
		if issued, err := s.Initialise(ctx); err != nil || issued != nil {
			t.Errorf("initialised again: %v, %v", issued, err)
		}
		if issued, err := s.InitialiseDev(ctx); err != nil || issued != nil {
			t.Errorf("initialised again for trying out: %v, %v", issued, err)
		}
		_, err = s.RenewAdministrator(ctx)
		wantKind(t, err, kmip.KindWrongState)
		_, err = s.CreateAdministrator(ctx, s.Administrator(""), "third", policy.RoleAdministrator, nil)
		wantKind(t, err, kmip.KindWrongState)
	})
}

func TestNamesAndRolesAreForEver(t *testing.T) {
	s, ctx := service.New(t), context.Background()
	hire(t, s, "ann", policy.RoleOfficer)
	hire(t, s, "bob", policy.RoleOfficer)
	again := func(name, role string) error {
		_, err := s.CreateAdministrator(ctx, s.Administrator(""), name, role, nil)
		return err
	}
	wantKind(t, again("ann", policy.RoleSystem), kmip.KindObjectExists)
	wantKind(t, again("ann", policy.RoleOfficer), kmip.KindObjectExists)
	if err := s.RevokeAdministrator(ctx, s.Administrator(""), "ann"); err != nil {
		t.Fatal(err)
	}
	if err := s.RevokeAdministrator(ctx, s.Administrator(""), "ann"); err != nil {
		t.Errorf("revoked again: %v", err)
	}
	wantKind(t, again("ann", policy.RoleOfficer), kmip.KindObjectExists)
	wantKind(t, again("x", policy.RoleFull), kmip.KindInvalidField)
	wantKind(t, again("x", ""), kmip.KindInvalidField)
	wantKind(t, again("../x", policy.RoleSystem), kmip.KindInvalidField)
	wantKind(t, again("break-glass-x", policy.RoleSystem), kmip.KindInvalidField)
	wantKind(t, s.RevokeAdministrator(ctx, s.Administrator(""), "nobody"), kmip.KindObjectNotFound)
}

// Two who revoke each other at once: somebody is left.
func TestARoleKeepsItsLastHolder(t *testing.T) {
	inBothStores(t, service.Options{}, func(t *testing.T, s *service.Service) {
		ctx := context.Background()
		hire(t, s, "ann", policy.RoleOfficer)
		hire(t, s, "bob", policy.RoleOfficer)
		nodes := []*service.Service{s, s.Another(t)}
		var wg sync.WaitGroup
		results := make([]error, 2)
		for i, name := range []string{"ann", "bob"} {
			wg.Go(func() { results[i] = nodes[i].RevokeAdministrator(ctx, nodes[i].Administrator(""), name) })
		}
		wg.Wait()
		if (results[0] == nil) == (results[1] == nil) {
			t.Fatalf("results: %v; want one that is refused", results)
		}
		for _, err := range results {
			if err != nil {
				wantKind(t, err, kmip.KindWrongState)
			}
		}
		wantKind(t, s.RevokeAdministrator(ctx, s.Administrator(""), "root"), kmip.KindWrongState)
	})
}

func TestAnExpiredAdministratorIsNone(t *testing.T) {
	s, ctx := service.New(t), context.Background()
	ann := hire(t, s, "ann", policy.RoleOfficer)
	ann.scope(t)
	s.Clock.Advance(398 * 24 * time.Hour)
	_, err := s.AuthenticateAdministrator(ctx, ann.issued.Certificate)
	wantKind(t, err, kmip.KindNotAuthenticated)
	hire(t, s, "sam", policy.RoleSystem)
	made, err := s.CreateAdministrator(ctx, s.Administrator(""), "eve", policy.RoleAuditor, nil)
	if err != nil || len(made.Ended) != 0 {
		t.Errorf("ended %v, %v: an officer whose certificate has expired holds no role", made.Ended, err)
	}
}

// An officer makes nobody alone, also not new break-glass codes.
func TestMakingAdministratorsNeedsAnotherRole(t *testing.T) {
	s, ctx := service.New(t), context.Background()
	ann, bob, sam := hire(t, s, "ann", policy.RoleOfficer), hire(t, s, "bob", policy.RoleOfficer), hire(t, s, "sam", policy.RoleSystem)
	create := func() error {
		sc := ann.scope(t)
		sc.About(words("create"))
		_, err := s.CreateAdministrator(ctx, sc, "cid", policy.RoleOfficer, nil)
		return err
	}
	id := wantRequest(t, create())
	if err := bob.approves(t, id); err != nil {
		t.Fatal(err)
	}
	if again := wantRequest(t, create()); again != id {
		t.Errorf("requests %s and %s", id, again)
	}
	if err := sam.approves(t, id); err != nil {
		t.Fatal(err)
	}
	if err := create(); err != nil {
		t.Fatal(err)
	}
	wantKind(t, create(), kmip.KindPermissionDenied)
}
