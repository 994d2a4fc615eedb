package custody_test

import (
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/audit"
	"github.com/claviger/claviger/testenv/service"
)

// rotating makes an Active key that the server rotates every hour.
func rotating(t *testing.T, s *service.Service, sc *custody.Scope, extra ...kmip.Item) string {
	t.Helper()
	return anActive(t, s, sc, append(extra, kmip.Interval(kmip.TagRotateInterval, time.Hour), kmip.Boolean(kmip.TagRotateAutomatic, true), kmip.Interval(kmip.TagRotateOffset, 0))...)
}

// successor is the object that took the place of another; empty: none did.
func successor(t *testing.T, s *service.Service, uid string) string {
	t.Helper()
	for _, at := range attributesOf(t, s, uid) {
		if at.Tag == kmip.TagLink && kmip.LinkOf(at.Value).Type == kmip.LinkTypeReplacementObjectLink {
			return kmip.LinkOf(at.Value).Target
		}
	}
	return ""
}

// rotateAfter rotates what is due after a time.
func rotateAfter(t *testing.T, s *service.Service, d time.Duration) {
	t.Helper()
	s.Clock.Advance(d)
	if err := s.RotateDue(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestWhatHasEndedIsNotRotated(t *testing.T) {
	onBothStores(t, func(t *testing.T, s *service.Service) {
		ctx := t.Context()
		client := s.Client("default")
		kept, revoked, ended := rotating(t, s, client), rotating(t, s, client), rotating(t, s, client, kmip.DateTime(kmip.TagDeactivationDate, s.Clock.Now().Add(time.Minute)))
		early := create(t, s, client, kmip.Interval(kmip.TagRotateInterval, time.Hour), kmip.Boolean(kmip.TagRotateAutomatic, true))
		if err := s.Revoke(ctx, client, revoked, kmip.RevocationReason{Code: kmip.RevocationReasonCodeSuperseded}, time.Time{}); err != nil {
			t.Fatal(err)
		}
		rotateAfter(t, s, time.Hour)
		for _, uid := range []string{revoked, ended} {
			if fresh := successor(t, s, uid); fresh != "" {
				t.Errorf("a key that has ended came back as one that is %s", stateOf(t, s, fresh))
			}
		}
		for _, uid := range []string{kept, early} {
			if successor(t, s, uid) == "" {
				t.Error("a key that is Active or Pre-Active was not rotated")
			}
		}
	})
}

// A successor that the server makes is still its creator's.
func TestASuccessorBelongsToTheCreatorOfTheKey(t *testing.T) {
	onBothStores(t, func(t *testing.T, s *service.Service) {
		ctx := t.Context()
		newClient(t, s, "tape")
		if err := s.GrantClient(ctx, s.Administrator("default"), "tape", policy.RoleBackup); err != nil {
			t.Fatal(err)
		}
		tape := func() *custody.Scope { return as(s, "tape", policy.RoleBackup) }
		uid := rotating(t, s, tape())
		keyPolicies(t, s, custody.KeyPolicy{Role: policy.RoleBackup, UsageTotal: ptr(int64(4096)), UsageUnit: "byte", Enforce: true, InUse: period("7d")})
		rotateAfter(t, s, time.Hour)
		fresh := successor(t, s, uid)
		row, err := s.Store.Object(ctx, "default", fresh)
		if err != nil || row.Creator != "client:tape" {
			t.Fatalf("creator %q, %v", row.Creator, err)
		}
		if u, ok := attributesOf(t, s, fresh).Get(kmip.TagUsageLimits); !ok || kmip.UsageLimitsOf(u).Total != 4096 {
			t.Error("the successor lacks what the policy of the creator's role enforces")
		}
		list, err := s.Audit(ctx, s.Administrator(""), store.AuditQuery{Operation: "ReKey", Outcome: audit.Success, Limit: 1})
		if err != nil || len(list) != 1 || list[0].Actor != "system:rotation" {
			t.Errorf("the audit says %+v, %v", list, err)
		}
		if err := get(s, tape(), fresh); err != nil {
			t.Fatal(err)
		}
		reason := kmip.RevocationReason{Code: kmip.RevocationReasonCodeSuperseded}
		wantKind(t, s.RevokeKey(ctx, s.Administrator("default"), fresh, reason, false), kmip.KindWrongState) // it is in use
		if err := s.Revoke(ctx, tape(), fresh, reason, time.Time{}); err != nil {
			t.Errorf("the creator of the key cannot revoke its successor: %v", err)
		}
	})
}
