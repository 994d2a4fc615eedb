package policy_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/policy"
)

var update = flag.Bool("update", false, "write testdata anew")

// variants are objects that ready roles treat differently.
var variants = []struct {
	letter  string
	typ     kmip.ObjectType
	creator string
}{
	{"k", kmip.ObjectTypeSymmetricKey, "client:other"}, // a key of somebody else
	{"K", kmip.ObjectTypeSymmetricKey, "client:c"},     // a key of one's own
	{"s", kmip.ObjectTypePrivateKey, "client:other"},
	{"p", kmip.ObjectTypePublicKey, "client:other"},
}

// TestReadyRoles: every operation and administrative action for every role, as
// testdata/roles.txt says. "-" is denied for every object, "all" permitted for all;
// else the letters of the variants that it is permitted for.
func TestReadyRoles(t *testing.T) {
	set := policy.NewSet(nil, nil)
	var b bytes.Buffer
	line := func(kind, role string, actions []string) {
		for _, a := range actions {
			granted := ""
			for _, v := range variants {
				p := policy.Principal{Kind: kind, Name: "c", Role: role}
				if kind == policy.KindClient {
					p.Domain = "d"
				}
				r := policy.Request{Principal: p, Action: a, Resource: policy.Resource{Domain: "d", UID: "u", Type: uint32(v.typ), Creator: v.creator}}
				if set.Decide(r).Allow {
					granted += v.letter
				}
			}
			switch len(granted) {
			case 0:
				granted = "-"
			case len(variants):
				granted = "all"
			}
			fmt.Fprintf(&b, "%-7s %-17s %-26s %s\n", kind, role, a, granted)
		}
	}
	every := append(policy.Operations(), policy.Actions()...)
	for _, kind := range []string{policy.KindClient, policy.KindAdministrator} {
		for _, role := range append(policy.Roles(kind), "unheard-of") {
			line(kind, role, every)
		}
	}
	name := filepath.Join("testdata", "roles.txt")
	if *update {
		if err := os.WriteFile(name, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("roles grant something else than %s says (-want +got):\n%s", name, diff)
	}
}

// TestReadyRolesSuitTheSchema: they are checked as what operators write is.
func TestReadyRolesSuitTheSchema(t *testing.T) {
	for _, role := range policy.Roles(policy.KindClient) {
		text, ok := policy.Ready(role)
		if !ok {
			t.Errorf("role %s has no text", role)
		}
		if _, err := policy.Check(policy.Document{Source: role, Text: text}); err != nil {
			t.Error(err)
		}
	}
}

// TestNobodyReachesMaterialAsAdministrator: whatever a document says.
func TestNobodyReachesMaterialAsAdministrator(t *testing.T) {
	doc, err := policy.Check(policy.Document{Source: "installation", Text: `permit (principal, action, resource);`})
	if err != nil {
		t.Fatal(err)
	}
	set := policy.NewSet(doc, map[string]*policy.Compiled{"d": doc})
	for _, role := range policy.Roles(policy.KindAdministrator) {
		for _, op := range policy.Operations() {
			r := policy.Request{Principal: policy.Principal{Kind: policy.KindAdministrator, Name: "a", Role: role}, Action: op, Resource: policy.Resource{Domain: "d"}}
			if set.Decide(r).Allow {
				t.Errorf("%s may %s", role, op)
			}
		}
	}
	for _, p := range []policy.Principal{
		{Kind: policy.KindClient, Name: "c", Domain: "e", Role: "full"},
		{Kind: policy.KindUser, Name: "c", Domain: "", Role: "full"},
	} {
		if set.Decide(policy.Request{Principal: p, Action: "Get", Resource: policy.Resource{Domain: "d"}}).Allow {
			t.Errorf("%+v reaches another domain", p)
		}
	}
}
