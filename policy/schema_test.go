package policy

import (
	"slices"
	"testing"

	"github.com/claviger/claviger/kmip"
)

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
