package custody_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/audit"
	"github.com/claviger/claviger/testenv/service"
)

// codesOf sets break-glass up and returns the codes as text.
func codesOf(t *testing.T, s *service.Service, shares, threshold int) []string {
	t.Helper()
	made, err := s.SetUpBreakGlass(context.Background(), s.Administrator(""), shares, threshold)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, c := range made {
		list = append(list, string(c.Reveal()))
		c.Destroy()
	}
	return list
}

// open tries to open break-glass, as anybody can.
func open(s *service.Service, life time.Duration, codes ...string) (*custody.NewAdministrator, error) {
	var given []*secret.Bytes
	for _, c := range codes {
		given = append(given, secret.Copy([]byte(c)))
	}
	return s.OpenBreakGlass(context.Background(), s.Begin(custody.Principal{}, "", "admin", "192.0.2.1:9", "test"), given, life)
}

// wrong is a code of the same set with another value: one that was forged by
// somebody who has one.
func wrong(t *testing.T, s *service.Service, of []string) string {
	t.Helper()
	forged, err := custody.ForgeCode(of[0])
	if err != nil {
		t.Fatal(err)
	}
	return forged
}

func TestCustodiansOpenBreakGlassOnce(t *testing.T) {
	var log bytes.Buffer
	inBothStores(t, service.Options{Log: slog.NewTextHandler(&log, nil)}, func(t *testing.T, s *service.Service) {
		ctx := context.Background()
		log.Reset()
		ann := hire(t, s, "ann", policy.RoleOfficer)
		hire(t, s, "sam", policy.RoleSystem)
		hire(t, s, "eve", policy.RoleAuditor)
		codes := codesOf(t, s, 5, 3)
		if len(codes) != 5 || strings.Contains(log.String(), codes[0]) {
			t.Fatalf("%d codes", len(codes))
		}
		_, err := open(s, 0, codes[:2]...)
		wantKind(t, err, kmip.KindInvalidField)
		_, err = open(s, 0, codes[0], codes[0], codes[1])
		wantKind(t, err, kmip.KindInvalidField)
		made, err := open(s, 0, codes[4], strings.ToUpper(codes[1]), strings.ReplaceAll(codes[2], "-", " "))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(log.String(), "level=ERROR msg=\"break-glass is open") {
			t.Errorf("log: %s", log.String())
		}
		glass := &person{s, made.Issued}
		p := glass.scope(t).Principal
		if p.Role != policy.RoleAdministrator || made.Administrator.NotAfter.Sub(s.Clock.Now()).Round(time.Minute) != 4*time.Hour {
			t.Errorf("administrator %+v", made.Administrator)
		}
		if g, err := s.BreakGlassNow(ctx); err != nil || !g.Active || g.Ready || g.Administrator != p.Name {
			t.Errorf("state %+v, %v", g, err)
		}
		if entries, err := s.Store.Audit(ctx, store.AuditQuery{Operation: "break-glass.open", Outcome: audit.Success, Limit: 5}); err != nil || len(entries) != 1 || entries[0].Source != "192.0.2.1:9" {
			t.Errorf("entries %+v, %v", entries, err)
		}
		// It can do what it is for: replace the last holder of a role, alone.
		if _, err := s.CreateAdministrator(ctx, glass.scope(t), "bob", policy.RoleOfficer, nil); err != nil {
			t.Fatal(err)
		}
		if err := s.RevokeAdministrator(ctx, glass.scope(t), "sam"); err != nil {
			t.Fatal(err)
		}
		glass.scope(t) // it has not ended with that
		_, err = s.RenewCertificate(ctx, glass.scope(t), nil)
		wantKind(t, err, kmip.KindPermissionDenied)
		_, err = open(s, 0, codes[:3]...)
		wantKind(t, err, kmip.KindNotAuthenticated) // used up
		// Who runs the appliance or reads everything does not keep the custodians out.
		for _, role := range []string{policy.RoleSystem, policy.RoleAuditor} {
			wantKind(t, s.CloseBreakGlass(ctx, administrator(s, role)), kmip.KindPermissionDenied)
		}
		if err := s.CloseBreakGlass(ctx, ann.scope(t)); err != nil {
			t.Fatal(err)
		}
		_, err = s.AuthenticateAdministrator(ctx, made.Issued.Certificate)
		wantKind(t, err, kmip.KindNotAuthenticated)
		wantKind(t, s.CloseBreakGlass(ctx, ann.scope(t)), kmip.KindWrongState)
		if g, err := s.BreakGlassNow(ctx); err != nil || g.Active {
			t.Errorf("state %+v, %v", g, err)
		}
	})
}

func TestBreakGlassClosesItself(t *testing.T) {
	s, ctx := service.New(t), context.Background()
	made, err := open(s, time.Hour, codesOf(t, s, 2, 2)...)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.CloseBreakGlass(ctx, (&person{s, made.Issued}).scope(t)); err != nil {
		t.Error(err)
	}
	if g, err := s.BreakGlassNow(ctx); err != nil || g.Active {
		t.Errorf("state %+v, %v", g, err)
	}
}

func TestBreakGlassEndsByItself(t *testing.T) {
	s, ctx := service.New(t), context.Background()
	_, err := open(s, 25*time.Hour, codesOf(t, s, 2, 2)...)
	wantKind(t, err, kmip.KindInvalidField)
	made, err := open(s, time.Hour, codesOf(t, s, 2, 2)...)
	if err != nil {
		t.Fatal(err)
	}
	if left := made.Issued.Certificate.NotAfter.Sub(s.Clock.Now()); left > time.Hour {
		t.Errorf("the certificate is good for %s", left)
	}
	s.Clock.Advance(59 * time.Minute)
	if err := s.EndBreakGlass(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := s.AuthenticateAdministrator(ctx, made.Issued.Certificate); err != nil {
		t.Errorf("before its time: %v", err)
	}
	s.Clock.Advance(time.Minute)
	_, err = s.AuthenticateAdministrator(ctx, made.Issued.Certificate) // though nobody has ended it yet
	wantKind(t, err, kmip.KindNotAuthenticated)
	for range 2 {
		if err := s.EndBreakGlass(ctx); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := s.Store.Audit(ctx, store.AuditQuery{Operation: policy.ActionBreakGlassClose, Limit: 5})
	if err != nil || len(entries) != 1 || entries[0].UID != made.Administrator.Name {
		t.Errorf("entries %+v, %v", entries, err)
	}
}

func TestWrongCodesAreCountedAndRecorded(t *testing.T) {
	inBothStores(t, service.Options{}, func(t *testing.T, s *service.Service) {
		ctx := context.Background()
		refused := func() int {
			list, err := s.Store.Audit(ctx, store.AuditQuery{Operation: "break-glass.open", Outcome: audit.Failure, Limit: 100})
			if err != nil {
				t.Fatal(err)
			}
			return len(list)
		}
		// Nobody without a code can use up attempts, or fill the audit.
		old := codesOf(t, s, 3, 2)
		codes := codesOf(t, s, 3, 2)
		for range 10 {
			_, err := open(s, 0, old[:2]...)
			wantKind(t, err, kmip.KindNotAuthenticated)
		}
		if n := refused(); n != 0 {
			t.Errorf("%d entries of codes of another set", n)
		}
		forged := wrong(t, s, codes[2:])
		nodes := []*service.Service{s, s.Another(t)}
		var wg sync.WaitGroup
		for i := range 8 { // more at once than may be in an hour, on two nodes
			wg.Go(func() {
				if _, err := open(nodes[i%2], 0, codes[0], forged); kmip.KindOf(err) != kmip.KindNotAuthenticated && kmip.KindOf(err) != kmip.KindUnavailable {
					t.Errorf("with a forged code: %v", err)
				}
			})
		}
		wg.Wait()
		if n := refused(); n != 8 {
			t.Errorf("%d entries, want 8", n)
		}
		_, err := open(s, 0, codes[:2]...)
		if kmip.KindOf(err) != kmip.KindNotAuthenticated || !strings.Contains(err.Error(), "too many attempts") {
			t.Errorf("the right codes after too many wrong ones: %v", err)
		}
		s.Clock.Advance(time.Hour)
		if _, err := open(s, 0, codes[:2]...); err != nil {
			t.Errorf("an hour later: %v", err)
		}
	})
}

func TestSettingBreakGlassUpNeedsAnotherRole(t *testing.T) {
	s, ctx := service.New(t), context.Background()
	ann, sam := hire(t, s, "ann", policy.RoleOfficer), hire(t, s, "sam", policy.RoleSystem)
	setUp := func() error {
		sc := ann.scope(t)
		sc.About(words("set up"))
		_, err := s.SetUpBreakGlass(ctx, sc, 3, 2)
		return err
	}
	id := wantRequest(t, setUp())
	if err := sam.approves(t, id); err != nil {
		t.Fatal(err)
	}
	if err := setUp(); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]int{{3, 1}, {2, 3}, {33, 2}, {0, 0}} {
		_, err := s.SetUpBreakGlass(ctx, s.Administrator(""), c[0], c[1])
		wantKind(t, err, kmip.KindInvalidField)
	}
}

func TestMistypedCodesAreTold(t *testing.T) {
	s := service.New(t)
	codes := codesOf(t, s, 2, 2)
	for _, text := range []string{"", "claviger-break-glass-1-", codes[1][:len(codes[1])-1] + "!", codes[1] + "a", strings.Repeat("a", 5000), strings.Replace(codes[1], codes[1][30:31], map[bool]string{true: "b", false: "a"}[codes[1][30] == 'a'], 1)} {
		_, err := open(s, 0, codes[0], text)
		if kmip.KindOf(err) != kmip.KindInvalidField || text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}
