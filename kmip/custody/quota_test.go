package custody_test

import (
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/testenv/service"
)

func TestAQuotaBoundsTheObjectsOfADomain(t *testing.T) {
	onBothStores(t, func(t *testing.T, s *service.Service) {
		other := s.Another(t)
		ctx := t.Context()
		first := create(t, s, s.Client("default"))
		if err := s.SetQuota(ctx, s.Administrator("default"), custody.Quota{Objects: 2}); err != nil {
			t.Fatal(err)
		}
		add := func(n *service.Service) error {
			_, err := n.Create(ctx, n.Client("default"), kmip.ObjectTypeSymmetricKey, aes256())
			return err
		}
		if err := add(s); err != nil {
			t.Fatal(err)
		}
		wantKind(t, add(s), kmip.KindPermissionDenied)
		wantKind(t, add(other), kmip.KindPermissionDenied)
		_, _, err := s.CreateKeyPair(ctx, s.Client("default"), attrs(
			kmip.Enumeration(kmip.TagCryptographicAlgorithm, kmip.CryptographicAlgorithmRSA), kmip.Integer(kmip.TagCryptographicLength, 2048)), nil, nil)
		wantKind(t, err, kmip.KindPermissionDenied)

		if err := s.Destroy(ctx, s.Client("default"), first); err != nil {
			t.Fatal(err)
		}
		s.Clock.Advance(2 * time.Second)
		if err := add(other); err != nil {
			t.Errorf("there is room again: %v", err)
		}
		wantKind(t, add(other), kmip.KindPermissionDenied)
		u, err := s.DomainUsage(ctx, s.Administrator("default"))
		if err != nil || u.Quota.Objects != 2 || u.Objects[kmip.StatePreActive] != 2 || u.Objects[kmip.StateDestroyed] != 1 {
			t.Errorf("usage: %+v, %v", u, err)
		}

		if err := s.CreateDomain(ctx, s.Administrator(""), "free", ""); err != nil {
			t.Fatal(err)
		}
		create(t, s, s.Client("free"))
		if err := s.SetQuota(ctx, s.Administrator("default"), custody.Quota{}); err != nil {
			t.Fatal(err)
		}
		if err := add(s); err != nil {
			t.Errorf("the quota was taken away: %v", err)
		}
		wantKind(t, s.SetQuota(ctx, s.Administrator("default"), custody.Quota{Objects: -1}), kmip.KindInvalidField)
		wantKind(t, s.SetQuota(ctx, s.Administrator("nowhere"), custody.Quota{}), kmip.KindObjectNotFound)
	})
}

// TestAQuotaDoesNotKeepAKeyFromBeingRotated: the key that is due is not one that
// a client adds.
func TestAQuotaDoesNotKeepAKeyFromBeingRotated(t *testing.T) {
	s := service.New(t)
	create(t, s, s.Client("default"), kmip.Interval(kmip.TagRotateInterval, time.Hour), kmip.Boolean(kmip.TagRotateAutomatic, true),
		kmip.DateTime(kmip.TagActivationDate, s.Clock.Now()))
	if err := s.SetQuota(t.Context(), s.Administrator("default"), custody.Quota{Objects: 1}); err != nil {
		t.Fatal(err)
	}
	s.Clock.Advance(2 * time.Hour)
	if err := s.RotateDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	u, err := s.DomainUsage(t.Context(), s.Administrator("default"))
	if err != nil {
		t.Fatal(err)
	}
	var n int64
	for _, of := range u.Objects {
		n += of
	}
	if n != 2 {
		t.Errorf("there are %d objects, want the key and its successor", n)
	}
	_, err = s.Create(t.Context(), s.Client("default"), kmip.ObjectTypeSymmetricKey, aes256())
	wantKind(t, err, kmip.KindPermissionDenied)
}
