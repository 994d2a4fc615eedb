package custody_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/store"
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

// TestRotationStaysWithinTheQuota: a key that is due makes one more object, too, and a
// client could have the server make as many as it likes.
func TestRotationStaysWithinTheQuota(t *testing.T) {
	var log bytes.Buffer
	s := service.With(t, service.Options{Log: slog.NewTextHandler(&log, nil)})
	ctx := t.Context()
	uid := rotating(t, s, s.Client("default"))
	if err := s.SetQuota(ctx, s.Administrator("default"), custody.Quota{Objects: 1}); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		rotateAfter(t, s, time.Hour)
		rotateAfter(t, s, 10*time.Second)
	}
	if fresh := successor(t, s, uid); fresh != "" || s.RotationHeld() != 1 {
		t.Errorf("successor %q, %d rotations are held up", fresh, s.RotationHeld())
	}
	if n := strings.Count(log.String(), "is not rotated"); n != 5 {
		t.Errorf("it was logged %d times in 5 hours", n)
	}
	if list, err := s.Audit(ctx, s.Administrator(""), store.AuditQuery{Operation: "ReKey", Limit: 1}); err != nil || len(list) != 0 {
		t.Errorf("the audit says %+v, %v", list, err)
	}
	if err := s.SetQuota(ctx, s.Administrator("default"), custody.Quota{Objects: 2}); err != nil {
		t.Fatal(err)
	}
	rotateAfter(t, s, 10*time.Second)
	if successor(t, s, uid) == "" || s.RotationHeld() != 0 {
		t.Error("there is room, and the key was not rotated")
	}
	_, err := s.Create(ctx, s.Client("default"), kmip.ObjectTypeSymmetricKey, aes256())
	wantKind(t, err, kmip.KindPermissionDenied)
}
