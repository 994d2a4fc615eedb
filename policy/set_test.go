package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	"pgregory.net/rapid"

	"github.com/claviger/claviger/kmip"
)

// pick draws one of a list.
func pick[T any](t *rapid.T, label string, list ...T) T {
	return rapid.SampledFrom(list).Draw(t, label)
}

// drawPolicy draws a policy whose scope is any that Cedar allows.
func drawPolicy(t *rapid.T) string {
	effect := pick(t, "effect", "permit", "permit", "forbid")
	principal := pick(t, "principal", "principal", "principal is Client", `principal == Client::"a"`, `principal == User::"a"`,
		`principal in Role::"full"`, `principal in Role::"reader"`, `principal in Group::"g"`, `principal in Domain::"d"`,
		`principal is Client in Group::"g"`, `principal in Client::"a"`)
	action := pick(t, "action", "action", `action == Action::"Get"`, `action in Action::"Get"`, `action in Action::"inspect"`,
		`action in Action::"kmip"`, `action in [Action::"Destroy", Action::"retrieve"]`, `action == Action::"retrieve"`, `action in [Action::"key.destroy", Action::"Locate"]`)
	resource := pick(t, "resource", "resource", `resource == Object::"u"`, `resource in ObjectGroup::"og"`, `resource in Domain::"d"`)
	condition := pick(t, "condition", "", "", `when { resource.creator == principal.actor }`, `unless { context.approvals >= 2 }`,
		`when { resource.type == "SymmetricKey" }`, `when { principal in Group::"g" }`, `when { context.source.isInRange(ip("10.0.0.0/8")) }`,
		`when { resource.length + 9223372036854775807 > 0 }`) // which no CPU can add
	return fmt.Sprintf("%s (%s, %s, %s) %s;", effect, principal, action, resource, condition)
}

func drawRequest(t *rapid.T) Request {
	return Request{
		Principal: Principal{Kind: pick(t, "kind", KindClient, KindUser), Domain: "d", Name: pick(t, "name", "a", "b"), Role: pick(t, "role", "full", "none", "reader", "database", "x")},
		Action:    pick(t, "asked", "Get", "GetAttributes", "Locate", "Destroy", "Export", "Create", "key.destroy", "Steal"),
		Resource: Resource{
			Domain: pick(t, "of", "d", "d", "d", "e"), UID: pick(t, "uid", "u", "v", ""), Type: uint32(pick(t, "type", kmip.ObjectTypeSymmetricKey, kmip.ObjectTypePrivateKey)),
			LengthBits: pick(t, "bits", int32(0), int32(256)), Creator: pick(t, "creator", "client:a", "client:b"), Groups: pick(t, "groups", nil, []string{"og"}),
		},
		Context: Context{Time: time.Unix(1e9, 0), Source: pick(t, "source", netip.Addr{}, netip.MustParseAddr("10.1.2.3")), Door: "kmip", Approvals: pick(t, "approvals", 0, 1, 2)},
	}
}

// TestSlicesAreExact: what is found for a request decides as the whole set does.
func TestSlicesAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var docs [2]*Compiled
		for i, source := range []string{"d", "installation"} {
			var text strings.Builder
			for range rapid.IntRange(0, 12).Draw(t, "policies") {
				text.WriteString(drawPolicy(t) + "\n")
			}
			var err error
			docs[i], err = Compile(Document{Source: source, Text: text.String(), Roles: []string{"reader"}, Groups: map[string][]string{"g": {"client:a", "user:b"}}})
			if err != nil {
				t.Fatal(err)
			}
		}
		set := NewSet(docs[1], map[string]*Compiled{"d": docs[0]})
		whole := cedar.NewPolicySet()
		for _, c := range []*Compiled{ready, docs[0], docs[1]} {
			for _, e := range c.entries {
				whole.Add(e.id, e.policy)
			}
		}
		for range 10 {
			r := drawRequest(t)
			got := set.Decide(r)
			if d, final := set.before(&r); final {
				if got.Allow != d.Allow {
					t.Fatalf("%+v: %+v, want %+v", r, got, d)
				}
				continue
			}
			q := set.question(&r)
			decision, diag := cedar.Authorize(whole, q, types.Request{
				Principal: q.principal, Action: types.EntityUID{Type: "Action", ID: types.String(r.Action)}, Resource: q.resource, Context: q.context(r.Context.Approvals),
			})
			want := decision == types.Allow
			for _, e := range diag.Errors {
				if p := whole.Get(e.PolicyID); p.Effect() == types.Forbid {
					want = false
				}
			}
			if got.Allow != want {
				t.Fatalf("%+v: %+v, the whole set says %t (%+v)", r, got, want, diag)
			}
		}
	})
}

func TestApprovalsThatWouldDo(t *testing.T) {
	doc, err := Check(Document{Source: "d", Text: `
		forbid (principal, action == Action::"Destroy", resource) unless { context.approvals >= 2 };
		forbid (principal, action == Action::"Get", resource) when { resource.type == "PrivateKey" && context.approvals < 1 };
		forbid (principal, action == Action::"Export", resource);`})
	if err != nil {
		t.Fatal(err)
	}
	set := NewSet(nil, map[string]*Compiled{"d": doc})
	for _, tc := range []struct {
		name   string
		action string
		typ    kmip.ObjectType
		has    int
		allow  bool
		needs  int
	}{
		{"none are there", "Destroy", kmip.ObjectTypeSymmetricKey, 0, false, 2},
		{"one is there", "Destroy", kmip.ObjectTypeSymmetricKey, 1, false, 2},
		{"all are there", "Destroy", kmip.ObjectTypeSymmetricKey, 2, true, 0},
		{"only for some objects", "Get", kmip.ObjectTypePrivateKey, 0, false, 1},
		{"not for others", "Get", kmip.ObjectTypeSymmetricKey, 0, true, 0},
		{"none would do", "Export", kmip.ObjectTypeSymmetricKey, 0, false, 0},
	} {
		r := Request{
			Principal: Principal{Kind: KindClient, Domain: "d", Name: "a", Role: RoleFull}, Action: tc.action,
			Resource: Resource{Domain: "d", UID: "u", Type: uint32(tc.typ)}, Context: Context{Approvals: tc.has},
		}
		if d := set.Decide(r); d.Allow != tc.allow || d.Approvals != tc.needs || d.Reason == "" {
			t.Errorf("%s: %+v", tc.name, d)
		}
	}
}

// What is ruled about Revoke and Destroy holds for the other operations of KMIP 3.0 that
// come to the same.
func TestDeactivateAndObliterateAreRuledAsRevokeAndDestroy(t *testing.T) {
	doc, err := Check(Document{Source: "d", Roles: []string{"half"}, Text: `
		@id("two") forbid (principal, action == Action::"Revoke", resource) when { resource.state == "Active" && context.approvals < 2 };
		@id("three") forbid (principal, action == Action::"Deactivate", resource) when { resource.type == "PrivateKey" && context.approvals < 3 };
		@id("vault") forbid (principal, action == Action::"Destroy", resource in ObjectGroup::"vault");
		permit (principal in Role::"half", action in [Action::"Deactivate", Action::"Obliterate"], resource);`})
	if err != nil {
		t.Fatal(err)
	}
	set := NewSet(nil, map[string]*Compiled{"d": doc})
	key := Resource{Domain: "d", UID: "u", Type: uint32(kmip.ObjectTypeSymmetricKey), State: uint32(kmip.StateActive)}
	of := func(change func(*Resource)) Resource {
		r := key
		change(&r)
		return r
	}
	for _, tc := range []struct {
		name, role, action string
		on                 Resource
		has                int
		allow              bool
		needs              int
		reason             string
	}{
		{"Deactivate as Revoke", RoleFull, "Deactivate", key, 0, false, 2, "d#two"},
		{"with its approvals", RoleFull, "Deactivate", key, 2, true, 0, "full"},
		{"the higher number counts", RoleFull, "Deactivate", of(func(r *Resource) { r.Type = uint32(kmip.ObjectTypePrivateKey) }), 0, false, 3, "d#three"},
		{"where nothing is ruled", RoleFull, "Deactivate", of(func(r *Resource) { r.State = uint32(kmip.StatePreActive) }), 0, true, 0, "full"},
		{"Obliterate as Destroy", RoleFull, "Obliterate", of(func(r *Resource) { r.Groups = []string{"vault"} }), 0, false, 0, "d#vault"},
		{"where it is not", RoleFull, "Obliterate", key, 0, true, 0, "full"},
		{"one permit is not both", "half", "Obliterate", key, 0, false, 0, "no policy permits"},
		{"one permit is not both", "half", "Deactivate", key, 2, false, 0, "no policy permits"},
	} {
		r := Request{Principal: Principal{Kind: KindClient, Domain: "d", Name: "a", Role: tc.role}, Action: tc.action, Resource: tc.on, Context: Context{Approvals: tc.has}}
		d, steps := set.Explain(r)
		if d.Allow != tc.allow || d.Approvals != tc.needs || !strings.Contains(d.Reason, tc.reason) {
			t.Errorf("%s: %+v", tc.name, d)
		}
		if strings.HasPrefix(tc.reason, "d#") && !slices.ContainsFunc(steps, func(s Step) bool { return s.Applies && s.Policy == tc.reason }) {
			t.Errorf("%s: the explanation lacks %s: %+v", tc.name, tc.reason, steps)
		}
	}
}

func TestABrokenDocumentDeniesInItsDomain(t *testing.T) {
	set := NewSet(nil, nil).Broken("d", "its policy does not authenticate")
	for domain, want := range map[string]bool{"d": false, "e": true} {
		r := Request{Principal: Principal{Kind: KindClient, Domain: domain, Name: "a", Role: RoleFull}, Action: "Get", Resource: Resource{Domain: domain}}
		if d := set.Decide(r); d.Allow != want {
			t.Errorf("domain %s: %+v", domain, d)
		}
	}
}

func TestExplainNamesThePolicies(t *testing.T) {
	doc, err := Check(Document{Source: "d", Text: "@id(\"night\")\nforbid (principal, action, resource) when { context.time.toTime() < duration(\"6h\") };"})
	if err != nil {
		t.Fatal(err)
	}
	set := NewSet(nil, map[string]*Compiled{"d": doc})
	r := Request{
		Principal: Principal{Kind: KindClient, Domain: "d", Name: "a", Role: RoleFull}, Action: "Get",
		Resource: Resource{Domain: "d", UID: "u"}, Context: Context{Time: time.Date(2026, 1, 1, 3, 0, 0, 0, time.UTC)},
	}
	d, steps := set.Explain(r)
	if d.Allow || d.Reason != "policy d#night (line 1) forbids it" || len(steps) != 2 {
		t.Errorf("at night: %+v, %+v", d, steps)
	}
	r.Context.Time = r.Context.Time.Add(6 * time.Hour)
	if d, _ := set.Explain(r); !d.Allow || !strings.HasPrefix(d.Reason, "policy ready#full (line ") {
		t.Errorf("by day: %+v", d)
	}
}

// BenchmarkDecide: 1,000 policies of a domain with 10,000 clients.
func BenchmarkDecide(b *testing.B) {
	var text strings.Builder
	groups := map[string][]string{}
	for i := range 1000 {
		group := fmt.Sprintf("g%d", i/4)
		fmt.Fprintf(&text, "@id(\"p%d\")\n%s (principal in Group::%q, action in Action::%q, resource) when { resource.creator == principal.actor && context.source.isInRange(ip(\"10.0.0.0/8\")) };\n",
			i, []string{"permit", "forbid"}[i%2], group, []string{"retrieve", "inspect", "protect", "lifecycle"}[i%4])
		groups[group] = nil
	}
	for i := range 10_000 {
		group := fmt.Sprintf("g%d", i%250)
		groups[group] = append(groups[group], fmt.Sprintf("client:c%d", i))
	}
	doc, err := Compile(Document{Source: "d", Text: text.String(), Groups: groups})
	if err != nil {
		b.Fatal(err)
	}
	set := NewSet(nil, map[string]*Compiled{"d": doc})
	whole := cedar.NewPolicySet()
	for _, c := range []*Compiled{ready, doc} {
		for _, e := range c.entries {
			whole.Add(e.id, e.policy)
		}
	}
	request := func(i int) Request {
		return Request{
			Principal: Principal{Kind: KindClient, Domain: "d", Name: fmt.Sprintf("c%d", i%10_000), Role: RoleDatabase}, Action: "Get",
			Resource: Resource{Domain: "d", UID: "u", Type: uint32(kmip.ObjectTypeSymmetricKey), Creator: "client:x", Names: []string{"n"}},
			Context:  Context{Time: time.Unix(1e9, 0), Source: netip.MustParseAddr("10.1.2.3"), Door: "kmip"},
		}
	}
	requests := make([]Request, 10_000)
	for i := range requests {
		requests[i] = request(i)
	}
	b.Run("slices", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			set.Decide(requests[i%len(requests)])
		}
	})
	b.Run("ready role", func(b *testing.B) { // in a domain without policies of its own
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			r := requests[i%len(requests)]
			r.Principal.Domain, r.Resource.Domain = "e", "e"
			set.Decide(r)
		}
	})
	b.Run("whole", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			q := set.question(&requests[i%len(requests)])
			cedar.Authorize(whole, q, types.Request{Principal: q.principal, Action: types.EntityUID{Type: "Action", ID: "Get"}, Resource: q.resource, Context: q.context(0)})
		}
	})
}
