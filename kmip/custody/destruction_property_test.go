package custody_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/testenv/service"
)

// Whatever clients and administrators do, and however time passes: while a destruction
// is pending no operation reaches the material, its date comes no earlier, and before
// the date the material is not lost; purge protection is never shortened.
func TestNoSequenceReachesMaterialThatIsBeingDestroyed(t *testing.T) {
	s, ctx := service.New(t), context.Background()
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		domain := fmt.Sprintf("p%d", run)
		if err := s.CreateDomain(ctx, s.Administrator(""), domain, ""); err != nil {
			rt.Fatal(err)
		}
		client := func() *custody.Scope { return s.Client(domain) }
		admin := func() *custody.Scope { return s.Administrator(domain) }
		make1 := func(extra ...kmip.Item) string {
			uid, err := s.Create(ctx, client(), kmip.ObjectTypeSymmetricKey, aes256(append(extra, kmip.Text(kmip.TagObjectGroup, "g"),
				kmip.DateTime(kmip.TagActivationDate, s.Clock.Now()), kmip.DateTime(kmip.TagDeactivationDate, s.Clock.Now().Add(time.Second)))...))
			if err != nil {
				rt.Fatal(err)
			}
			return uid
		}
		uid := make1(name("n"))
		first, err := s.Get(ctx, client(), uid, custody.GetOptions{})
		if err != nil {
			rt.Fatal(err)
		}
		s.Clock.Advance(time.Minute)
		value := bytes.Clone(first.Key.Material.Reveal())
		first.Destroy()
		wrapper, err := s.Create(ctx, client(), kmip.ObjectTypeSymmetricKey, attrs(
			kmip.Enumeration(kmip.TagCryptographicAlgorithm, kmip.CryptographicAlgorithmAES), kmip.Integer(kmip.TagCryptographicLength, 256),
			kmip.Mask(kmip.TagCryptographicUsageMask, kmip.CryptographicUsageMaskWrapKey), kmip.DateTime(kmip.TagActivationDate, s.Clock.Now())))
		if err != nil {
			rt.Fatal(err)
		}
		wrapped := kmip.Structure(kmip.TagKeyWrappingSpecification, kmip.Enumeration(kmip.TagWrappingMethod, kmip.WrappingMethodEncrypt),
			kmip.Structure(kmip.TagEncryptionKeyInformation, kmip.Text(kmip.TagUniqueIdentifier, wrapper),
				kmip.Structure(kmip.TagCryptographicParameters, kmip.Enumeration(kmip.TagBlockCipherMode, kmip.BlockCipherModeNISTKeyWrap))))
		gcm := &kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeGCM}

		var due time.Time // of the destruction that is pending; zero: none is
		guarded := 0      // days that purge protection gives the group
		gone := false     // the material was removed

		anyRule := func() custody.DestructionRule {
			return custody.DestructionRule{
				Days:      rapid.SampledFrom([]int{0, 1, 3, 7}).Draw(rt, "days"),
				Protected: rapid.IntRange(0, 3).Draw(rt, "protected") == 0, AllowNow: rapid.Bool().Draw(rt, "now"),
			}
		}
		look := func() {
			r, err := s.Store.Record(ctx, domain, "destruction", uid)
			switch {
			case err == nil && due.IsZero():
				due = r.Expires
				if due.Before(s.Clock.Now().Add(time.Duration(guarded) * day)) {
					rt.Fatalf("pending until %s, though purge protection gives %d days", due, guarded)
				}
			case err == nil && due.After(r.Expires):
				rt.Fatalf("the date came earlier: %s, was %s", r.Expires, due)
			case err != nil && !errors.Is(err, store.ErrNotFound):
				rt.Fatal(err)
			}
		}
		acts := map[string]func(){
			"destroy":          func() { _ = s.Destroy(ctx, client(), uid) },
			"destroy by admin": func() { _ = s.DestroyKey(ctx, admin(), uid, false, false) },
			"obliterate":       func() { _ = s.Obliterate(ctx, client(), uid) },
			"destroy now": func() {
				err := s.DestroyKey(ctx, admin(), uid, true, false)
				if err == nil && guarded > 0 {
					rt.Fatalf("purge protection of %d days, and destroyed without waiting", guarded)
				}
				if err == nil {
					gone, due = true, time.Time{}
				}
			},
			"restore": func() {
				if err := s.RestoreKey(ctx, admin(), uid, rapid.Bool().Draw(rt, "nameless")); err == nil {
					if due.IsZero() {
						rt.Fatal("what was not pending was restored")
					}
					due = time.Time{}
				}
			},
			"set the rule": func() { _ = s.SetDestruction(ctx, admin(), "", anyRule()) },
			"set the group's rule": func() {
				r := anyRule()
				if err := s.SetDestruction(ctx, admin(), "g", r); err == nil && r.Protected {
					if r.Days < guarded {
						rt.Fatalf("purge protection went from %d days to %d", guarded, r.Days)
					}
					guarded = r.Days
				} else if err == nil && guarded > 0 {
					rt.Fatal("purge protection was switched off")
				}
			},
			"remove the group's rule": func() {
				if err := s.RemoveDestruction(ctx, admin(), "g"); err == nil && guarded > 0 {
					rt.Fatal("purge protection was removed")
				}
			},
			"leave the group": func() {
				_, _ = s.DeleteAttribute(ctx, client(), uid, kmip.AttributeID{Tag: kmip.TagObjectGroup}, custody.Change{})
			},
			"compromise": func() {
				_ = s.Revoke(ctx, client(), uid, kmip.RevocationReason{Code: kmip.RevocationReasonCodeKeyCompromise}, time.Time{})
			},
			"archive": func() { _ = s.Archive(ctx, client(), uid) },
			"recover": func() { _ = s.Recover(ctx, client(), uid) },
			"import over it": func() {
				o := &kmip.Object{Type: kmip.ObjectTypeSymmetricKey, Key: &kmip.KeyBlock{Format: kmip.KeyFormatTypeRaw, Algorithm: kmip.CryptographicAlgorithmAES, LengthBits: 256}}
				o.Key.Material = secret.New(bytes.Repeat([]byte{7}, 32))
				err := s.Import(ctx, client(), custody.ImportArgs{UID: uid, Type: o.Type, Value: o, Replace: true, Attrs: attrs(kmip.Text(kmip.TagObjectGroup, "g"))})
				if err == nil && !due.IsZero() {
					rt.Fatal("an import took the place of what is pending")
				}
				if err == nil {
					value, gone, due = bytes.Repeat([]byte{7}, 32), false, time.Time{}
				}
			},
			"take its name": func() {
				_, _ = s.Create(ctx, client(), kmip.ObjectTypeSymmetricKey, aes256(name("n")))
			},
			"wait": func() {
				s.Clock.Advance(time.Duration(rapid.IntRange(1, 80).Draw(rt, "hours")) * time.Hour)
			},
			"run the duty": func() {
				if err := s.CompleteDestructions(ctx); err != nil {
					rt.Fatal(err)
				}
				if !due.IsZero() && !s.Clock.Now().Before(due) {
					gone, due = true, time.Time{}
				}
			},
		}
		reach := map[string]func() ([]byte, error){
			"Get": func() ([]byte, error) {
				o, err := s.Get(ctx, client(), uid, custody.GetOptions{})
				return keyBytes(o), err
			},
			"Export": func() ([]byte, error) {
				o, _, err := s.Export(ctx, client(), uid, custody.GetOptions{})
				if b := keyBytes(o); b != nil || err != nil {
					return b, err
				}
				return nil, errors.New("no value")
			},
			"Get wrapped": func() ([]byte, error) {
				o, err := s.Get(ctx, client(), uid, custody.GetOptions{Wrapping: &wrapped})
				return keyBytes(o), err
			},
			"Decrypt": func() ([]byte, error) {
				_, err := s.Decrypt(ctx, client(), uid, custody.CipherArgs{Parameters: gcm, Data: []byte("0123456789abcdef"), IV: make([]byte, 12), Tag: make([]byte, 16)})
				if kmip.KindOf(err) == kmip.KindCryptographicFailure {
					err = nil // the key was used
				}
				return nil, err
			},
			"ReKey": func() ([]byte, error) { _, err := s.ReKey(ctx, client(), uid, nil, nil); return nil, err },
		}
		names := slices.Sorted(maps.Keys(acts))
		for range rapid.IntRange(3, 25).Draw(rt, "steps") {
			act := rapid.SampledFrom(names).Draw(rt, "act")
			acts[act]()
			look()
			if due.IsZero() && !gone {
				continue
			}
			for op, call := range reach {
				if got, err := call(); err == nil || got != nil {
					rt.Fatalf("after %s, while the destruction is pending (or complete: %v), %s reaches the object: %v", act, gone, op, err)
				}
			}
			if !due.IsZero() {
				if _, err := s.Store.Record(ctx, domain, "destruction", uid); err != nil {
					rt.Fatalf("after %s, before its date, the material is lost: %v", act, err)
				}
			}
		}
		if !due.IsZero() && s.Clock.Now().Before(due) { // and it is still the same
			if err := s.RestoreKey(ctx, admin(), uid, true); err != nil {
				rt.Fatal(err)
			}
			_ = s.Recover(ctx, client(), uid)
			o, err := s.Get(ctx, client(), uid, custody.GetOptions{})
			if err != nil || !bytes.Equal(keyBytes(o), value) {
				rt.Fatalf("what came back is not what was destroyed: %v", err)
			}
		}
	})
}

// keyBytes are those of the key of an object; nil without one.
func keyBytes(o *kmip.Object) []byte {
	if o == nil || o.Key == nil || o.Key.Material == nil {
		return nil
	}
	return bytes.Clone(o.Key.Material.Reveal())
}
