package testenv_test

import (
	"testing"

	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/audit"
	"github.com/claviger/claviger/store/postgres"
	"github.com/claviger/claviger/testenv"
)

// TestStoreOnAContainer works on a server that has its own clock, users and
// network, like one in production.
func TestStoreOnAContainer(t *testing.T) {
	t.Parallel()
	url := testenv.PostgresContainer(t)
	if err := postgres.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	s, err := postgres.Open(t.Context(), url, store.Options{Node: "n"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = s.Commit(t.Context(), store.Change{
		Insert: []store.Object{{Domain: "d", UID: "1", Revision: 1, Material: []byte("sealed")}},
		Take:   []store.Name{{Domain: "d", Value: "n", UID: "1"}},
		Audit:  []audit.Entry{{Domain: "d", Operation: "Create", Outcome: audit.Success}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if o, err := s.Object(t.Context(), "d", "1"); err != nil || string(o.Material) != "sealed" {
		t.Errorf("Object: %+v, %v", o, err)
	}
	if list, err := s.Find(t.Context(), "d", store.Query{Names: []string{"n"}, Limit: 1}); err != nil || len(list) != 1 {
		t.Errorf("Find: %+v, %v", list, err)
	}
	if list, err := s.Audit(t.Context(), store.AuditQuery{Limit: 1}); err != nil || len(list) != 1 || list[0].Counter != 1 {
		t.Errorf("Audit: %+v, %v", list, err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}
