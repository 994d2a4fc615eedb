package custody_test

import (
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
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
