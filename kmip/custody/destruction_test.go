package custody_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/audit"
	"github.com/claviger/claviger/testenv/service"
)

const day = 24 * time.Hour

func rule(t *testing.T, s *service.Service, group string, r custody.DestructionRule) {
	t.Helper()
	if err := s.SetDestruction(context.Background(), s.Administrator("default"), group, r); err != nil {
		t.Fatalf("set the rule %v: %v", r, err)
	}
}

func pending(t *testing.T, s *service.Service) []custody.Pending {
	t.Helper()
	list, _, err := s.PendingDestructions(context.Background(), s.Administrator("default"), nil, 1000)
	if err != nil {
		t.Fatalf("pending: %v", err)
	}
	return list
}

// valueOf gets the bytes of a key.
func valueOf(t *testing.T, s *service.Service, uid string) []byte {
	t.Helper()
	o, err := s.Get(context.Background(), s.Client("default"), uid, custody.GetOptions{})
	if err != nil {
		t.Fatalf("get %s: %v", uid, err)
	}
	defer o.Destroy()
	return bytes.Clone(o.Key.Material.Reveal())
}

func entriesOf(t *testing.T, s *service.Service, action, uid string) []audit.Entry {
	t.Helper()
	list, err := s.Store.Audit(context.Background(), store.AuditQuery{Operation: action, UID: uid, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func complete(t *testing.T, s *service.Service) {
	t.Helper()
	if err := s.CompleteDestructions(context.Background()); err != nil {
		t.Fatalf("complete: %v", err)
	}
}

func TestDestroyWaitsAndThenTheMaterialIsGone(t *testing.T) {
	onBothStores(t, func(t *testing.T, s *service.Service) {
		ctx := context.Background()
		rule(t, s, "", custody.DestructionRule{Days: 7})
		uid := create(t, s, s.Client("default"), name("db"), kmip.DateTime(kmip.TagActivationDate, s.Clock.Now()), kmip.DateTime(kmip.TagDeactivationDate, s.Clock.Now().Add(time.Minute)))
		value := valueOf(t, s, uid)
		s.Clock.Advance(time.Hour)
		asked := s.Clock.Now()
		if err := s.Destroy(ctx, s.Client("default"), uid); err != nil {
			t.Fatal(err)
		}
		if got := stateOf(t, s, uid); got != kmip.StateDestroyed {
			t.Errorf("state while the destruction is pending: %s", got)
		}
		_, err := s.Get(ctx, s.Client("default"), uid, custody.GetOptions{})
		wantKind(t, err, kmip.KindObjectDestroyed)
		wantKind(t, s.Destroy(ctx, s.Client("default"), uid), kmip.KindObjectDestroyed)
		row, err := s.Store.Object(ctx, "default", uid)
		if err != nil || row.Material != nil {
			t.Errorf("material in the row: %d bytes, %v; want none", len(row.Material), err)
		}
		want := custody.Pending{
			Domain: "default", UID: uid, Names: []string{"db"}, Type: kmip.ObjectTypeSymmetricKey, State: kmip.StateDeactivated,
			Asked: asked, By: "client:test", Due: asked.Add(7 * day),
		}
		if got := pending(t, s); len(got) != 1 || got[0].UID != want.UID || got[0].State != want.State || !got[0].Due.Equal(want.Due) || !got[0].Asked.Equal(asked) || got[0].By != want.By || !slices.Equal(got[0].Names, want.Names) {
			t.Errorf("pending: %+v, want %+v", got, want)
		}
		create(t, s, s.Client("default"), name("db")) // the Name is free

		s.Clock.Advance(7*day - time.Second)
		complete(t, s)
		r, err := s.Store.Record(ctx, "default", "destruction", uid)
		if err != nil {
			t.Fatalf("a second before the end: %v", err)
		}
		if bytes.Contains(r.Value, value) {
			t.Error("the record holds the material in the clear")
		}
		s.Clock.Advance(time.Second)
		other := s.Another(t)
		var nodes sync.WaitGroup
		for _, n := range []*service.Service{s, other} { // two nodes at once
			nodes.Go(func() {
				if err := n.CompleteDestructions(ctx); err != nil {
					t.Errorf("complete: %v", err)
				}
			})
		}
		nodes.Wait()
		if _, err := s.Store.Record(ctx, "default", "destruction", uid); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("after the end the record is still there: %v", err)
		}
		done := entriesOf(t, s, custody.ActionDestructionComplete, uid)
		if len(done) != 1 {
			t.Fatalf("%d audit entries of the end, want 1", len(done))
		}
		for _, part := range []string{"SHA-256", asked.Format(time.RFC3339), "client:test"} {
			if !strings.Contains(done[0].Detail, part) {
				t.Errorf("the evidence %q lacks %q", done[0].Detail, part)
			}
		}
		if got := attributesOf(t, s, uid).Time(kmip.TagDestroyDate); !got.Equal(asked) {
			t.Errorf("Destroy Date %s, want that of the request, %s", got, asked)
		}
		wantKind(t, s.RestoreKey(ctx, s.Administrator("default"), uid, false), kmip.KindWrongState)
		if got := pending(t, s); len(got) != 0 {
			t.Errorf("pending after the end: %+v", got)
		}
	})
}

func TestRestoreBringsTheObjectBackAsItWas(t *testing.T) {
	onBothStores(t, func(t *testing.T, s *service.Service) {
		ctx := context.Background()
		rule(t, s, "", custody.DestructionRule{Days: 7})
		for _, c := range []struct {
			is   string
			make func() string
			want kmip.State
		}{
			{"Pre-Active", func() string { return create(t, s, s.Client("default"), name("pre")) }, kmip.StatePreActive},
			{"Deactivated", func() string {
				uid := create(t, s, s.Client("default"), name("off"), kmip.DateTime(kmip.TagActivationDate, s.Clock.Now()))
				if err := s.Revoke(ctx, s.Client("default"), uid, kmip.RevocationReason{Code: kmip.RevocationReasonCodeSuperseded}, time.Time{}); err != nil {
					t.Fatal(err)
				}
				return uid
			}, kmip.StateDeactivated},
			{"Compromised", func() string {
				uid := create(t, s, s.Client("default"), name("lost"))
				if err := s.Revoke(ctx, s.Client("default"), uid, kmip.RevocationReason{Code: kmip.RevocationReasonCodeKeyCompromise}, time.Time{}); err != nil {
					t.Fatal(err)
				}
				return uid
			}, kmip.StateCompromised},
		} {
			uid := c.make()
			value, before := valueOf(t, s, uid), attributesOf(t, s, uid)
			s.Clock.Advance(time.Minute)
			if err := s.Destroy(ctx, s.Client("default"), uid); err != nil {
				t.Fatalf("%s: destroy: %v", c.is, err)
			}
			s.Clock.Advance(6 * day)
			if err := s.RestoreKey(ctx, s.Administrator("default"), uid, false); err != nil {
				t.Fatalf("%s: restore: %v", c.is, err)
			}
			if got := stateOf(t, s, uid); got != c.want {
				t.Errorf("%s: state after restore %s", c.is, got)
			}
			if got := valueOf(t, s, uid); !bytes.Equal(got, value) {
				t.Errorf("%s: another value came back", c.is)
			}
			after := attributesOf(t, s, uid)
			before, after = before.Remove(kmip.TagLastChangeDate), after.Remove(kmip.TagLastChangeDate)
			if !bytes.Equal(before.Remove(kmip.TagFresh).AppendCanonical(nil), after.Remove(kmip.TagFresh).AppendCanonical(nil)) {
				t.Errorf("%s: attributes after restore\n%v\nwant\n%v", c.is, after, before)
			}
			found, err := s.Locate(ctx, s.Client("default"), custody.LocateQuery{Attributes: attrs(name(before.Names()[0]))})
			if err != nil || len(found.UIDs) != 1 {
				t.Errorf("%s: Locate by Name after restore: %v, %v", c.is, found.UIDs, err)
			}
			if n := len(entriesOf(t, s, "key.restore", uid)); n != 1 {
				t.Errorf("%s: %d audit entries of the restore", c.is, n)
			}
			s.Clock.Advance(30 * day)
			complete(t, s)
			valueOf(t, s, uid) // its destruction was cancelled
			wantKind(t, s.RestoreKey(ctx, s.Administrator("default"), uid, false), kmip.KindWrongState)
			s.Clock.Advance(time.Minute)
		}
	})
}

func TestRestoreSaysWhichNameIsTaken(t *testing.T) {
	s, ctx := service.New(t), context.Background()
	rule(t, s, "", custody.DestructionRule{Days: 1})
	uid := create(t, s, s.Client("default"), name("a"), name("b"))
	if err := s.Destroy(ctx, s.Client("default"), uid); err != nil {
		t.Fatal(err)
	}
	other := create(t, s, s.Client("default"), name("b"))
	err := s.RestoreKey(ctx, s.Administrator("default"), uid, false)
	wantKind(t, err, kmip.KindNameNotUnique)
	if !strings.Contains(err.Error(), `"b" (object `+other) || strings.Contains(err.Error(), `"a"`) {
		t.Errorf("the refusal %q names b and its owner, and not a", err)
	}
	if err := s.RestoreKey(ctx, s.Administrator("default"), uid, true); err != nil {
		t.Fatal(err)
	}
	if got := attributesOf(t, s, uid).Names(); len(got) != 0 {
		t.Errorf("Names after a restore without: %v", got)
	}
	if got := attributesOf(t, s, other).Names(); !slices.Equal(got, []string{"b"}) {
		t.Errorf("Names of the other object: %v", got)
	}
}

func TestACompromiseDeclaredMeanwhileOutlivesTheRestore(t *testing.T) {
	for _, obliterated := range []bool{false, true} {
		s, ctx := service.New(t), context.Background()
		rule(t, s, "", custody.DestructionRule{Days: 1})
		uid := create(t, s, s.Client("default"), name("a"))
		value := valueOf(t, s, uid)
		if err := s.Destroy(ctx, s.Client("default"), uid); err != nil {
			t.Fatal(err)
		}
		if err := s.Revoke(ctx, s.Client("default"), uid, kmip.RevocationReason{Code: kmip.RevocationReasonCodeKeyCompromise}, time.Time{}); err != nil {
			t.Fatal(err)
		}
		if obliterated {
			if err := s.Obliterate(ctx, s.Client("default"), uid); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.RestoreKey(ctx, s.Administrator("default"), uid, false); err != nil {
			t.Fatal(err)
		}
		if got := stateOf(t, s, uid); got != kmip.StateCompromised {
			t.Errorf("obliterated %v: state %s, want Compromised", obliterated, got)
		}
		if got := valueOf(t, s, uid); !bytes.Equal(got, value) {
			t.Errorf("obliterated %v: another value came back", obliterated)
		}
	}
}

func TestWhatWasObliteratedComesBackWithItsMetadata(t *testing.T) {
	onBothStores(t, func(t *testing.T, s *service.Service) {
		ctx := context.Background()
		rule(t, s, "", custody.DestructionRule{Days: 3, Protected: true})
		limits := kmip.UsageLimits{Total: 100, Count: 100, Unit: kmip.UsageLimitsUnitByte}
		uid := create(t, s, s.Client("default"), name("a"), kmip.Text(kmip.TagObjectGroup, "g"), limits.Item(), kmip.DateTime(kmip.TagActivationDate, s.Clock.Now()))
		if err := s.GetUsageAllocation(ctx, s.Client("default"), uid, 40); err != nil {
			t.Fatal(err)
		}
		if err := s.Revoke(ctx, s.Client("default"), uid, kmip.RevocationReason{Code: kmip.RevocationReasonCodeSuperseded}, time.Time{}); err != nil {
			t.Fatal(err)
		}
		value := valueOf(t, s, uid)
		if err := s.Obliterate(ctx, s.Client("default"), uid); err != nil {
			t.Fatal(err)
		}
		_, err := s.GetAttributes(ctx, s.Client("default"), uid, nil)
		wantKind(t, err, kmip.KindObjectNotFound)
		// Its identifier is not to be had, neither by Import nor after a restart.
		o := &kmip.Object{Type: kmip.ObjectTypeOpaqueObject, OpaqueDataType: 1}
		wantKind(t, s.Import(ctx, s.Client("default"), custody.ImportArgs{UID: uid, Type: o.Type, Value: o, Replace: true}), kmip.KindObjectExists)
		other := s.Another(t)
		if err := other.RestoreKey(ctx, s.Administrator("default"), uid, false); err != nil {
			t.Fatal(err)
		}
		if got := valueOf(t, s, uid); !bytes.Equal(got, value) {
			t.Error("another value came back")
		}
		row, err := s.Store.Object(ctx, "default", uid)
		if err != nil || !row.Counter.HasUsage || row.Counter.UsageLeft != 60 || !row.Counter.Allocated {
			t.Errorf("counter after restore: %+v, %v; want 60 left, allocated", row.Counter, err)
		}
		// At the end nothing is left at all.
		if err := s.Obliterate(ctx, s.Client("default"), uid); err != nil {
			t.Fatal(err)
		}
		s.Clock.Advance(3 * day)
		complete(t, s)
		wantKind(t, s.RestoreKey(ctx, s.Administrator("default"), uid, false), kmip.KindObjectNotFound)
	})
}

func TestATemplateWaitsToo(t *testing.T) {
	s, ctx := service.New(t), context.Background()
	rule(t, s, "", custody.DestructionRule{Days: 3})
	template := &kmip.Object{Type: kmip.ObjectTypeTemplate, Template: aes256()}
	uid, err := s.Register(ctx, s.Client("default"), kmip.ObjectTypeTemplate, attrs(name("t")), template)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Destroy(ctx, s.Client("default"), uid); err != nil {
		t.Fatal(err)
	}
	_, err = s.Get(ctx, s.Client("default"), uid, custody.GetOptions{})
	wantKind(t, err, kmip.KindObjectNotFound)
	if err := s.RestoreKey(ctx, s.Administrator("default"), uid, false); err != nil {
		t.Fatal(err)
	}
	o, err := s.Get(ctx, s.Client("default"), uid, custody.GetOptions{})
	if err != nil || len(o.Template) != 3 {
		t.Errorf("the template after restore: %+v, %v", o, err)
	}
}

func TestDestroyNowOnlyWhereTheRulesAllowIt(t *testing.T) {
	for _, c := range []struct {
		name    string
		rule    custody.DestructionRule
		allowed bool
	}{
		{"without a period", custody.DestructionRule{}, true},
		{"with a period", custody.DestructionRule{Days: 7}, false},
		{"with a period that administrators may skip", custody.DestructionRule{Days: 7, AllowNow: true}, true},
		{"with purge protection", custody.DestructionRule{Days: 7, Protected: true}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, ctx := service.New(t), context.Background()
			rule(t, s, "", c.rule)
			admin := func() *custody.Scope { return s.Administrator("default") }
			one, two := create(t, s, s.Client("default")), create(t, s, s.Client("default"))
			err := s.DestroyKey(ctx, admin(), one, true, false)
			if c.allowed != (err == nil) {
				t.Fatalf("destroy now: %v", err)
			}
			if err := s.DestroyKey(ctx, admin(), two, false, false); err != nil {
				t.Fatal(err)
			}
			waits := c.rule.Days > 0
			if got := len(pending(t, s)); waits != (got == 1) {
				t.Fatalf("%d pending", got)
			}
			err = s.DestroyKey(ctx, admin(), two, true, false) // what is pending
			switch {
			case !waits:
				wantKind(t, err, kmip.KindObjectDestroyed)
			case !c.allowed:
				wantKind(t, err, kmip.KindPermissionDenied)
			case err != nil:
				t.Fatal(err)
			}
			if got := len(pending(t, s)); (waits && !c.allowed) != (got == 1) {
				t.Errorf("%d pending at the end", got)
			}
		})
	}
}

func TestPurgeProtectionCanOnlyBeLengthened(t *testing.T) {
	s, ctx := service.New(t), context.Background()
	set := func(group string, r custody.DestructionRule) error {
		return s.SetDestruction(ctx, s.Administrator("default"), group, r)
	}
	for _, bad := range []custody.DestructionRule{{Days: -1}, {Days: 366}, {Protected: true}, {Days: 7, Protected: true, AllowNow: true}} {
		wantKind(t, set("", bad), kmip.KindInvalidField)
	}
	rule(t, s, "g", custody.DestructionRule{Days: 10, Protected: true})
	wantKind(t, set("g", custody.DestructionRule{Days: 10}), kmip.KindWrongState)
	wantKind(t, set("g", custody.DestructionRule{Days: 9, Protected: true}), kmip.KindWrongState)
	wantKind(t, set("g", custody.DestructionRule{}), kmip.KindWrongState)
	wantKind(t, s.RemoveDestruction(ctx, s.Administrator("default"), "g"), kmip.KindWrongState)
	rule(t, s, "g", custody.DestructionRule{Days: 12, Protected: true})

	// A client cannot take an object out of the group.
	uid := create(t, s, s.Client("default"), kmip.Text(kmip.TagObjectGroup, "g"))
	_, err := s.DeleteAttribute(ctx, s.Client("default"), uid, kmip.AttributeID{Tag: kmip.TagObjectGroup}, custody.Change{})
	wantKind(t, err, kmip.KindPermissionDenied)
	_, err = s.ModifyAttribute(ctx, s.Client("default"), uid, kmip.NewAttribute(kmip.Text(kmip.TagObjectGroup, "h")), custody.Change{})
	wantKind(t, err, kmip.KindPermissionDenied)
	// Import does not overwrite what would be kept.
	o, err := s.Get(ctx, s.Client("default"), uid, custody.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	wantKind(t, s.Import(ctx, s.Client("default"), custody.ImportArgs{UID: uid, Type: o.Type, Value: o, Replace: true}), kmip.KindPermissionDenied)
	// With the protection of the domain no group makes it shorter.
	rule(t, s, "", custody.DestructionRule{Days: 30, Protected: true})
	rule(t, s, "short", custody.DestructionRule{Days: 1})
	short := create(t, s, s.Client("default"), kmip.Text(kmip.TagObjectGroup, "short"))
	asked := s.Clock.Now()
	if err := s.Destroy(ctx, s.Client("default"), short); err != nil {
		t.Fatal(err)
	}
	if got := pending(t, s); len(got) != 1 || !got[0].Due.Equal(asked.Add(30*day)) || !got[0].Protected {
		t.Errorf("pending: %+v; want 30 days, protected", got)
	}
	wantKind(t, s.DestroyKey(ctx, s.Administrator("default"), short, true, false), kmip.KindPermissionDenied)
}

func TestTheRecordOfADestructionFollowsTheKeyOfTheDomain(t *testing.T) {
	s, ctx := service.New(t), context.Background()
	rule(t, s, "", custody.DestructionRule{Days: 7})
	uid := create(t, s, s.Client("default"))
	value := valueOf(t, s, uid)
	if err := s.Destroy(ctx, s.Client("default"), uid); err != nil {
		t.Fatal(err)
	}
	j, err := s.RotateDomainKey(ctx, s.Administrator(""), "default", "")
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		now, err := s.Job(ctx, s.Administrator(""), j.ID)
		if err != nil || now.State == custody.JobFailed || now.Left != 0 || time.Now().After(end) {
			t.Fatalf("job: %+v, %v", now, err)
		}
		if now.State == custody.JobDone {
			break
		}
	}
	if err := s.RestoreKey(ctx, s.Administrator("default"), uid, false); err != nil {
		t.Fatal(err)
	}
	if got := valueOf(t, s, uid); !bytes.Equal(got, value) {
		t.Error("another value came back")
	}
}

func TestAKeyInATokenStaysThereUntilTheEnd(t *testing.T) {
	for _, obliterate := range []bool{false, true} {
		s, ctx := hardware(t), context.Background()
		rule(t, s, "", custody.DestructionRule{Days: 2})
		uid, err := s.Create(ctx, s.Client("default"), kmip.ObjectTypeSymmetricKey, aes256(inHardware))
		if err != nil {
			t.Fatal(err)
		}
		end := func() error {
			if obliterate {
				return s.Obliterate(ctx, s.Client("default"), uid)
			}
			return s.Destroy(ctx, s.Client("default"), uid)
		}
		if err := end(); err != nil {
			t.Fatal(err)
		}
		first := s.Another(t)
		tend(t, first)
		time.Sleep(100 * time.Millisecond) // of a duty that must not do anything
		if n := inToken(t, s); n != 1 {
			t.Fatalf("obliterate %v: %d objects in the token while the destruction is pending", obliterate, n)
		}
		if err := s.RestoreKey(ctx, s.Administrator("default"), uid, false); err != nil {
			t.Fatal(err)
		}
		if err := s.Activate(ctx, s.Client("default"), uid); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Encrypt(ctx, s.Client("default"), uid, custody.CipherArgs{Parameters: &kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeGCM}, Data: []byte("x")}); err != nil {
			t.Errorf("obliterate %v: the key after restore: %v", obliterate, err)
		}
		if err := s.Revoke(ctx, s.Client("default"), uid, kmip.RevocationReason{Code: kmip.RevocationReasonCodeSuperseded}, time.Time{}); err != nil {
			t.Fatal(err)
		}
		if err := end(); err != nil {
			t.Fatal(err)
		}
		s.Clock.Advance(2 * day)
		complete(t, s)
		tend(t, s)
		within(t, "the key leaves the token", func() bool { return inToken(t, s) == 0 && len(removals(t, s)) == 0 })
	}
}

func TestRemovingExpiredRecordsIsNotTheEndOfADestruction(t *testing.T) {
	s, ctx := service.New(t), context.Background()
	rule(t, s, "", custody.DestructionRule{Days: 2})
	uid := create(t, s, s.Client("default"))
	if err := s.Destroy(ctx, s.Client("default"), uid); err != nil {
		t.Fatal(err)
	}
	// Somebody with access to the database brings the end forward.
	r, err := s.Store.Record(ctx, "default", "destruction", uid)
	if err != nil {
		t.Fatal(err)
	}
	r.Revision, r.Expires = r.Revision+1, s.Clock.Now().Add(-day)
	forged := r
	if err := s.Store.Commit(ctx, store.Change{UpdateRecords: []store.Record{forged}}); err != nil {
		t.Fatal(err)
	}
	_ = s.CompleteDestructions(ctx) // says that the record does not authenticate
	if _, err := s.Store.Record(ctx, "default", "destruction", uid); err != nil {
		t.Errorf("the record is gone before its date: %v", err)
	}
}
