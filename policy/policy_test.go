package policy_test

import (
	"testing"

	"github.com/claviger/claviger/policy"
)

func TestDecide(t *testing.T) {
	client := policy.Principal{Kind: policy.KindClient, Domain: "d", Name: "c", Role: policy.RoleFull}
	admin := policy.Principal{Kind: policy.KindAdministrator, Name: "a", Role: policy.RoleAdministrator}
	userAdmin := policy.Principal{Kind: policy.KindUser, Domain: "d", Name: "u", Role: policy.RoleUserAdmin}
	in := policy.Resource{Domain: "d"}
	for _, c := range []struct {
		name      string
		principal policy.Principal
		action    string
		resource  policy.Resource
		want      bool
	}{
		{"a client in its domain", client, "Get", in, true},
		{"a client in another domain", client, "Get", policy.Resource{Domain: "e"}, false},
		{"a client without role", policy.Principal{Kind: policy.KindClient, Domain: "d"}, "Get", in, false},
		{"an unknown role", policy.Principal{Kind: policy.KindClient, Domain: "d", Role: "root"}, "Get", in, false},
		{"nobody", policy.Principal{}, "Get", policy.Resource{}, false},
		{"a client with an administrator's role", policy.Principal{Kind: policy.KindClient, Domain: "d", Role: policy.RoleAdministrator}, policy.ActionKeyDestroy, in, false},
		{"an administrator with a client's role", policy.Principal{Kind: policy.KindAdministrator, Role: policy.RoleFull}, "Get", policy.Resource{}, false},
		{"an administrator and material", admin, "Get", in, false},
		{"an administrator and cryptographic use", admin, "Decrypt", in, false},
		{"an administrator and the lifecycle", admin, policy.ActionKeyRevoke, in, true},
		{"a user administrator and users", userAdmin, "CreateUser", in, true},
		{"a user administrator and keys", userAdmin, "Get", in, false},
		{"a client and what is no operation", client, "Steal", in, false},
	} {
		if got := policy.NewSet(nil, nil).Decide(policy.Request{Principal: c.principal, Action: c.action, Resource: c.resource}); got.Allow != c.want || got.Reason == "" {
			t.Errorf("%s: %+v, want %t", c.name, got, c.want)
		}
	}
	for _, action := range policy.Actions() {
		if policy.NewSet(nil, nil).Decide(policy.Request{Principal: client, Action: action, Resource: in}).Allow {
			t.Errorf("a client may %s", action)
		}
		if !policy.NewSet(nil, nil).Decide(policy.Request{Principal: admin, Action: action, Resource: in}).Allow {
			t.Errorf("an administrator may not %s", action)
		}
	}
}
