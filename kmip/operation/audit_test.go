package operation_test

import (
	"context"
	"strings"
	"testing"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
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
