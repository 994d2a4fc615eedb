package custody_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/testenv/service"
)

func period(text string) *custody.Period {
	p, err := custody.ParsePeriod(text)
	if err != nil {
		panic(err)
	}
	return &p
}

func keyPolicies(t *testing.T, s *service.Service, list ...custody.KeyPolicy) {
	t.Helper()
	if err := s.SetKeyPolicies(context.Background(), s.Administrator("default"), list); err != nil {
		t.Fatal(err)
	}
}

func inGroup(name string) kmip.Item { return kmip.Text(kmip.TagObjectGroup, name) }

// since is a date of an object, counted from a moment; -1 for one that is not set.
func since(t *testing.T, s *service.Service, uid string, tag kmip.Tag, from time.Time) time.Duration {
	t.Helper()
	d := attributesOf(t, s, uid).Time(tag)
	if d.IsZero() {
		return -1
	}
	return d.Sub(from)
}

func TestTheMostSpecificPolicyWinsForEachThing(t *testing.T) {
	s := service.New(t)
	keyPolicies(
		t, s,
		custody.KeyPolicy{Activate: period("now"), Originator: period("10d"), Recipient: period("100d")},
		custody.KeyPolicy{Role: "full", Originator: period("20d")},
		custody.KeyPolicy{Role: "other", Originator: period("1d")},
		custody.KeyPolicy{Group: "db", Recipient: period("200d")},
		custody.KeyPolicy{Group: "raw", Activate: period("never"), Recipient: period("never")},
	)
	now := s.Clock.Now()
	for _, c := range []struct {
		name                  string
		extra                 []kmip.Item
		activate, stop, until time.Duration
	}{
		{"without a group", nil, 0, 20 * day, 100 * day},
		{"of a group", []kmip.Item{inGroup("db")}, 0, 20 * day, 200 * day},
		{"of a group that takes away", []kmip.Item{inGroup("raw")}, -1, -1, -1},
		{"of two groups", []kmip.Item{inGroup("none"), inGroup("db")}, 0, 20 * day, 200 * day},
		{
			"with dates of its own",
			[]kmip.Item{kmip.DateTime(kmip.TagActivationDate, now.Add(day)), kmip.DateTime(kmip.TagDeactivationDate, now.Add(5*day))},
			day, 5 * day, 5 * day,
		},
		{"with a late Protect Stop Date", []kmip.Item{kmip.DateTime(kmip.TagProtectStopDate, now.Add(300*day))}, 0, 300 * day, 300 * day},
	} {
		uid := create(t, s, s.Client("default"), c.extra...)
		for tag, want := range map[kmip.Tag]time.Duration{kmip.TagActivationDate: c.activate, kmip.TagProtectStopDate: c.stop, kmip.TagDeactivationDate: c.until} {
			if got := since(t, s, uid, tag, now); got != want {
				t.Errorf("a key %s: %s %s after now, want %s", c.name, tag.Title(), got, want)
			}
		}
	}
}

func TestWhatIsEnforcedWinsAndStays(t *testing.T) {
	s, ctx := service.New(t), context.Background()
	total := int64(1000)
	keyPolicies(t, s, custody.KeyPolicy{Enforce: true, Activate: period("now"), Originator: period("10d"), Recipient: period("20d"), UsageTotal: &total, UsageUnit: "byte"})
	now := s.Clock.Now()
	limits := kmip.UsageLimits{Total: 5000, Count: 5000, Unit: kmip.UsageLimitsUnitByte}
	uid := create(t, s, s.Client("default"), kmip.DateTime(kmip.TagActivationDate, now.Add(day)), kmip.DateTime(kmip.TagDeactivationDate, now.Add(500*day)), limits.Item())
	for tag, want := range map[kmip.Tag]time.Duration{kmip.TagActivationDate: 0, kmip.TagProtectStopDate: 10 * day, kmip.TagDeactivationDate: 20 * day} {
		if got := since(t, s, uid, tag, now); got != want {
			t.Errorf("%s %s after now, want %s", tag.Title(), got, want)
		}
	}
	if u, _ := attributesOf(t, s, uid).Get(kmip.TagUsageLimits); kmip.UsageLimitsOf(u).Total != 1000 {
		t.Errorf("Usage Limits %v", u)
	}
	later := kmip.NewAttribute(kmip.DateTime(kmip.TagDeactivationDate, now.Add(21*day)))
	wantKind(t, s.SetAttribute(ctx, s.Client("default"), uid, later), kmip.KindConstraint)
	_, err := s.DeleteAttribute(ctx, s.Client("default"), uid, kmip.AttributeID{Tag: kmip.TagUsageLimits}, custody.Change{})
	wantKind(t, err, kmip.KindConstraint)
	if err := s.SetAttribute(ctx, s.Client("default"), uid, kmip.NewAttribute(kmip.DateTime(kmip.TagDeactivationDate, now.Add(15*day)))); err != nil {
		t.Errorf("an earlier end is free: %v", err)
	}
	// Re-key copies dates (§6.1.46); those that are enforced begin anew.
	s.Clock.Advance(5 * day)
	fresh, err := s.ReKey(ctx, s.Client("default"), uid, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := since(t, s, fresh, kmip.TagProtectStopDate, now); got != 15*day {
		t.Errorf("Protect Stop Date of the replacement %s after the first key, want 15 days", got)
	}
}

func TestPeriodsOfUseFollowTheClock(t *testing.T) {
	s, ctx := service.New(t), context.Background()
	keyPolicies(t, s, custody.KeyPolicy{Originator: period("10d"), Recipient: period("20d")})
	gcm := &kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeGCM}
	for _, c := range []struct {
		name     string
		activate func(uid string) error
	}{
		{"by Activate", func(uid string) error { return s.Activate(ctx, s.Client("default"), uid) }},
		{"by its Activation Date", func(uid string) error {
			return s.SetAttribute(ctx, s.Client("default"), uid, kmip.NewAttribute(kmip.DateTime(kmip.TagActivationDate, s.Clock.Now())))
		}},
	} {
		uid := create(t, s, s.Client("default"))
		if got := since(t, s, uid, kmip.TagProtectStopDate, s.Clock.Now()); got != -1 {
			t.Fatalf("a key that is not activated has a Protect Stop Date")
		}
		if err := c.activate(uid); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		enc, err := s.Encrypt(ctx, s.Client("default"), uid, custody.CipherArgs{Parameters: gcm, Data: []byte("x")})
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		s.Clock.Advance(10 * day)
		_, err = s.Encrypt(ctx, s.Client("default"), uid, custody.CipherArgs{Parameters: gcm, Data: []byte("x")})
		wantKind(t, err, kmip.KindWrongState)
		if _, err := s.Decrypt(ctx, s.Client("default"), uid, custody.CipherArgs{Parameters: gcm, Data: enc.Data, IV: enc.IV, Tag: enc.Tag}); err != nil {
			t.Errorf("%s: decrypt after the originator-usage period: %v", c.name, err)
		}
		if got := stateOf(t, s, uid); got != kmip.StateActive {
			t.Errorf("%s: state %s", c.name, got)
		}
		s.Clock.Advance(10 * day)
		if got := stateOf(t, s, uid); got != kmip.StateDeactivated {
			t.Errorf("%s: state after the recipient-usage period %s", c.name, got)
		}
	}
}

func TestObjectsOfEveryWayOfMakingAreActivated(t *testing.T) {
	s, ctx := service.New(t), context.Background()
	keyPolicies(t, s, custody.KeyPolicy{Activate: period("now")})
	private, public, err := s.CreateKeyPair(ctx, s.Client("default"), attrs(kmip.Enumeration(kmip.TagCryptographicAlgorithm, kmip.CryptographicAlgorithmECDSA), kmip.Integer(kmip.TagCryptographicLength, 256)), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	o := &kmip.Object{Type: kmip.ObjectTypeSymmetricKey, Key: &kmip.KeyBlock{Format: kmip.KeyFormatTypeRaw, Algorithm: kmip.CryptographicAlgorithmAES, LengthBits: 256, Material: secret.New(make([]byte, 32))}}
	registered, err := s.Register(ctx, s.Client("default"), o.Type, nil, o)
	if err != nil {
		t.Fatal(err)
	}
	data, err := s.Create(ctx, s.Client("default"), kmip.ObjectTypeSecretData, nil)
	if err != nil {
		t.Fatal(err)
	}
	for what, uid := range map[string]string{"Create": create(t, s, s.Client("default")), "private key": private, "public key": public, "Register": registered, "secret data": data} {
		if got := stateOf(t, s, uid); got != kmip.StateActive {
			t.Errorf("%s: state %s", what, got)
		}
	}
}

func TestKeysRotateByPolicy(t *testing.T) {
	onBothStores(t, func(t *testing.T, s *service.Service) {
		ctx := context.Background()
		keyPolicies(t, s, custody.KeyPolicy{Group: "db", Activate: period("now"), Originator: period("40d"), Rotate: period("30d")})
		first := create(t, s, s.Client("default"), name("db"), inGroup("db"))
		s.Clock.Advance(30*day - time.Second)
		if err := s.RotateDue(ctx); err != nil {
			t.Fatal(err)
		}
		if got := attributesOf(t, s, first).Names(); !slices.Equal(got, []string{"db"}) {
			t.Fatalf("a second before its time: Names %v", got)
		}
		s.Clock.Advance(time.Second)
		last := first
		for generation := int32(1); generation <= 2; generation++ {
			var nodes sync.WaitGroup
			for _, n := range []*service.Service{s, s.Another(t)} { // each object is rotated once
				nodes.Go(func() {
					if err := n.RotateDue(ctx); err != nil {
						t.Error(err)
					}
				})
			}
			nodes.Wait()
			found, err := s.Locate(ctx, s.Client("default"), custody.LocateQuery{Attributes: attrs(name("db"))})
			if err != nil || len(found.UIDs) != 1 || found.UIDs[0] == last {
				t.Fatalf("Locate by Name: %v, %v", found.UIDs, err)
			}
			fresh := found.UIDs[0]
			old, a := attributesOf(t, s, last), attributesOf(t, s, fresh)
			if len(old.Names()) != 0 || old.Bool(kmip.TagRotateLatest) || !a.Bool(kmip.TagRotateLatest) || a.Int32(kmip.TagRotateGeneration) != generation {
				t.Errorf("generation %d: old %v, new %v", generation, old, a)
			}
			for _, l := range []struct {
				of     kmip.Attributes
				kind   kmip.LinkType
				target string
			}{{old, kmip.LinkTypeReplacementObjectLink, fresh}, {a, kmip.LinkTypeReplacedObjectLink, last}} {
				if !slices.ContainsFunc(l.of, func(at kmip.Attribute) bool {
					return at.Tag == kmip.TagLink && kmip.LinkOf(at.Value) == kmip.LinkValue{Type: l.kind, Target: l.target}
				}) {
					t.Errorf("generation %d: no %s to %s", generation, l.kind, l.target)
				}
			}
			if got := stateOf(t, s, fresh); got != kmip.StateActive {
				t.Errorf("generation %d: the new key is %s", generation, got)
			}
			if got := since(t, s, fresh, kmip.TagProtectStopDate, s.Clock.Now()); got != 40*day {
				t.Errorf("generation %d: Protect Stop Date in %s, want 40 days", generation, got)
			}
			valueOf(t, s, last) // the old one is still there
			last = fresh
			s.Clock.Advance(30 * day)
		}
	})
}

func TestAClientThatLocatesByNameSeesNoGapWhileKeysRotate(t *testing.T) {
	onBothStores(t, func(t *testing.T, s *service.Service) {
		ctx := context.Background()
		keyPolicies(t, s, custody.KeyPolicy{Activate: period("now"), Rotate: period("60s")})
		const keys = 4
		for i := range keys {
			create(t, s, s.Client("default"), name(fmt.Sprint("key", i)))
		}
		var stop atomic.Bool
		var looks atomic.Int64
		var readers sync.WaitGroup
		for i := range keys {
			readers.Go(func() {
				n := name(fmt.Sprint("key", i))
				for !stop.Load() {
					found, err := s.Locate(ctx, s.Client("default"), custody.LocateQuery{Attributes: attrs(n), Maximum: 1})
					if err != nil || len(found.UIDs) != 1 {
						t.Errorf("Locate while the key rotates: %v, %v", found.UIDs, err)
						return
					}
					o, err := s.Get(ctx, s.Client("default"), found.UIDs[0], custody.GetOptions{})
					if err != nil {
						t.Errorf("Get of what Locate found: %v", err)
						return
					}
					o.Destroy()
					looks.Add(1)
				}
			})
		}
		other := s.Another(t)
		for range 15 {
			s.Clock.Advance(time.Minute)
			for _, n := range []*service.Service{s, other} {
				if err := n.RotateDue(ctx); err != nil {
					t.Error(err)
				}
			}
		}
		stop.Store(true)
		readers.Wait()
		if looks.Load() < keys {
			t.Fatalf("only %d looks", looks.Load())
		}
		for i := range keys {
			found, err := s.Locate(ctx, s.Client("default"), custody.LocateQuery{Attributes: attrs(name(fmt.Sprint("key", i)))})
			if err != nil || len(found.UIDs) != 1 {
				t.Fatal(err)
			}
			if g := attributesOf(t, s, found.UIDs[0]).Int32(kmip.TagRotateGeneration); g != 15 {
				t.Errorf("key %d has generation %d, want 15", i, g)
			}
		}
	})
}

func TestAnAdministratorDoesNotEndWhatIsInUseByAccident(t *testing.T) {
	s, ctx := service.New(t), context.Background()
	gcm := &kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeGCM}
	reason := kmip.RevocationReason{Code: kmip.RevocationReasonCodeSuperseded}
	keyPolicies(t, s, custody.KeyPolicy{InUse: period("7d")})
	for name, use := range map[string]func(uid string) error{
		"Get": func(uid string) error {
			_, err := s.Get(ctx, s.Client("default"), uid, custody.GetOptions{})
			return err
		},
		"Encrypt": func(uid string) error {
			_, err := s.Encrypt(ctx, s.Client("default"), uid, custody.CipherArgs{Parameters: gcm, Data: []byte("x")})
			return err
		},
		"a question for the state": func(uid string) error {
			_, err := s.GetAttributes(ctx, s.Client("default"), uid, []kmip.AttributeID{{Tag: kmip.TagState}})
			return err
		},
	} {
		uid := create(t, s, s.Client("default"), kmip.DateTime(kmip.TagActivationDate, s.Clock.Now()))
		unused := create(t, s, s.Client("default"), kmip.DateTime(kmip.TagActivationDate, s.Clock.Now()))
		if err := s.RevokeKey(ctx, s.Administrator("default"), unused, reason, false); err != nil {
			t.Errorf("a key that nobody uses: %v", err)
		}
		s.Clock.Advance(30 * day)
		if err := use(uid); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		row, err := s.Store.Object(ctx, "default", uid)
		if err != nil || !row.Counter.LastUsed.Equal(s.Clock.Now()) {
			t.Errorf("%s: last use %s, %v; want %s", name, row.Counter.LastUsed, err, s.Clock.Now())
		}
		s.Clock.Advance(7*day - time.Second)
		wantKind(t, s.RevokeKey(ctx, s.Administrator("default"), uid, reason, false), kmip.KindWrongState)
		s.Clock.Advance(time.Second)
		if err := s.RevokeKey(ctx, s.Administrator("default"), uid, reason, false); err != nil {
			t.Errorf("%s: after the window: %v", name, err)
		}
		if err := use(uid); name == "Get" && err != nil {
			t.Fatal(err)
		}
		if name == "Get" {
			wantKind(t, s.DestroyKey(ctx, s.Administrator("default"), uid, false, false), kmip.KindWrongState)
			if err := s.DestroyKey(ctx, s.Administrator("default"), uid, false, true); err != nil {
				t.Errorf("even if in use: %v", err)
			}
		}
	}
	used := create(t, s, s.Client("default"), kmip.DateTime(kmip.TagActivationDate, s.Clock.Now()))
	valueOf(t, s, used)
	if err := s.Revoke(ctx, s.Client("default"), used, reason, time.Time{}); err != nil {
		t.Errorf("the client itself ends its key: %v", err)
	}
}

func TestWhatIsInUseIsWarnedAboutBeforeItsDate(t *testing.T) {
	for backend, postgres := range map[string]bool{"sqlite": false, "postgres": true} {
		t.Run(backend, func(t *testing.T) {
			ctx := context.Background()
			var log bytes.Buffer
			s := service.With(t, service.Options{Log: slog.NewTextHandler(&log, nil), Postgres: postgres})
			keyPolicies(t, s, custody.KeyPolicy{Group: "db", Activate: period("now"), Recipient: period("30d"), InUse: period("7d")})
			used, idle := create(t, s, s.Client("default"), name("used"), inGroup("db")), create(t, s, s.Client("default"), name("idle"), inGroup("db"))
			other := create(t, s, s.Client("default"), kmip.DateTime(kmip.TagActivationDate, s.Clock.Now()), kmip.DateTime(kmip.TagDeactivationDate, s.Clock.Now().Add(30*day)))
			look := func() []string {
				t.Helper()
				if err := s.WarnEnding(ctx); err != nil {
					t.Fatal(err)
				}
				list, err := s.EndingInUse(ctx, s.Administrator(""))
				if err != nil || int64(len(list)) != s.Ending() {
					t.Fatalf("%+v, %v; the node counts %d", list, err, s.Ending())
				}
				var uids []string
				for _, e := range list {
					uids = append(uids, e.UID)
				}
				return uids
			}
			s.Clock.Advance(10 * day)
			for _, uid := range []string{used, other} {
				valueOf(t, s, uid)
			}
			if got := look(); len(got) != 0 {
				t.Errorf("20 days before the date: %v", got)
			}
			s.Clock.Advance(8 * day)
			valueOf(t, s, used)
			for range 3 {
				if got := look(); !slices.Equal(got, []string{used}) {
					t.Errorf("12 days before the date: %v, want %s", got, used)
				}
				s.Clock.Advance(time.Hour)
			}
			if n := strings.Count(log.String(), "about to be deactivated"); n != 1 || strings.Contains(log.String(), idle) {
				t.Errorf("%d warnings:\n%s", n, log.String())
			}
			s.Clock.Advance(8 * day) // nobody uses it any more
			if got := look(); len(got) != 0 {
				t.Errorf("out of use: %v", got)
			}
		})
	}
}

func TestKeyPoliciesThatCannotBeAreRefused(t *testing.T) {
	s, ctx := service.New(t), context.Background()
	negative, total := int64(-1), int64(1)
	for _, p := range []custody.KeyPolicy{
		{},
		{Group: "g", Role: "full", Activate: period("now")},
		{Role: "no role", Activate: period("now")},
		{Originator: period("2d"), Recipient: period("1d")},
		{Rotate: period("59s")},
		{InUse: period("59m")},
		{Originator: period("now")},
		{Recipient: period("101y")},
		{UsageTotal: &negative, UsageUnit: "byte"},
		{UsageTotal: &total, UsageUnit: "gram"},
		{UsageUnit: "byte", Activate: period("now")},
	} {
		wantKind(t, s.SetKeyPolicies(ctx, s.Administrator("default"), []custody.KeyPolicy{{Activate: period("now")}, p}), kmip.KindInvalidField)
	}
	list, err := s.KeyPolicies(ctx, s.Administrator("default"))
	if err != nil || len(list) != 0 {
		t.Errorf("after refusals: %+v, %v", list, err)
	}
	keyPolicies(t, s, custody.KeyPolicy{Group: "g", Activate: period("now")}, custody.KeyPolicy{Activate: period("1h")})
	keyPolicies(t, s, custody.KeyPolicy{Group: "g", Activate: period("2h")}) // in the place of the first
	if list, err = s.KeyPolicies(ctx, s.Administrator("default")); err != nil || len(list) != 2 || *list[1].Activate != 7200 {
		t.Errorf("%+v, %v", list, err)
	}
	wantKind(t, s.RemoveKeyPolicy(ctx, s.Administrator("default"), "", "full"), kmip.KindObjectNotFound)
	for _, group := range []string{"g", ""} {
		if err := s.RemoveKeyPolicy(ctx, s.Administrator("default"), group, ""); err != nil {
			t.Error(err)
		}
	}
}

func TestPeriodsAreReadAsTheyAreWritten(t *testing.T) {
	for text, want := range map[string]custody.Period{
		"now": 0, "never": custody.Never, "0d": 0, "90s": 90, "60s": 60, "5m": 300, "48h": 172800, "90d": 7776000, "2w": 1209600, "1y": 31536000, "730d": 63072000,
	} {
		p, err := custody.ParsePeriod(text)
		if err != nil || p != want {
			t.Errorf("%s: %d, %v; want %d", text, p, err, want)
		}
		if again, err := custody.ParsePeriod(p.String()); err != nil || again != p {
			t.Errorf("%s is written %s, which reads as %d, %v", text, p, again, err)
		}
	}
	for _, text := range []string{"", "d", "-1d", "1", "1.5d", "1 d", "1dd", "999999999999y", "soon"} {
		if p, err := custody.ParsePeriod(text); err == nil {
			t.Errorf("%q is read as %s", text, p)
		}
	}
}
