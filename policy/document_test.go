package policy_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/claviger/claviger/policy"
)

func TestCheckSaysWhatIsWrongAndWhere(t *testing.T) {
	groups := map[string][]string{"night": {"client:a"}}
	for _, tc := range []struct {
		name, text string
		want       string // begins the error; none when empty
	}{
		{"nothing", "", ""},
		{"comments only", "// nothing yet\n", ""},
		{"a ready role", `permit (principal in Role::"database", action == Action::"Destroy", resource);`, ""},
		{"a role of administrators", `forbid (principal in Role::"security-officer", action == Action::"policy.update", resource) unless { context.approvals >= 1 };`, ""},
		{"a role of the document", `permit (principal in Role::"reader", action == Action::"Get", resource);`, ""},
		{"a group of the document", `permit (principal in Group::"night", action == Action::"Get", resource);`, ""},
		{"everything that can be asked", `
			forbid (principal, action, resource) unless {
				resource.type == "SymmetricKey" && resource.state == "Active" && resource.algorithm == "AES" && resource.length >= 256 &&
				resource.usage.contains("Encrypt") && resource.creator == principal.actor && resource.names.contains("a") &&
				resource.groups.contains("b") && resource.domain == principal.domain && principal.role == "full" && principal.name like "array*" &&
				context.time > datetime("2026-01-01") && context.time.toTime() < duration("18h") && context.weekday != "Sunday" &&
				context.source.isInRange(ip("10.0.0.0/8")) && context.door == "kmip" && context.tls == "1.3" && context.approvals >= 2 &&
				resource in ObjectGroup::"x" && resource in Domain::"d"
			};`, ""},
		{"no Cedar", "permit (principal, action);", `d:1:27: this is not Cedar: there is ")" where "," belongs`},
		{"no Cedar in the third line", "permit (principal, action, resource);\n\npermit (principal,\n action, resource) where { true };", `d:4:26: this is not Cedar: there is "where" where ";" belongs`},
		{"a text without end", "permit (principal, action, resource)\nwhen { principal.name == \"abc };", "d:2:26: this is not Cedar"},
		{"an action that is none", `permit (principal, action == Action::"Steal", resource);`, "d:1:30: policy d#policy1: unrecognized action"},
		{"an attribute that is none", "permit (principal, action == Action::\"Get\", resource)\n  when { resource.colour == \"red\" };", "d:2:"},
		{"a type that is none", `permit (principal == Robot::"r", action, resource);`, "d:1:"},
		{"a role that is none", "@id(\"a\")\npermit (principal in Role::\"emperor\", action, resource);", `d:2:22: no role "emperor"`},
		{"a group that is none", `permit (principal, action, resource) when { principal in Group::"day" };`, `d:1:58: no group "day"`},
		{"a word that is none", "permit (principal, action == Action::\"Get\", resource) when {\n resource.state == \"Alive\" };", `d:2:20: "Alive" is no state`},
		{"a version of TLS that is none", `permit (principal, action == Action::"Get", resource) when { context.tls == "TLS 1.3" };`, `d:1:77: "TLS 1.3" is no tls; there are 1.2, 1.3`},
		{"a word that is none, in a set", `permit (principal, action == Action::"Get", resource) when { ["AES", "Rot13"].contains(resource.algorithm) };`, `d:1:70: "Rot13" is no algorithm`},
		{"a number where a text is", `permit (principal, action == Action::"Get", resource) when { resource.length == "256" };`, "d:1:"},
		{"an action of administrators for a client", `permit (principal is Client, action == Action::"key.destroy", resource);`, "d:1:"},
		{"two of one name", "@id(\"a\") permit (principal, action, resource);\n@id(\"a\") forbid (principal, action, resource);", "d:2:1: the policy of line 1 has the same @id"},
		{"nested without end", strings.Repeat("(", 200_000), "d:1:101: expressions are nested"},
		{"negated without end", "permit (principal, action, resource) when { " + strings.Repeat("!", 200_000), "d:1:145: expressions are nested"},
		{"too long", strings.Repeat(" ", policy.MaxDocumentBytes+1), "d:1:1: the document has 1048577 bytes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := policy.Check(policy.Document{Source: "d", Text: tc.text, Roles: []string{"reader"}, Groups: groups})
			switch {
			case tc.want == "" && err != nil:
				t.Error(err)
			case tc.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tc.want)):
				t.Errorf("got %v, want %s…", err, tc.want)
			}
			var e *policy.Error
			if err != nil && !errors.As(err, &e) {
				t.Errorf("%T is no *policy.Error", err)
			}
		})
	}
}

func TestReferencesAreToldWithTheirPlace(t *testing.T) {
	c, err := policy.Check(policy.Document{Source: "d", Text: "permit (principal == Client::\"array\", action, resource)\nwhen { resource == Object::\"u1\" };"})
	if err != nil {
		t.Fatal(err)
	}
	want := []policy.Reference{{Type: "Client", ID: "array", Line: 1, Column: 22}, {Type: "Object", ID: "u1", Line: 2, Column: 20}}
	got := c.References()
	if len(got) != len(want) || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func FuzzCheck(f *testing.F) {
	for _, role := range policy.Roles(policy.KindClient) {
		text, _ := policy.Ready(role)
		f.Add(text)
	}
	f.Add(`permit (principal, action, resource) when { if true then context.approvals == 1 else !(-1 == 2) };`)
	f.Fuzz(func(t *testing.T, text string) {
		d := policy.Document{Source: "fuzz", Text: text}
		c, err := policy.Check(d)
		if err != nil {
			return
		}
		again, err := policy.Compile(d)
		if err != nil {
			t.Fatalf("what was checked cannot be read again: %v", err)
		}
		r := policy.Request{Principal: policy.Principal{Kind: policy.KindClient, Domain: "fuzz", Name: "c", Role: "none"}, Action: "Get", Resource: policy.Resource{Domain: "fuzz", UID: "u"}}
		one, two := policy.NewSet(nil, map[string]*policy.Compiled{"fuzz": c}).Decide(r), policy.NewSet(nil, map[string]*policy.Compiled{"fuzz": again}).Decide(r)
		if one.Allow != two.Allow {
			t.Errorf("%+v and then %+v", one, two)
		}
	})
}
