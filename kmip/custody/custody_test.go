package custody_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/audit"
	"github.com/claviger/claviger/testenv/service"
)

const maskEncryptDecrypt = kmip.CryptographicUsageMaskEncrypt | kmip.CryptographicUsageMaskDecrypt

func attrs(items ...kmip.Item) kmip.Attributes {
	var a kmip.Attributes
	for _, i := range items {
		a = a.Add(kmip.NewAttribute(i))
	}
	return a
}

func name(n string) kmip.Item {
	return kmip.NameValue{Value: n, Type: kmip.NameTypeUninterpretedTextString}.Item()
}

func aes256(extra ...kmip.Item) kmip.Attributes {
	return attrs(append([]kmip.Item{
		kmip.Enumeration(kmip.TagCryptographicAlgorithm, kmip.CryptographicAlgorithmAES),
		kmip.Integer(kmip.TagCryptographicLength, 256),
		kmip.Mask(kmip.TagCryptographicUsageMask, maskEncryptDecrypt),
	}, extra...)...)
}

func create(t *testing.T, s *service.Service, sc *custody.Scope, extra ...kmip.Item) string {
	t.Helper()
	uid, err := s.Create(context.Background(), sc, kmip.ObjectTypeSymmetricKey, aes256(extra...))
	if err != nil {
		t.Fatalf("create: %v", err)
	}
	return uid
}

func stateOf(t *testing.T, s *service.Service, uid string) kmip.State {
	t.Helper()
	a, err := s.GetAttributes(context.Background(), s.Client("default"), uid, []kmip.AttributeID{{Tag: kmip.TagState}})
	if err != nil {
		t.Fatalf("state of %s: %v", uid, err)
	}
	return kmip.State(a.Uint32(kmip.TagState))
}

func wantKind(t *testing.T, err error, want kmip.Kind) {
	t.Helper()
	if err == nil {
		t.Fatalf("got no error, want %q", want)
	}
	if got := kmip.KindOf(err); got != want {
		t.Fatalf("got %q (%v), want %q", got, err, want)
	}
}

func TestStateFollowsDatesWithoutAnybodyActing(t *testing.T) {
	s := service.New(t)
	now := s.Clock.Now()
	uid := create(t, s, s.Client("default"),
		kmip.DateTime(kmip.TagActivationDate, now.Add(time.Hour)), kmip.DateTime(kmip.TagDeactivationDate, now.Add(2*time.Hour)))
	for _, step := range []struct {
		after time.Duration
		want  kmip.State
	}{{0, kmip.StatePreActive}, {time.Hour, kmip.StateActive}, {time.Hour, kmip.StateDeactivated}} {
		s.Clock.Advance(step.after)
		if got := stateOf(t, s, uid); got != step.want {
			t.Errorf("at +%s: state %s, want %s", s.Clock.Now().Sub(now), got, step.want)
		}
		found, err := s.Locate(context.Background(), s.Client("default"), custody.LocateQuery{
			Attributes: attrs(kmip.Enumeration(kmip.TagState, step.want)),
		})
		if err != nil || len(found.UIDs) != 1 {
			t.Errorf("Locate by state %s: %v, %v; want the key", step.want, found.UIDs, err)
		}
	}
}

func TestLifecycleOfAKey(t *testing.T) {
	s, ctx := service.New(t), context.Background()
	uid := create(t, s, s.Client("default"), name("k"))
	cbc := &kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeCBC, PaddingMethod: kmip.PaddingMethodPKCS5}
	_, err := s.Encrypt(ctx, s.Client("default"), uid, custody.CipherArgs{Parameters: cbc, Data: []byte("plain")})
	wantKind(t, err, kmip.KindWrongState)
	if err := s.Activate(ctx, s.Client("default"), uid); err != nil {
		t.Fatal(err)
	}
	wantKind(t, s.Activate(ctx, s.Client("default"), uid), kmip.KindWrongState)
	enc, err := s.Encrypt(ctx, s.Client("default"), uid, custody.CipherArgs{Parameters: cbc, Data: []byte("plain")})
	if err != nil {
		t.Fatal(err)
	}
	wantKind(t, s.Destroy(ctx, s.Client("default"), uid), kmip.KindWrongState)
	reason := kmip.RevocationReason{Code: kmip.RevocationReasonCodeCessationOfOperation}
	if err := s.Revoke(ctx, s.Client("default"), uid, reason, time.Time{}); err != nil {
		t.Fatal(err)
	}
	_, err = s.Encrypt(ctx, s.Client("default"), uid, custody.CipherArgs{Parameters: cbc, Data: []byte("plain")})
	wantKind(t, err, kmip.KindWrongState)
	dec, err := s.Decrypt(ctx, s.Client("default"), uid, custody.CipherArgs{Parameters: cbc, Data: enc.Data, IV: enc.IV})
	if err != nil || string(dec.Data) != "plain" {
		t.Fatalf("a deactivated key decrypts: got %q, %v", dec.Data, err)
	}
	if err := s.Destroy(ctx, s.Client("default"), uid); err != nil {
		t.Fatal(err)
	}
	_, err = s.Get(ctx, s.Client("default"), uid, custody.GetOptions{})
	wantKind(t, err, kmip.KindObjectDestroyed)
	wantKind(t, s.Destroy(ctx, s.Client("default"), uid), kmip.KindObjectDestroyed)
	if got := stateOf(t, s, uid); got != kmip.StateDestroyed {
		t.Errorf("state after Destroy: %s", got)
	}
	row, err := s.Store.Object(ctx, "default", uid)
	if err != nil || row.Material != nil {
		t.Errorf("material after Destroy: %d bytes, %v; want none", len(row.Material), err)
	}
	create(t, s, s.Client("default"), name("k")) // the name is free again
}

func TestAnotherDomainCannotTellThatAnObjectExists(t *testing.T) {
	s, ctx := service.New(t), context.Background()
	if err := s.CreateDomain(ctx, s.Administrator(""), "other", ""); err != nil {
		t.Fatal(err)
	}
	uid := create(t, s, s.Client("default"), name("shared"))
	other := s.Client("other")
	use := map[string]func(uid string) error{
		"Get":           func(uid string) error { _, err := s.Get(ctx, other, uid, custody.GetOptions{}); return err },
		"GetAttributes": func(uid string) error { _, err := s.GetAttributes(ctx, other, uid, nil); return err },
		"AttributeList": func(uid string) error { _, err := s.AttributeList(ctx, other, uid); return err },
		"Activate":      func(uid string) error { return s.Activate(ctx, other, uid) },
		"Destroy":       func(uid string) error { return s.Destroy(ctx, other, uid) },
		"Check":         func(uid string) error { return s.Check(ctx, other, uid, custody.CheckQuery{}) },
		"ReKey":         func(uid string) error { _, err := s.ReKey(ctx, other, uid, nil, nil); return err },
		"Encrypt":       func(uid string) error { _, err := s.Encrypt(ctx, other, uid, custody.CipherArgs{}); return err },
		"SetAttribute": func(uid string) error {
			return s.SetAttribute(ctx, other, uid, kmip.NewAttribute(kmip.Text(kmip.TagComment, "x")))
		},
	}
	for op, call := range use {
		hidden, absent := call(uid), call("0192f0c1-0000-7000-8000-000000000000")
		if hidden == nil || absent == nil || hidden.Error() != absent.Error() {
			t.Errorf("%s: hidden %v, absent %v; want the same answer", op, hidden, absent)
		}
		wantKind(t, hidden, kmip.KindObjectNotFound)
	}
	found, err := s.Locate(ctx, other, custody.LocateQuery{Attributes: attrs(name("shared"))})
	if err != nil || len(found.UIDs) != 0 {
		t.Errorf("Locate in another domain: %v, %v; want nothing", found.UIDs, err)
	}
	create(t, s, s.Client("other"), name("shared")) // the same Name may exist in two domains
}

func TestNamesAreUniqueInADomain(t *testing.T) {
	s, ctx := service.New(t), context.Background()
	first := create(t, s, s.Client("default"), name("a"))
	_, err := s.Create(ctx, s.Client("default"), kmip.ObjectTypeSymmetricKey, aes256(name("a")))
	wantKind(t, err, kmip.KindNameNotUnique)
	second := create(t, s, s.Client("default"), name("b"))
	_, err = s.AddAttribute(ctx, s.Client("default"), second, kmip.NewAttribute(name("a")))
	wantKind(t, err, kmip.KindNameNotUnique)
	if _, err := s.DeleteAttribute(ctx, s.Client("default"), first, kmip.AttributeID{Tag: kmip.TagName}, custody.Change{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.AddAttribute(ctx, s.Client("default"), second, kmip.NewAttribute(name("a"))); err != nil {
		t.Fatalf("a Name that was given up: %v", err)
	}
	found, err := s.Locate(ctx, s.Client("default"), custody.LocateQuery{Attributes: attrs(name("a"))})
	if err != nil || len(found.UIDs) != 1 || found.UIDs[0] != second {
		t.Errorf("Locate by the moved Name: %v, %v; want %s", found.UIDs, err, second)
	}
}

func TestReKeyMovesTheNameAndLinksBothWays(t *testing.T) {
	s, ctx := service.New(t), context.Background()
	now := s.Clock.Now()
	old := create(t, s, s.Client("default"), name("db"), kmip.DateTime(kmip.TagActivationDate, now), kmip.Text(kmip.TagObjectGroup, "g"))
	s.Clock.Advance(time.Minute)
	fresh, err := s.ReKey(ctx, s.Client("default"), old, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	found, err := s.Locate(ctx, s.Client("default"), custody.LocateQuery{Attributes: attrs(name("db"))})
	if err != nil || len(found.UIDs) != 1 || found.UIDs[0] != fresh {
		t.Fatalf("Locate by Name: %v, %v; want the replacement %s", found.UIDs, err, fresh)
	}
	a, err := s.GetAttributes(ctx, s.Client("default"), fresh, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := a.Uint32(kmip.TagState); got != uint32(kmip.StateActive) {
		t.Errorf("state of the replacement: %s, want Active", kmip.State(got))
	}
	if got := a.Text(kmip.TagObjectGroup); got != "g" {
		t.Errorf("group of the replacement: %q", got)
	}
	if l := kmip.LinkOf(a.Instances(kmip.AttributeID{Tag: kmip.TagLink})[0].Value); l != (kmip.LinkValue{Type: kmip.LinkTypeReplacedObjectLink, Target: old}) {
		t.Errorf("link of the replacement: %+v", l)
	}
	b, err := s.GetAttributes(ctx, s.Client("default"), old, nil)
	if err != nil {
		t.Fatal(err)
	}
	if b.Has(kmip.TagName) || b.Uint32(kmip.TagState) != uint32(kmip.StateActive) {
		t.Errorf("old key: names %v, state %s; want no name, still Active", b.Names(), kmip.State(b.Uint32(kmip.TagState)))
	}
	offset := time.Hour
	_, err = s.ReKey(ctx, s.Client("default"), fresh, &offset, attrs(kmip.DateTime(kmip.TagActivationDate, now)))
	wantKind(t, err, kmip.KindOffsetWithDates)
	shifted, err := s.ReKey(ctx, s.Client("default"), fresh, &offset, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := stateOf(t, s, shifted); got != kmip.StatePreActive {
		t.Errorf("state of a replacement with an offset: %s, want Pre-Active", got)
	}
}

func TestSensitiveAndNotExtractableKeysDoNotLeave(t *testing.T) {
	s, ctx := service.New(t), context.Background()
	sensitive := create(t, s, s.Client("default"), kmip.Boolean(kmip.TagSensitive, true))
	_, err := s.Get(ctx, s.Client("default"), sensitive, custody.GetOptions{})
	wantKind(t, err, kmip.KindSensitive)
	fixed := create(t, s, s.Client("default"), kmip.Boolean(kmip.TagExtractable, false))
	_, err = s.Get(ctx, s.Client("default"), fixed, custody.GetOptions{})
	wantKind(t, err, kmip.KindNotExtractable)
}

func TestUsageLimitsAreTakenAndEnd(t *testing.T) {
	s, ctx := service.New(t), context.Background()
	limits := kmip.Structure(kmip.TagUsageLimits, kmip.LongInteger(kmip.TagUsageLimitsTotal, 20), kmip.Enumeration(kmip.TagUsageLimitsUnit, kmip.UsageLimitsUnitByte))
	uid := create(t, s, s.Client("default"), kmip.DateTime(kmip.TagActivationDate, s.Clock.Now()), limits)
	ctr := &kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeCTR}
	if _, err := s.Encrypt(ctx, s.Client("default"), uid, custody.CipherArgs{Parameters: ctr, Data: make([]byte, 16)}); err != nil {
		t.Fatal(err)
	}
	_, err := s.Encrypt(ctx, s.Client("default"), uid, custody.CipherArgs{Parameters: ctr, Data: make([]byte, 5)})
	wantKind(t, err, kmip.KindUsageExhausted)
	a, err := s.GetAttributes(ctx, s.Client("default"), uid, []kmip.AttributeID{{Tag: kmip.TagUsageLimits}})
	if err != nil {
		t.Fatal(err)
	}
	v, _ := a.Get(kmip.TagUsageLimits)
	if u := kmip.UsageLimitsOf(v); u.Count != 4 || u.Total != 20 {
		t.Errorf("Usage Limits after 16 of 20 bytes: %+v", u)
	}
	err = s.SetAttribute(ctx, s.Client("default"), uid, kmip.NewAttribute(limits))
	wantKind(t, err, kmip.KindAttributeReadOnly)
}

func TestTamperedRecordsAreRefusedAndTheOthersServed(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		name   string
		tamper func(victim, donor *store.Object)
	}{
		{"material of another object", func(v, d *store.Object) { v.Material = d.Material }},
		{"attributes of another object", func(v, d *store.Object) { v.Attributes = d.Attributes }},
		{"another state", func(v, _ *store.Object) { v.State = store.State(kmip.StateActive) }},
		{"everything and the MAC of another object", func(v, d *store.Object) {
			v.Material, v.Attributes, v.State, v.MAC, v.Type = d.Material, d.Attributes, d.State, d.MAC, d.Type
		}},
		{"a bit of the MAC", func(v, _ *store.Object) { v.MAC[0] ^= 1 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := service.New(t)
			uid, donor := create(t, s, s.Client("default")), create(t, s, s.Client("default"), kmip.DateTime(kmip.TagActivationDate, s.Clock.Now()))
			victim, err := s.Store.Object(ctx, "default", uid)
			if err != nil {
				t.Fatal(err)
			}
			d, err := s.Store.Object(ctx, "default", donor)
			if err != nil {
				t.Fatal(err)
			}
			c.tamper(&victim, &d)
			victim.Revision++ // the store insists; the MAC covers it
			if err := s.Store.Commit(ctx, store.Change{Delete: []store.Ref{{Domain: "default", UID: uid, Revision: victim.Revision - 1}}}); err != nil {
				t.Fatal(err)
			}
			victim.Revision--
			if err := s.Store.Commit(ctx, store.Change{Insert: []store.Object{victim}}); err != nil {
				t.Fatal(err)
			}
			_, err = s.Get(ctx, s.Client("default"), uid, custody.GetOptions{})
			wantKind(t, err, kmip.KindIntegrity)
			wantKind(t, s.Activate(ctx, s.Client("default"), uid), kmip.KindIntegrity)
			if _, err := s.Get(ctx, s.Client("default"), donor, custody.GetOptions{}); err != nil {
				t.Errorf("the untouched object: %v", err)
			}
		})
	}
}

func TestEveryCallLeavesAnAuditEntry(t *testing.T) {
	s, ctx := service.New(t), context.Background()
	uid := create(t, s, s.Client("default"))
	_, _ = s.Get(ctx, s.Client("default"), uid, custody.GetOptions{})
	_, _ = s.Get(ctx, s.Client("default"), "no-such-object", custody.GetOptions{})
	_ = s.Destroy(ctx, s.Client("default"), uid)
	list, err := s.Audit(ctx, s.Administrator(""), store.AuditQuery{Domain: "default", Actor: "client:test", Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	want := []audit.Entry{
		{Operation: "Destroy", UID: uid, Outcome: audit.Success},
		{Operation: "Get", UID: "no-such-object", Outcome: audit.Failure, Reason: kmip.KindObjectNotFound.String()},
		{Operation: "Get", UID: uid, Outcome: audit.Success},
		{Operation: "Create", UID: uid, Outcome: audit.Success},
	}
	if len(list) != len(want) {
		t.Fatalf("got %d entries, want %d: %+v", len(list), len(want), list)
	}
	for i, w := range want {
		g := list[i]
		if g.Operation != w.Operation || g.UID != w.UID || g.Outcome != w.Outcome || g.Reason != w.Reason {
			t.Errorf("entry %d: got %s %s %s %q, want %s %s %s %q", i, g.Operation, g.UID, g.Outcome, g.Reason, w.Operation, w.UID, w.Outcome, w.Reason)
		}
	}
}

func TestRegisteredObjectsComeBackAsTheyWere(t *testing.T) {
	s, ctx := service.New(t), context.Background()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		object kmip.Object
	}{
		{"symmetric key", kmip.Object{Type: kmip.ObjectTypeSymmetricKey, Key: &kmip.KeyBlock{Format: kmip.KeyFormatTypeRaw, Material: secret.Copy(bytes.Repeat([]byte{7}, 32)), Algorithm: kmip.CryptographicAlgorithmAES, LengthBits: 256}}},
		{"private key", kmip.Object{Type: kmip.ObjectTypePrivateKey, Key: &kmip.KeyBlock{Format: kmip.KeyFormatTypePKCS8, Material: secret.Copy(pkcs8), Algorithm: kmip.CryptographicAlgorithmECDSA, LengthBits: 256}}},
		{"secret data of odd length", kmip.Object{Type: kmip.ObjectTypeSecretData, SecretDataType: kmip.SecretDataTypePassword, Key: &kmip.KeyBlock{Format: kmip.KeyFormatTypeOpaque, Material: secret.Copy([]byte("hunter2"))}}},
		{"opaque object", kmip.Object{Type: kmip.ObjectTypeOpaqueObject, OpaqueDataType: 0x80000001, OpaqueDataValue: secret.Copy([]byte{1, 2, 3})}},
	} {
		t.Run(c.name, func(t *testing.T) {
			uid, err := s.Register(ctx, s.Client("default"), c.object.Type, nil, &c.object)
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.Get(ctx, s.Client("default"), uid, custody.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			want := c.object
			if want.Key != nil && (got.Key.Format != want.Key.Format || !got.Key.Material.Equal(want.Key.Material) || got.Key.Algorithm != want.Key.Algorithm) {
				t.Errorf("the key differs: %+v", got.Key)
			}
			if !got.OpaqueDataValue.Equal(want.OpaqueDataValue) || got.OpaqueDataType != want.OpaqueDataType || got.SecretDataType != want.SecretDataType {
				t.Errorf("the object differs: %+v", got)
			}
		})
	}
}

func TestAdministratorsNeverSeeOrUseKeys(t *testing.T) {
	s, ctx := service.New(t), context.Background()
	uid := create(t, s, s.Client("default"), kmip.DateTime(kmip.TagActivationDate, s.Clock.Now()))
	_, err := s.Get(ctx, s.Administrator("default"), uid, custody.GetOptions{})
	wantKind(t, err, kmip.KindPermissionDenied)
	_, err = s.Encrypt(ctx, s.Administrator("default"), uid, custody.CipherArgs{})
	wantKind(t, err, kmip.KindPermissionDenied)
	wantKind(t, s.CreateDomain(ctx, s.Client("default"), "x", ""), kmip.KindPermissionDenied)
}

func TestUsersAuthenticateByPassword(t *testing.T) {
	s, ctx := service.New(t), context.Background()
	if err := s.CreateUser(ctx, s.Administrator("default"), "alice", "", secret.Copy([]byte("s3cret"))); err != nil {
		t.Fatal(err)
	}
	client := s.Client("default").Principal
	p, err := s.AuthenticateUser(ctx, client, "alice", []byte("s3cret"))
	if err != nil || p.Actor() != "user:alice" {
		t.Fatalf("right password: %v, %v", p.Actor(), err)
	}
	for _, c := range []struct{ user, password string }{{"alice", "wrong"}, {"alice", ""}, {"bob", "s3cret"}} {
		_, err := s.AuthenticateUser(ctx, client, c.user, []byte(c.password))
		wantKind(t, err, kmip.KindNotAuthenticated)
	}
}

func TestRevokedClientsAreRefused(t *testing.T) {
	s, ctx := service.New(t), context.Background()
	made, err := s.CreateClient(ctx, s.Administrator("default"), "array", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.AuthenticateClient(ctx, made.Issued.Certificate); err != nil {
		t.Fatal(err)
	}
	if err := s.RevokeClient(ctx, s.Administrator("default"), "array"); err != nil {
		t.Fatal(err)
	}
	s.Clock.Advance(1100 * time.Millisecond)
	_, err = s.AuthenticateClient(ctx, made.Issued.Certificate)
	wantKind(t, err, kmip.KindNotAuthenticated)
	wantKind(t, s.RevokeClient(ctx, s.Administrator("default"), "nobody"), kmip.KindObjectNotFound)
}
