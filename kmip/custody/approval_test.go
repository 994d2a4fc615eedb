package custody_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/custody/pki"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/audit"
	"github.com/claviger/claviger/testenv/service"
)

// words are what a caller asks, in a test.
type words string

func (w words) Canonical() []byte { return []byte(w) }
func (w words) Shown() string     { return string(w) }
func (words) Reason() string      { return "because" }

// needing is policy under which some actions need so many approvals.
func needing(n int, actions ...string) func(policy.Request) policy.Decision {
	return func(r policy.Request) policy.Decision {
		if slices.Contains(actions, r.Action) && r.Context.Approvals < n {
			return policy.Decision{Reason: "needs approval", Approvals: n}
		}
		return policy.NewSet(nil, nil).Decide(r)
	}
}

// person is an administrator with a certificate.
type person struct {
	s      *service.Service
	issued *pki.Issued
}

func hire(t testing.TB, s *service.Service, name, role string) *person {
	t.Helper()
	made, err := s.CreateAdministrator(context.Background(), s.Administrator(""), name, role, nil)
	if err != nil {
		t.Fatalf("administrator %s: %v", name, err)
	}
	return &person{s, made.Issued}
}

func (p *person) scope(t testing.TB) *custody.Scope {
	t.Helper()
	who, err := p.s.AuthenticateAdministrator(context.Background(), p.issued.Certificate)
	if err != nil {
		t.Fatalf("authenticate %s: %v", p.issued.Certificate.Subject.CommonName, err)
	}
	return p.s.Begin(who, "", "admin", "127.0.0.1:3", "test")
}

// approves approves a request as the command does.
func (p *person) approves(t testing.TB, id string) error {
	t.Helper()
	r, err := p.s.Approval(context.Background(), p.scope(t), id)
	if err != nil {
		return err
	}
	return p.signs(t, id, r.Canonical)
}

func (p *person) signs(t testing.TB, id string, canonical []byte) error {
	t.Helper()
	signature, err := custody.SignApproval(p.issued.Key, canonical, "fine")
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.s.Approve(context.Background(), p.scope(t), id, custody.GivenApproval{Certificate: p.issued.Certificate, Signature: signature, Comment: "fine"})
	return err
}

// destroy asks to destroy an object, as a named client.
func destroy(s *service.Service, client, uid string, said ...string) error {
	sc := s.Client("default")
	sc.Principal.Name = client
	sc.About(words("Destroy " + uid + strings.Join(said, "")))
	return s.Destroy(context.Background(), sc, uid)
}

// wantRequest wants a denial that names a request for approval.
func wantRequest(t testing.TB, err error) string {
	t.Helper()
	id, ok := custody.NeedsApproval(err)
	if !ok || kmip.KindOf(err) != kmip.KindPermissionDenied {
		t.Fatalf("got %v, want a denial with a request for approval", err)
	}
	var f *kmip.Failure
	if !errors.As(err, &f) || !strings.Contains(f.Message, id) {
		t.Errorf("the message %q does not name request %s", f.Message, id)
	}
	return id
}

// inBothStores runs a test on SQLite and on Postgres.
func inBothStores(t *testing.T, o service.Options, run func(t *testing.T, s *service.Service)) {
	t.Run("sqlite", func(t *testing.T) { run(t, service.With(t, o)) })
	t.Run("postgres", func(t *testing.T) {
		o := o
		o.Postgres = true
		run(t, service.With(t, o))
	})
}

func TestWhatNeedsApprovalIsDoneOnceWhenItIsApproved(t *testing.T) {
	inBothStores(t, service.Options{Decide: needing(2, "Destroy")}, func(t *testing.T, s *service.Service) {
		ctx := context.Background()
		ann, bob := hire(t, s, "ann", policy.RoleOfficer), hire(t, s, "bob", policy.RoleOfficer)
		uid := create(t, s, s.Client("default"), name("k"))
		err := destroy(s, "array", uid)
		id := wantRequest(t, err)
		if !strings.Contains(err.Error(), "Destroy needs 2 approvals; request "+id+" was made; try again when it is approved") {
			t.Errorf("message: %v", err)
		}
		if again := wantRequest(t, destroy(s, "array", uid)); again != id {
			t.Errorf("the same question made another request: %s, %s", id, again)
		}
		r, err := s.Approval(ctx, ann.scope(t), strings.ToLower(id))
		if err != nil {
			t.Fatal(err)
		}
		o := r.Subject.Object
		if r.Subject.Actor != "client:array" || r.Subject.Action != "Destroy" || r.Subject.UID != uid || r.Subject.Reason != "because" ||
			o == nil || o.Names[0] != "k" || o.Type != "SymmetricKey" || o.State != "PreActive" || o.Algorithm != "AES" || o.Creator == "" || r.Needed != 2 {
			t.Errorf("request = %+v, object %+v", r, o)
		}
		if err := ann.approves(t, id); err != nil {
			t.Fatal(err)
		}
		wantKind(t, ann.approves(t, id), kmip.KindWrongState) // once
		if err := destroy(s, "array", uid); wantRequest(t, err) != id || !strings.Contains(err.Error(), "has 1") {
			t.Errorf("with one of two: %v", err)
		}
		if err := bob.approves(t, id); err != nil {
			t.Fatal(err)
		}
		if other := wantRequest(t, destroy(s, "other", uid)); other == id {
			t.Error("another client uses it")
		}
		if other := wantRequest(t, destroy(s, "array", uid, " but otherwise")); other == id {
			t.Error("other arguments use it")
		}
		if err := destroy(s, "array", uid); err != nil {
			t.Fatalf("approved: %v", err)
		}
		if other := wantRequest(t, destroy(s, "array", uid)); other == id {
			t.Error("it was used twice")
		}
		wantKind(t, bob.approves(t, id), kmip.KindWrongState)
		if r, err = s.Approval(ctx, bob.scope(t), id); err != nil || r.State != custody.ApprovalUsed || r.EndedBy != "client:array" {
			t.Errorf("after it was used: %+v, %v", r, err)
		}
		entries, err := s.Store.Audit(ctx, store.AuditQuery{Operation: "Destroy", Outcome: audit.Success, Limit: 10})
		if err != nil || len(entries) != 1 || entries[0].Detail != "request "+id+", approved by ann, bob" {
			t.Errorf("entries %+v, %v", entries, err)
		}
		given, err := s.Store.Audit(ctx, store.AuditQuery{Operation: policy.ActionApprovalGive, Outcome: audit.Success, Limit: 10})
		if want := fmt.Sprintf("signature with SHA-256 %x", sha256.Sum256(r.Approvals[1].Signature)); err != nil || len(given) != 2 || !strings.HasSuffix(given[0].Detail, want) {
			t.Errorf("entries %+v, %v; want %s", given, err, want)
		}
	})
}

// What show tells is all that an auditor needs.
func TestApprovalsCanBeVerifiedOffline(t *testing.T) {
	s := service.With(t, service.Options{Decide: needing(1, "Destroy")})
	ann := hire(t, s, "ann", policy.RoleOfficer)
	id := wantRequest(t, destroy(s, "array", create(t, s, s.Client("default"))))
	if err := ann.approves(t, id); err != nil {
		t.Fatal(err)
	}
	r, err := s.Approval(context.Background(), ann.scope(t), id)
	if err != nil {
		t.Fatal(err)
	}
	a := r.Approvals[0]
	cert, err := x509.ParseCertificate(a.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	if err := custody.VerifyApproval(cert, r.Canonical, a.Comment, a.Signature); err != nil {
		t.Error(err)
	}
	var subject custody.ApprovalSubject
	if err := json.Unmarshal(r.Canonical, &subject); err != nil || subject.ID != id || subject.Arguments == "" {
		t.Errorf("canonical: %+v, %v", subject, err)
	}
	for what, err := range map[string]error{
		"another comment":   custody.VerifyApproval(cert, r.Canonical, "", a.Signature),
		"another request":   custody.VerifyApproval(cert, []byte(strings.Replace(string(r.Canonical), id, "XXXXX", 1)), a.Comment, a.Signature),
		"moved boundary":    custody.VerifyApproval(cert, r.Canonical[:len(r.Canonical)-1], string(r.Canonical[len(r.Canonical)-1:])+a.Comment, a.Signature),
		"another signature": custody.VerifyApproval(cert, r.Canonical, a.Comment, append([]byte{1}, a.Signature...)),
	} {
		if !errors.Is(err, custody.ErrApprovalSignature) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestKeysOfEveryKindSignApprovals(t *testing.T) {
	ec, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	ps, _ := rsa.GenerateKey(rand.Reader, 2048)
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	for name, c := range map[string]struct {
		sign   func() ([]byte, error)
		public any
	}{
		"ECDSA":   {func() ([]byte, error) { return custody.SignApproval(ec, []byte("c"), "") }, &ec.PublicKey},
		"RSA-PSS": {func() ([]byte, error) { return custody.SignApproval(ps, []byte("c"), "") }, &ps.PublicKey},
		"Ed25519": {func() ([]byte, error) { return custody.SignApproval(ed, []byte("c"), "") }, ed.Public()},
	} {
		signature, err := c.sign()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		cert := &x509.Certificate{PublicKey: c.public}
		if err := custody.VerifyApproval(cert, []byte("c"), "", signature); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := custody.VerifyApproval(cert, []byte("d"), "", signature); err == nil {
			t.Errorf("%s: verifies under another request", name)
		}
	}
}

func TestApprovalsThatAreNoneAreRefused(t *testing.T) {
	s, ctx := service.With(t, service.Options{Decide: needing(2, "Destroy", policy.ActionDomainProtect)}), context.Background()
	ann, bob := hire(t, s, "ann", policy.RoleOfficer), hire(t, s, "bob", policy.RoleOfficer)
	eve := hire(t, s, "eve", policy.RoleAuditor)
	first, second := create(t, s, s.Client("default")), create(t, s, s.Client("default"))
	id, other := wantRequest(t, destroy(s, "array", first)), wantRequest(t, destroy(s, "array", second))
	if err := ann.approves(t, other); err != nil {
		t.Fatal(err)
	}
	r, err := s.Approval(ctx, ann.scope(t), other)
	if err != nil {
		t.Fatal(err)
	}
	replayed := custody.GivenApproval{Certificate: ann.issued.Certificate, Signature: r.Approvals[0].Signature, Comment: "fine"}
	_, err = s.Approve(ctx, ann.scope(t), id, replayed)
	wantKind(t, err, kmip.KindInvalidField)
	_, err = s.Approve(ctx, bob.scope(t), other, replayed) // bob came with another certificate
	wantKind(t, err, kmip.KindPermissionDenied)
	replayed.Certificate = bob.issued.Certificate
	_, err = s.Approve(ctx, bob.scope(t), other, replayed)
	wantKind(t, err, kmip.KindInvalidField)
	wantKind(t, eve.approves(t, id), kmip.KindPermissionDenied) // an auditor approves no destruction
	wantKind(t, bob.signs(t, "XXXXX", r.Canonical), kmip.KindObjectNotFound)
	session := ann.scope(t)
	session.Principal.Fingerprint = ""
	_, err = s.Approve(ctx, session, id, custody.GivenApproval{Signature: []byte("x")})
	wantKind(t, err, kmip.KindPermissionDenied)

	// Nobody approves their own request, nor with a second certificate.
	sc := ann.scope(t)
	sc.About(words("protect"))
	own := wantRequest(t, s.SetDomainProtection(ctx, sc, "default", false))
	wantKind(t, ann.approves(t, own), kmip.KindPermissionDenied)
	renewed, err := s.RenewCertificate(ctx, ann.scope(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	ann.issued = renewed.Issued
	wantKind(t, ann.approves(t, own), kmip.KindPermissionDenied)

	// One approver counts once, whichever certificate.
	wantKind(t, ann.approves(t, other), kmip.KindWrongState)

	// A revoked approver's approval counts no more.
	if err := bob.approves(t, other); err != nil {
		t.Fatal(err)
	}
	if err := s.RevokeAdministrator(ctx, s.Administrator(""), "bob"); err != nil {
		t.Fatal(err)
	}
	if err := destroy(s, "array", second); wantRequest(t, err) != other || !strings.Contains(err.Error(), "has 1") {
		t.Errorf("with a revoked approver: %v", err)
	}
}

func TestRequestsForApprovalEnd(t *testing.T) {
	inBothStores(t, service.Options{Decide: needing(1, "Destroy")}, func(t *testing.T, s *service.Service) {
		ctx := context.Background()
		ann := hire(t, s, "ann", policy.RoleOfficer)
		uid := create(t, s, s.Client("default"))
		ended := func(id string, want custody.ApprovalState) {
			t.Helper()
			if r, err := s.Approval(ctx, ann.scope(t), id); err != nil || r.State != want || r.EndedBy == "" {
				t.Errorf("request %s: %s by %q, %v; want %s", id, r.State, r.EndedBy, err, want)
			}
			wantKind(t, ann.approves(t, id), kmip.KindWrongState)
			if other := wantRequest(t, destroy(s, "array", uid)); other == id {
				t.Errorf("request %s is used after it ended", id)
			}
		}
		id := wantRequest(t, destroy(s, "array", uid))
		if err := s.RefuseApproval(ctx, ann.scope(t), id, "no"); err != nil {
			t.Fatal(err)
		}
		ended(id, custody.ApprovalRefused)
		id = wantRequest(t, destroy(s, "array", uid))
		if err := s.CancelApproval(ctx, ann.scope(t), id); err != nil {
			t.Fatal(err)
		}
		ended(id, custody.ApprovalCancelled)
		id = wantRequest(t, destroy(s, "array", uid))
		if err := ann.approves(t, id); err != nil {
			t.Fatal(err)
		}
		s.Clock.Advance(24 * time.Hour)
		if err := s.EndApprovals(ctx); err != nil {
			t.Fatal(err)
		}
		ended(id, custody.ApprovalExpired)
		// One whose time is over is no good even if nobody has ended it yet.
		id = wantRequest(t, destroy(s, "array", uid))
		if err := ann.approves(t, id); err != nil {
			t.Fatal(err)
		}
		s.Clock.Advance(24 * time.Hour)
		ended(id, custody.ApprovalExpired)
		list, err := s.Store.Audit(ctx, store.AuditQuery{Operation: "approval.expire", Limit: 10})
		if err != nil || len(list) != 2 {
			t.Errorf("%d entries, %v; want 2", len(list), err)
		}
		all, err := s.Approvals(ctx, ann.scope(t), "default", true)
		open, oerr := s.Approvals(ctx, ann.scope(t), "default", false)
		none, nerr := s.Approvals(ctx, ann.scope(t), "elsewhere", true)
		if err != nil || oerr != nil || nerr != nil || len(all) != 5 || len(open) != 1 || len(none) != 0 {
			t.Errorf("%d requests, %d open, %d elsewhere; want 5, 1, 0", len(all), len(open), len(none))
		}
	})
}

func TestOpenRequestsForApprovalAreBounded(t *testing.T) {
	s := service.With(t, service.Options{Decide: needing(1, "Destroy")})
	for i := range 16 {
		wantRequest(t, destroy(s, "array", fmt.Sprint("absent ", i)))
	}
	err := destroy(s, "array", "one more")
	wantKind(t, err, kmip.KindPermissionDenied)
	if _, ok := custody.NeedsApproval(err); ok {
		t.Error("a request more than there may be was made")
	}
	wantRequest(t, destroy(s, "another", "one more"))
}

// Without the words of the question nothing can be approved: that of one would be
// that of every other.
func TestNothingIsApprovedWithoutItsArguments(t *testing.T) {
	s := service.With(t, service.Options{Decide: needing(1, "Destroy")})
	err := s.Destroy(context.Background(), s.Client("default"), create(t, s, s.Client("default")))
	wantKind(t, err, kmip.KindPermissionDenied)
	if _, ok := custody.NeedsApproval(err); ok {
		t.Error("a request was made")
	}
}

// The result of a read leaves only when its approval is used up.
func TestReadingCanNeedApproval(t *testing.T) {
	s, ctx := service.With(t, service.Options{Decide: needing(1, "Get")}), context.Background()
	ann := hire(t, s, "ann", policy.RoleOfficer)
	uid := create(t, s, s.Client("default"))
	get := func() error {
		sc := s.Client("default")
		sc.About(words("Get"))
		_, err := s.Get(ctx, sc, uid, custody.GetOptions{})
		return err
	}
	id := wantRequest(t, get())
	if err := ann.approves(t, id); err != nil {
		t.Fatal(err)
	}
	if err := get(); err != nil {
		t.Fatal(err)
	}
	wantRequest(t, get())
}

// Who may do something, or may not, is not asked of the store.
func TestOnlyWhatNeedsApprovalLooksForIt(t *testing.T) {
	c := &watchedStore{}
	s := service.With(t, service.Options{
		Store: c.wrap,
		Decide: func(r policy.Request) policy.Decision {
			if r.Action == "Destroy" && r.Principal.Name == "never" {
				return policy.Decision{Reason: "never"}
			}
			return needing(1, "Activate")(r)
		},
	})
	uid := create(t, s, s.Client("default"))
	for _, step := range []struct {
		name string
		call func() error
		kind kmip.Kind
		free bool
	}{
		{"denied", func() error { return destroy(s, "never", uid) }, kmip.KindPermissionDenied, true},
		{"needs approval", func() error {
			sc := s.Client("default")
			sc.About(words("Activate"))
			return s.Activate(context.Background(), sc, uid)
		}, kmip.KindPermissionDenied, false},
		{"allowed", func() error { return destroy(s, "array", uid) }, 0, true},
	} {
		before := c.reads.Load()
		err := step.call()
		if err != nil && kmip.KindOf(err) != step.kind || err == nil && step.kind != 0 {
			t.Errorf("%s: %v", step.name, err)
		}
		if n := c.reads.Load() - before; (n == 0) != step.free {
			t.Errorf("%s: %d reads", step.name, n)
		}
	}
}

// Policy decides what is listed without asking anybody.
func TestLocateMakesNoRequests(t *testing.T) {
	s, ctx := service.New(t), context.Background()
	uid := create(t, s, s.Client("default"))
	node := service.With(t, service.Options{Decide: func(r policy.Request) policy.Decision {
		if r.Action == "Locate" && r.Resource.UID != "" {
			return policy.Decision{Approvals: 1, Reason: "needs approval"}
		}
		return policy.NewSet(nil, nil).Decide(r)
	}})
	create(t, node, node.Client("default"))
	sc := node.Client("default")
	sc.About(words("Locate"))
	if found, err := node.Locate(ctx, sc, custody.LocateQuery{}); err != nil || len(found.UIDs) != 0 {
		t.Errorf("found %v, %v", found.UIDs, err)
	}
	if list, err := node.Approvals(ctx, node.Administrator(""), "", true); err != nil || len(list) != 0 {
		t.Errorf("requests %+v, %v", list, err)
	}
	if found, err := s.Locate(ctx, s.Client("default"), custody.LocateQuery{}); err != nil || len(found.UIDs) != 1 || found.UIDs[0] != uid {
		t.Errorf("without such a policy: %v, %v", found.UIDs, err)
	}
}

// Two nodes race to use one approval: one wins.
func TestARaceUsesAnApprovalOnce(t *testing.T) {
	inBothStores(t, service.Options{Decide: needing(1, "Get")}, func(t *testing.T, s *service.Service) {
		ctx := context.Background()
		ann := hire(t, s, "ann", policy.RoleOfficer)
		uid := create(t, s, s.Client("default"))
		nodes := []*service.Service{s, s.Another(t)}
		get := func(s *service.Service) error {
			sc := s.Client("default")
			sc.About(words("Get"))
			_, err := s.Get(ctx, sc, uid, custody.GetOptions{})
			return err
		}
		for range 5 {
			if err := ann.approves(t, wantRequest(t, get(s))); err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			results := make([]error, 8)
			for i := range results {
				wg.Go(func() { results[i] = get(nodes[i%2]) })
			}
			wg.Wait()
			good := 0
			ids := map[string]bool{}
			for _, err := range results {
				if err == nil {
					good++
				} else {
					ids[wantRequest(t, err)] = true
				}
			}
			if good != 1 || len(ids) != 1 {
				t.Fatalf("%d of 8 got it, and %d requests were made of the others; want 1, 1", good, len(ids))
			}
		}
	})
}

// Approvals that come at once all count.
func TestApprovalsAtOnceAllCount(t *testing.T) {
	inBothStores(t, service.Options{Decide: needing(4, "Destroy")}, func(t *testing.T, s *service.Service) {
		var people []*person
		for i := range 4 {
			people = append(people, hire(t, s, fmt.Sprint("p", i), policy.RoleOfficer))
		}
		uid := create(t, s, s.Client("default"))
		id := wantRequest(t, destroy(s, "array", uid))
		var wg sync.WaitGroup
		for _, p := range people {
			wg.Go(func() {
				if err := p.approves(t, id); err != nil {
					t.Errorf("%s: %v", p.issued.Certificate.Subject.CommonName, err)
				}
			})
		}
		wg.Wait()
		if err := destroy(s, "array", uid); err != nil {
			t.Error(err)
		}
	})
}

// An approval is not used up by what fails, nor by a batch that is undone.
func TestWhatFailsUsesNoApproval(t *testing.T) {
	s, ctx := service.With(t, service.Options{Decide: needing(1, "Destroy")}), context.Background()
	ann := hire(t, s, "ann", policy.RoleOfficer)
	uid := create(t, s, s.Client("default"))
	if err := s.Activate(ctx, s.Client("default"), uid); err != nil {
		t.Fatal(err)
	}
	id := wantRequest(t, destroy(s, "array", uid))
	if err := ann.approves(t, id); err != nil {
		t.Fatal(err)
	}
	wantKind(t, destroy(s, "array", uid), kmip.KindWrongState) // it is Active
	if err := s.Revoke(ctx, s.Client("default"), uid, kmip.RevocationReason{Code: kmip.RevocationReasonCodeSuperseded}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	sc := s.Client("default")
	sc.Principal.Name = "array"
	sc.About(words("Destroy " + uid))
	sc.Undoable()
	if err := s.Destroy(ctx, sc, uid); err != nil {
		t.Fatal(err)
	}
	// A second item cannot use the same approval.
	wantKind(t, s.Destroy(ctx, sc, uid), kmip.KindPermissionDenied)
	if err := s.Undo(ctx, sc, nil); err != nil {
		t.Fatal(err)
	}
	if err := destroy(s, "array", uid); err != nil {
		t.Errorf("after all that: %v", err)
	}
}

// Whatever is asked, approved, refused and revoked, by whomever: nothing is done
// with fewer approvals by others than policy wants, and none is used twice.
func TestNoSequenceActsWithoutItsApprovals(t *testing.T) {
	const needed = 2
	s, ctx := service.With(t, service.Options{Decide: needing(needed, policy.ActionDomainProtect, "Destroy")}), context.Background()
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		var people []*person
		names := []string{"p", "q", "r", "x"}
		for _, n := range names {
			people = append(people, hire(t, s, fmt.Sprintf("%s%d", n, run), policy.RoleOfficer))
		}
		revoked := map[int]bool{}
		spent := map[string]bool{}
		given := map[string]map[int]bool{} // by request: who approved, by our own count
		requester := map[string]int{}
		var open []string
		s.Clock.Advance(25 * time.Hour) // those of the last run end
		if err := s.EndApprovals(ctx); err != nil {
			rt.Fatal(err)
		}
		pick := func() int { return rapid.IntRange(0, len(people)-1).Draw(rt, "who") }
		for range rapid.IntRange(4, 30).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"ask", "ask", "approve", "approve", "approve", "own", "own", "revoke", "renew", "refuse", "wait", "replay"}).Draw(rt, "act") {
			case "ask":
				who := pick()
				if len(open) > 0 && rapid.Bool().Draw(rt, "again") {
					who = requester[open[len(open)-1]]
				}
				if revoked[who] {
					continue
				}
				sc := people[who].scope(t)
				sc.About(words(rapid.SampledFrom([]string{"protect", "protect", "protect otherwise"}).Draw(rt, "argument")))
				err := s.SetDomainProtection(ctx, sc, "default", false)
				if id, ok := custody.NeedsApproval(err); ok {
					if !slices.Contains(open, id) {
						open, given[id], requester[id] = append(open, id), map[int]bool{}, who
					}
					continue
				}
				if err != nil {
					rt.Fatalf("ask: %v", err)
				}
				entries, err := s.Store.Audit(ctx, store.AuditQuery{Operation: policy.ActionDomainProtect, Outcome: audit.Success, Limit: 1})
				if err != nil || len(entries) != 1 {
					rt.Fatal(err)
				}
				id := strings.TrimPrefix(strings.SplitN(entries[0].Detail, ",", 2)[0], "request ")
				if spent[id] || requester[id] != who {
					rt.Fatalf("request %s of %d was used by %d, used before: %t", id, requester[id], who, spent[id])
				}
				spent[id] = true
				good := 0
				for a := range given[id] {
					if !revoked[a] && a != who {
						good++
					}
				}
				if good < needed {
					rt.Fatalf("request %s was used with %d approvals", id, good)
				}
			case "approve":
				if who := pick(); len(open) > 0 && !revoked[who] {
					id := rapid.SampledFrom(open).Draw(rt, "request")
					if people[who].approves(t, id) == nil {
						given[id][who] = true
					}
				}
			case "own": // with another certificate
				if len(open) > 0 {
					id := open[len(open)-1]
					who := requester[id]
					if revoked[who] {
						continue
					}
					made, err := s.RenewCertificate(ctx, people[who].scope(t), nil)
					if err != nil {
						rt.Fatal(err)
					}
					people[who].issued = made.Issued
					if people[who].approves(t, id) == nil {
						given[id][who] = true
					}
				}
			case "replay": // the signature for one under another
				if who := pick(); len(open) > 1 && !revoked[who] {
					r, err := s.Approval(ctx, people[who].scope(t), open[0])
					if err != nil {
						rt.Fatal(err)
					}
					if people[who].signs(t, open[len(open)-1], r.Canonical) == nil {
						rt.Fatalf("a signature for %s was taken for %s", open[0], open[len(open)-1])
					}
				}
			case "revoke":
				who := pick()
				if len(revoked) < 2 {
					if err := s.RevokeAdministrator(ctx, s.Administrator(""), people[who].issued.Certificate.Subject.CommonName); err != nil {
						rt.Fatal(err)
					}
					revoked[who] = true
				}
			case "renew":
				if who := pick(); !revoked[who] {
					made, err := s.RenewCertificate(ctx, people[who].scope(t), nil)
					if err != nil {
						rt.Fatal(err)
					}
					people[who].issued = made.Issued
				}
			case "refuse":
				if who := pick(); len(open) > 0 && !revoked[who] {
					_ = s.RefuseApproval(ctx, people[who].scope(t), rapid.SampledFrom(open).Draw(rt, "request"), "")
				}
			case "wait":
				s.Clock.Advance(time.Duration(rapid.IntRange(1, 10).Draw(rt, "hours")) * time.Hour)
			}
		}
	})
}

// hireFor makes an administrator by a request for a key.
func hireFor(t *testing.T, s *service.Service, name, role string, key *ecdsa.PrivateKey) *person {
	t.Helper()
	made, err := s.CreateAdministrator(context.Background(), s.Administrator(""), name, role, key.Public())
	if err != nil {
		t.Fatalf("administrator %s: %v", name, err)
	}
	made.Issued.Key = key
	return &person{s, made.Issued}
}

func TestAKeyBelongsToOneAdministrator(t *testing.T) {
	onBothStores(t, aKeyBelongsToOneAdministrator)
}

func aKeyBelongsToOneAdministrator(t *testing.T, s *service.Service) {
	ctx := t.Context()
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	a := hireFor(t, s, "a", policy.RoleOfficer, key)
	_, err := s.CreateAdministrator(ctx, s.Administrator(""), "b", policy.RoleOfficer, key.Public())
	wantFailure(t, err, kmip.KindInvalidField, "the key of the request is that of administrator a")
	b := hire(t, s, "b", policy.RoleOfficer)
	_, err = s.RenewCertificate(ctx, b.scope(t), key.Public())
	wantFailure(t, err, kmip.KindInvalidField, "the key of the request is that of administrator a")
	// The owner keeps it; others have it when it is nobody's any more.
	renewed, err := s.RenewCertificate(ctx, a.scope(t), key.Public())
	if err != nil {
		t.Fatal(err)
	}
	a.issued.Certificate = renewed.Issued.Certificate
	if _, err := s.RenewCertificate(ctx, a.scope(t), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.RenewCertificate(ctx, b.scope(t), key.Public()); err != nil {
		t.Error(err)
	}
	if err := s.RevokeAdministrator(ctx, s.Administrator(""), "b"); err != nil {
		t.Fatal(err)
	}
	hireFor(t, s, "c", policy.RoleOfficer, key)
	// That of the first administrator is as good as any.
	first, err := s.RenewAdministrator(ctx)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.CreateAdministrator(ctx, s.Administrator(""), "d", policy.RoleOfficer, first.Key.Public())
	wantFailure(t, err, kmip.KindInvalidField, "the key of the request is that of administrator root")
	forgetKeys(t, s)
	_, err = s.CreateAdministrator(ctx, (&person{s, first}).scope(t), "d", policy.RoleOfficer, first.Key.Public())
	wantFailure(t, err, kmip.KindInvalidField, "the key of the request is that of administrator root")
}

// forgetKeys makes an installation one that never kept the keys of administrators.
func forgetKeys(t *testing.T, s *service.Service) {
	t.Helper()
	r, err := s.Store.Record(t.Context(), custody.SystemDomain, "administrators", "only")
	if err == nil {
		err = s.Store.Commit(t.Context(), store.Change{DeleteRecords: []store.RecordRef{r.Ref()}})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Two names for one key do not make two people.
func TestWhoAsksDoesNotApproveByTheSameKeyUnderAnotherName(t *testing.T) {
	inBothStores(t, service.Options{Decide: needing(1, policy.ActionDomainProtect)}, func(t *testing.T, s *service.Service) {
		ctx := t.Context()
		key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		a := hireFor(t, s, "a", policy.RoleOfficer, key)
		forgetKeys(t, s)
		b := hireFor(t, s, "b", policy.RoleOfficer, key)
		ask := func() error {
			sc := a.scope(t)
			sc.About(words("protect"))
			return s.SetDomainProtection(ctx, sc, "default", false)
		}
		id := wantRequest(t, ask())
		wantFailure(t, b.approves(t, id), kmip.KindPermissionDenied, "nobody approves their own request")
		// Nor when the asker has another key by now.
		renewed, err := s.RenewCertificate(ctx, a.scope(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		a.issued = renewed.Issued
		wantFailure(t, b.approves(t, id), kmip.KindPermissionDenied, "nobody approves their own request")
		if wantRequest(t, ask()) != id {
			t.Error("it is another request")
		}
		if err := hire(t, s, "c", policy.RoleOfficer).approves(t, id); err != nil {
			t.Fatal(err)
		}
		if err := ask(); err != nil {
			t.Error(err)
		}
	})
}

// A key under two names, of before keys were kept, approves once.
func TestAKeyUnderTwoNamesApprovesOnce(t *testing.T) {
	s := service.With(t, service.Options{Decide: needing(2, "Destroy")})
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	a := hireFor(t, s, "a", policy.RoleOfficer, key)
	forgetKeys(t, s)
	b := hireFor(t, s, "b", policy.RoleOfficer, key)
	uid := create(t, s, s.Client("default"))
	id := wantRequest(t, destroy(s, "array", uid))
	for _, p := range []*person{a, b} {
		if err := p.approves(t, id); err != nil {
			t.Fatal(err)
		}
	}
	if err := destroy(s, "array", uid); wantRequest(t, err) != id || !strings.Contains(err.Error(), "has 1") {
		t.Errorf("one key approved twice: %v", err)
	}
}
