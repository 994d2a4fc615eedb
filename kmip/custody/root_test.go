package custody_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/claviger/claviger/hsm/seal"
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/testenv/service"
)

// roots returns the token with a label as an administrator sees it.
func roots(t *testing.T, s *service.Service, label string) seal.TokenRoots {
	t.Helper()
	list, err := s.Roots(context.Background(), s.Administrator(""))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		if r.Label == label {
			return r
		}
	}
	t.Fatalf("no token %q among %d", label, len(list))
	return seal.TokenRoots{}
}

// enroll enrols a token and waits until that is done.
func enroll(t *testing.T, s *service.Service, token string) {
	t.Helper()
	j, err := s.EnrollToken(context.Background(), s.Administrator(""), token)
	if err != nil {
		t.Fatalf("enrol %s: %v", token, err)
	}
	await(t, s, j.ID, custody.JobDone)
}

func TestMovingToAnotherTokenStepByStep(t *testing.T) {
	ctx := context.Background()
	s := service.With(t, service.Options{Tokens: []string{"second"}})
	uid := create(t, s, s.Client("default"))
	want := material(t, s, uid)
	admin := func() *custody.Scope { return s.Administrator("") }
	refuse := func(what string, err error, kind kmip.Kind) {
		t.Helper()
		if err == nil || kmip.KindOf(err) != kind {
			t.Errorf("%s = %v, want %q", what, err, kind)
		}
	}
	if r := roots(t, s, "second"); r.Enrolled || r.Copies != 0 || r.Missing != 2 {
		t.Errorf("before it is enrolled: %+v", r)
	}
	refuse("retire the only one", s.RetireToken(ctx, admin(), "claviger"), kmip.KindWrongState)
	refuse("retire one that is not enrolled", s.RetireToken(ctx, admin(), "second"), kmip.KindWrongState)
	refuse("reinstate one that is not enrolled", s.ReinstateToken(ctx, admin(), "second"), kmip.KindWrongState)
	refuse("forget one that is not enrolled", s.ForgetToken(ctx, admin(), "second"), kmip.KindWrongState)
	_, err := s.RotateRoot(ctx, admin(), "second")
	refuse("rotate the root of one that is not enrolled", err, kmip.KindWrongState)
	for what, call := range map[string]func(string) error{
		"retire":     func(token string) error { return s.RetireToken(ctx, admin(), token) },
		"reinstate":  func(token string) error { return s.ReinstateToken(ctx, admin(), token) },
		"forget":     func(token string) error { return s.ForgetToken(ctx, admin(), token) },
		"rotate":     func(token string) error { _, err := s.RotateRoot(ctx, admin(), token); return err },
		"enrol":      func(token string) error { _, err := s.EnrollToken(ctx, admin(), token); return err },
		"remove-key": func(token string) error { return s.RemoveRootKey(ctx, admin(), token, "x") },
	} {
		refuse(what+" what is not there", call("nowhere"), kmip.KindObjectNotFound)
	}

	enroll(t, s, "second")
	if r := roots(t, s, "second"); !r.Enrolled || r.Copies != 2 || r.Missing != 0 {
		t.Errorf("after it was enrolled: %+v", r)
	}
	refuse("forget one that is in use", s.ForgetToken(ctx, admin(), "claviger"), kmip.KindWrongState)
	refuse("reinstate one that is in use", s.ReinstateToken(ctx, admin(), "claviger"), kmip.KindWrongState)
	if err := s.RetireToken(ctx, admin(), "claviger"); err != nil {
		t.Fatal(err)
	}
	refuse("retire it twice", s.RetireToken(ctx, admin(), "claviger"), kmip.KindWrongState)
	if err := s.RetireToken(ctx, admin(), "second"); err == nil || !strings.Contains(err.Error(), "it is retired; take it back first") {
		t.Errorf("retire the last that is in use: %v", err)
	}
	if err := s.Ring.Refresh(ctx); err != nil {
		t.Fatal(err)
	}
	if r := roots(t, s, "claviger"); !r.Retired || r.Copies != 2 {
		t.Errorf("a retired token: %+v; its copies stay", r)
	}
	if err := s.ReinstateToken(ctx, admin(), "claviger"); err != nil {
		t.Fatal(err)
	}
	if err := s.RetireToken(ctx, admin(), "claviger"); err != nil {
		t.Fatal(err)
	}
	if err := s.ForgetToken(ctx, admin(), "claviger"); err != nil {
		t.Fatal(err)
	}
	if r := roots(t, s, "claviger"); r.Copies != 0 {
		t.Errorf("a forgotten token holds %d copies", r.Copies)
	}
	refuse("forget it twice", s.ForgetToken(ctx, admin(), "claviger"), kmip.KindWrongState)
	other := s.Another(t) // opens everything anew
	if got := material(t, other, uid); got != want {
		t.Error("it is another key")
	}
	for operation, want := range map[string]int{"root.enroll.end": 1, "root.retire": 2, "root.reinstate": 1, "root.forget": 1} {
		if n := count(t, s, operation, "success"); n != want {
			t.Errorf("%d entries of %s, want %d", n, operation, want)
		}
	}
}

func TestATokenIsNotTakenForAnotherWithTheSameLabel(t *testing.T) {
	ctx := context.Background()
	s := service.With(t, service.Options{Tokens: []string{"claviger"}})
	list := s.Ring.Tokens()
	if len(list) != 2 || list[0].Serial == list[1].Serial || list[0].Label != list[1].Label {
		t.Fatalf("tokens: %+v", list)
	}
	enroll(t, s, list[1].Serial)
	for what, call := range map[string]func() error{
		"retire": func() error { return s.RetireToken(ctx, s.Administrator(""), "claviger") },
		"enrol":  func() error { _, err := s.EnrollToken(ctx, s.Administrator(""), "claviger"); return err },
		"rotate": func() error { _, err := s.RotateRoot(ctx, s.Administrator(""), "claviger"); return err },
	} {
		if err := call(); err == nil || !strings.Contains(err.Error(), "serial number") {
			t.Errorf("%s by a label that two tokens have = %v, want to be asked for the serial number", what, err)
		}
	}
	if err := s.RetireToken(ctx, s.Administrator(""), list[0].Serial); err != nil {
		t.Errorf("retire by the serial number: %v", err)
	}
}

func TestRootKeysThatProtectSomethingStay(t *testing.T) {
	ctx := context.Background()
	s := service.New(t)
	uid := create(t, s, s.Client("default"))
	want := material(t, s, uid)
	old := roots(t, s, "claviger").Keys
	if len(old) != 2 {
		t.Fatalf("root keys: %+v, want one for each purpose", old)
	}
	remove := func(id string) error { return s.RemoveRootKey(ctx, s.Administrator(""), "claviger", id) }
	for _, k := range old {
		wantKind(t, remove(k.ID), kmip.KindWrongState)
	}
	wantKind(t, remove("0123456789abcdef"), kmip.KindObjectNotFound)
	j, err := s.RotateRoot(ctx, s.Administrator(""), "claviger")
	if err != nil {
		t.Fatal(err)
	}
	if end := await(t, s, j.ID, custody.JobDone); end.Root == "" || end.Done != 2 || end.Total != 2 {
		t.Errorf("the job at its end: %+v", end)
	}
	for _, k := range roots(t, s, "claviger").Keys {
		isOld := k.ID == old[0].ID || k.ID == old[1].ID
		if k.Current == isOld {
			t.Errorf("root key %s is current: %t, and was there before: %t", k.ID, k.Current, isOld)
		}
		if !isOld {
			wantKind(t, remove(k.ID), kmip.KindWrongState)
		}
	}
	for _, k := range old {
		if err := remove(k.ID); err != nil {
			t.Errorf("remove an old root key: %v", err)
		}
		wantKind(t, remove(k.ID), kmip.KindObjectNotFound)
	}
	if got := material(t, s.Another(t), uid); got != want {
		t.Error("it is another key")
	}
}

func TestDomainsInTheirModes(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct{ installation, domain, want seal.Mode }{
		{"", "", seal.ModeEnvelope},
		{"", seal.ModeDirect, seal.ModeDirect},
		{seal.ModeDirect, "", seal.ModeDirect},
		{seal.ModeDirect, seal.ModeEnvelope, seal.ModeEnvelope},
	} {
		t.Run(string(c.installation)+"-"+string(c.domain), func(t *testing.T) {
			s := service.With(t, service.Options{Mode: c.installation})
			if err := s.CreateDomain(ctx, s.Administrator(""), "other", c.domain); err != nil {
				t.Fatal(err)
			}
			if got := generations(t, s, "other"); got != "1 "+string(c.want) {
				t.Errorf("generations %q, want mode %s", got, c.want)
			}
			await(t, s, rotate(t, s, "other", "").ID, custody.JobDone)
			if got := generations(t, s, "other"); got != "1 gone, 2 "+string(c.want) {
				t.Errorf("after a rotation %q, want mode %s to stay", got, c.want)
			}
		})
	}
	s := service.New(t)
	wantKind(t, s.CreateDomain(ctx, s.Administrator(""), "other", "sideways"), kmip.KindInvalidField)
	_, err := s.RotateDomainKey(ctx, s.Administrator(""), "default", "sideways")
	wantKind(t, err, kmip.KindInvalidField)
	_, err = s.RotateDomainKey(ctx, s.Administrator(""), "nowhere", "")
	wantKind(t, err, kmip.KindObjectNotFound)
	_, err = s.DomainGenerations(ctx, s.Administrator(""), "nowhere")
	wantKind(t, err, kmip.KindObjectNotFound)
	wantKind(t, s.SetDomainProtection(ctx, s.Administrator(""), "nowhere", true), kmip.KindObjectNotFound)
	uid := create(t, s, s.Client("default"))
	want := material(t, s, uid)
	for _, mode := range []seal.Mode{seal.ModeDirect, seal.ModeEnvelope} {
		await(t, s, rotate(t, s, "default", mode).ID, custody.JobDone)
		if material(t, s, uid) != want {
			t.Errorf("after a rotation into mode %s it is another key", mode)
		}
	}
	if got := generations(t, s, "default"); got != "1 gone, 2 gone, 3 envelope" {
		t.Errorf("generations: %s", got)
	}
}

func TestRequestsForARotationAtOnceBeginOne(t *testing.T) {
	g := newGate()
	s := service.With(t, service.Options{Store: g.wrap})
	create(t, s, s.Client("default"))
	open := g.shut()
	defer open()
	var begun atomic.Int32
	var asking sync.WaitGroup
	for range 8 {
		asking.Go(func() {
			if _, err := s.RotateDomainKey(context.Background(), s.Administrator(""), "default", ""); err == nil {
				begun.Add(1)
			} else if kmip.KindOf(err) != kmip.KindWrongState {
				t.Errorf("the refusal is %v", err)
			}
		})
	}
	asking.Wait()
	if n := begun.Load(); n != 1 {
		t.Errorf("%d jobs have begun for one domain, want 1", n)
	}
}
