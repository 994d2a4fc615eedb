package operation_test

import (
	"testing"

	"github.com/claviger/claviger/kmip"
)

// What a watcher hears of is not lost among the many uses of keys.
func TestWatchReadsAllThatHasHappened(t *testing.T) {
	s := newServer(t)
	uid := s.create(kmip.V21, items(aes())...)
	after, err := s.svc.Watched(t.Context(), s.svc.Client("default"))
	if err != nil {
		t.Fatal(err)
	}
	s.send(kmip.V21, 0, activateItem(uid))
	for range 1100 { // more than a page of the audit
		s.send(kmip.V21, 0, getItem(uid))
	}
	events, last, err := s.svc.Watch(t.Context(), s.svc.Client("default"), after)
	if err != nil || len(events) != 1 || events[0].UID != uid {
		t.Fatalf("events %v, %v", events, err)
	}
	if events, _, err = s.svc.Watch(t.Context(), s.svc.Client("default"), last); err != nil || len(events) != 0 {
		t.Errorf("afterwards: %v, %v", events, err)
	}
}
