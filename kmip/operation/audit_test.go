package operation_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/operation"
	"github.com/claviger/claviger/kmip/payload"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/audit"
)

// recorded counts the audit entries of the domain.
func (s *server) recorded() []audit.Entry {
	s.t.Helper()
	list, err := s.svc.Store.Audit(context.Background(), store.AuditQuery{Domain: "default", Limit: 1000})
	if err != nil {
		s.t.Fatal(err)
	}
	return list
}

// Each batch item leaves one entry, whatever its identifier looks like.
func TestEveryItemIsRecordedOnce(t *testing.T) {
	s := newServer(t)
	uid := one[payload.CreateResponse](s, kmip.V14, kmip.OperationCreate, &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: aes()}).UniqueIdentifier
	for what, item := range map[string]payload.RequestItem{
		"success":                     getItem(uid),
		"nothing":                     getItem("nothing"),
		"identifier with U+0000":      getItem("a\x00b"),
		"long identifier":             getItem(strings.Repeat("ü", 5000)),
		"very long identifier":        activateItem(strings.Repeat("x", 500_000)),
		"no identifier":               getItem(""),
		"name with U+0000":            createItem("a\x00b"),
		"unsupported operation":       {Operation: kmip.OperationPoll},
		"payload that does not parse": {Operation: kmip.OperationGet, Payload: &payload.ActivateRequest{UniqueIdentifier: kmip.Reference{Enum: 1}}},
	} {
		before := len(s.recorded())
		s.send(kmip.V14, 0, item)
		if n := len(s.recorded()) - before; n != 1 {
			t.Errorf("%s: %d entries, want 1", what, n)
		}
	}
}

// race lets somebody else change the store just before changes are committed.
type race struct {
	store.Store
	before func()
	mu     sync.Mutex // guards before
}

func (r *race) Commit(ctx context.Context, c store.Change) error {
	var f func()
	if len(c.Insert) > 0 {
		r.mu.Lock()
		f, r.before = r.before, nil
		r.mu.Unlock()
	}
	if f != nil {
		f()
	}
	return r.Store.Commit(ctx, c)
}

// raced is a server on the same store that somebody is faster than.
func (s *server) raced(before func()) *server {
	svc := *s.svc
	svc.Service = custody.New(custody.Config{
		Store: &race{Store: s.svc.Store, before: before}, Sealer: s.svc.Ring, Log: slog.New(slog.DiscardHandler), Now: s.svc.Clock.Now,
	})
	return &server{t: s.t, svc: &svc, ops: operation.New(operation.Server{Custody: svc.Service, Now: s.svc.Clock.Now, Form: formOf})}
}

// A batch that can be undone leaves an entry for each item also when none of
// its items fails, but its end: another client has taken a name meanwhile.
func TestUndoableBatchThatFailsAtItsEndIsRecorded(t *testing.T) {
	s := newServer(t)
	mine := s.raced(func() {
		one[payload.CreateResponse](s, kmip.V14, kmip.OperationCreate, &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: aes(name("b"))})
	})
	got := mine.send(kmip.V14, kmip.BatchErrorContinuationOptionUndo, createItem("a"), activateItem(""), createItem("b"))
	if st := statuses(got); !equal(st, []kmip.ResultStatus{undone, undone, failed}) || got.Items[2].Reason != kmip.ResultReasonInvalidField {
		t.Fatalf("statuses %v: %+v", st, got.Items)
	}
	var outcomes []string
	for _, e := range s.recorded() {
		outcomes = append(outcomes, e.Operation+" "+e.Outcome)
	}
	want := []string{"Create failure", "Activate undone", "Create undone", "Create success"}
	if strings.Join(outcomes, ", ") != strings.Join(want, ", ") {
		t.Errorf("entries %v, want %v", outcomes, want)
	}
	if found := one[payload.LocateResponse](s, kmip.V14, kmip.OperationLocate, &payload.LocateRequest{}); len(found.UniqueIdentifier) != 1 {
		t.Errorf("%d objects, want that of the other client", len(found.UniqueIdentifier))
	}
}

// A batch that is run again, because others have changed what it changes, does
// the same again: the key that is registered is the client's.
func TestUndoableBatchThatIsRunAgainRegistersTheSameKey(t *testing.T) {
	s := newServer(t)
	uid := one[payload.CreateResponse](s, kmip.V14, kmip.OperationCreate, &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: aes()}).UniqueIdentifier
	group := func(g string) payload.RequestItem {
		return payload.RequestItem{Operation: kmip.OperationAddAttribute, Payload: &payload.AddAttributeRequest{UniqueIdentifier: ref(uid), NewAttribute: attribute(kmip.Text(kmip.TagObjectGroup, g))}}
	}
	mine := s.raced(func() { s.send(kmip.V14, 0, group("theirs")) })
	material := []byte("0123456789abcdef")
	key := &kmip.Object{Type: kmip.ObjectTypeSymmetricKey, Key: &kmip.KeyBlock{
		Format: kmip.KeyFormatTypeRaw, Material: secret.Copy(material), Algorithm: kmip.CryptographicAlgorithmAES, LengthBits: 128,
	}}
	n := len(s.recorded())
	r := mine.send(kmip.V14, kmip.BatchErrorContinuationOptionUndo, payload.RequestItem{Operation: kmip.OperationRegister, Payload: &payload.RegisterRequest{ObjectType: key.Type, Object: key}}, group("mine"))
	if st := statuses(r); !equal(st, []kmip.ResultStatus{ok, ok}) {
		t.Fatalf("statuses %v: %+v", st, r.Items)
	}
	if n = len(s.recorded()) - n; n != 3 {
		t.Errorf("%d entries, want those of two items and of the other client", n)
	}
	fresh := r.Items[0].Payload.(*payload.RegisterResponse).UniqueIdentifier
	if got := one[payload.GetResponse](s, kmip.V14, kmip.OperationGet, &payload.GetRequest{UniqueIdentifier: ref(fresh)}); string(got.Object.Key.Material.Reveal()) != string(material) {
		t.Errorf("the key is %x", got.Object.Key.Material.Reveal())
	}
}
