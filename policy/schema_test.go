package policy

import (
	"slices"
	"testing"
	"testing/fstest"

	"github.com/claviger/claviger/kmip"
)

// What is part of the program can be read; if it could not, everything would be
// refused, and not permitted.
func TestWhatIsBuiltInCanBeRead(t *testing.T) {
	if errSchema != nil || errReady != nil || len(ready.entries) < len(ready.Roles) {
		t.Errorf("schema: %v; ready roles: %v", errSchema, errReady)
	}
	if _, err := newValidator("entity"); err == nil {
		t.Error("a schema that is none was read")
	}
	c, err := readReady(fstest.MapFS{"ready/full.cedar": {Data: []byte("permit (principal")}})
	if err == nil {
		t.Fatal("a role that is no Cedar was read")
	}
	s := &Set{common: newIndex(c), plain: newPlainTable()}
	r := Request{Principal: Principal{Kind: KindClient, Domain: "d", Name: "a", Role: RoleFull}, Action: "Get", Resource: Resource{Domain: "d"}}
	if d := s.Decide(r); d.Allow {
		t.Errorf("without ready roles: %+v", d)
	}
}

func TestEveryOperationIsInOneGroup(t *testing.T) {
	seen := map[string]string{}
	for g, list := range groups {
		for _, op := range list {
			if other, ok := seen[op.String()]; ok {
				t.Errorf("%s is in %s and in %s", op, other, g)
			}
			seen[op.String()] = g
		}
	}
	for _, v := range kmip.EnumValues(kmip.TagOperation) {
		if name := kmip.Operation(v).String(); seen[name] == "" {
			t.Errorf("%s is in no group", name)
		}
	}
	if all := expand(groupKMIP); len(all) != len(seen) || slices.Contains(all, ActionStatus) {
		t.Errorf("group kmip is %v", all)
	}
}
