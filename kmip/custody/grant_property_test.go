package custody_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/testenv/service"
)

// granted is what clients may do by what administrators have said, told without
// Cedar: the roles that each of these policies is for, and what it permits.
var granted = map[string]struct{ role, action string }{
	`permit (principal in Role::"reader", action == Action::"Get", resource);`:      {"reader", "Get"},
	`permit (principal in Role::"reader", action == Action::"Activate", resource);`: {"reader", "Activate"},
	`permit (principal in Role::"writer", action == Action::"Create", resource);`:   {"writer", "Create"},
	`permit (principal in Role::"writer", action == Action::"Get", resource);`:      {"writer", "Get"},
}

// model is what the administrators have done.
type model struct {
	policies []string
	role     map[string]string
	revoked  map[string]bool
	group    []string // whose members get nothing
}

func (m *model) allows(client, action string) bool {
	if m.revoked[client] || slices.Contains(m.group, "client:"+client) {
		return false
	}
	return slices.ContainsFunc(m.policies, func(p string) bool {
		return granted[p].role == m.role[client] && granted[p].action == action
	})
}

// Whatever administrators do, in whatever order: a client may do what it was granted
// and nothing else, and what was taken from it is gone.
func TestNoSequenceLetsAClientActBeyondItsGrant(t *testing.T) {
	onBothStores(t, noSequenceLetsAClientActBeyondItsGrant)
}

func noSequenceLetsAClientActBeyondItsGrant(t *testing.T, s *service.Service) {
	ctx := context.Background()
	all := slices.Sorted(func(yield func(string) bool) {
		for p := range granted {
			if !yield(p) {
				return
			}
		}
	})
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		domain := fmt.Sprintf("g%d", run)
		admin := func() *custody.Scope { return s.Administrator(domain) }
		try := func(err error) {
			if err != nil {
				rt.Fatal(err)
			}
		}
		try(s.CreateDomain(ctx, s.Administrator(""), domain, ""))
		try(s.CreateRole(ctx, admin(), "reader"))
		try(s.CreateRole(ctx, admin(), "writer"))
		try(s.SetGroup(ctx, admin(), "banned", []string{}))
		uid, err := s.Create(ctx, s.Client(domain), kmip.ObjectTypeSymmetricKey, aes256())
		try(err)
		m := &model{role: map[string]string{}, revoked: map[string]bool{}}
		certs := map[string]*x509.Certificate{}
		clients := []string{"a", "b"}
		for _, c := range clients {
			made, err := s.CreateClient(ctx, admin(), c, policy.RoleNone)
			try(err)
			m.role[c], certs[c] = policy.RoleNone, made.Issued.Certificate
		}
		client := rapid.SampledFrom(clients)
		acts := map[string]func(){
			"policies": func() {
				m.policies = slices.Compact(slices.Sorted(slices.Values(rapid.SliceOfN(rapid.SampledFrom(all), 0, 4).Draw(rt, "policies"))))
				try(s.SetPolicy(ctx, admin(), strings.Join(m.policies, "\n")+"\n"+`forbid (principal in Group::"banned", action, resource);`, 0))
			},
			"grant": func() {
				c, role := client.Draw(rt, "client"), rapid.SampledFrom([]string{"reader", "writer", policy.RoleNone}).Draw(rt, "role")
				if err := s.GrantClient(ctx, admin(), c, role); err != nil {
					if !m.revoked[c] {
						rt.Fatal(err)
					}
					return
				}
				m.role[c] = role
			},
			"ban": func() {
				m.group = []string{}
				for _, c := range clients {
					if rapid.Bool().Draw(rt, "banned") {
						m.group = append(m.group, "client:"+c)
					}
				}
				try(s.SetGroup(ctx, admin(), "banned", m.group))
				if len(m.policies) == 0 {
					try(s.SetPolicy(ctx, admin(), `forbid (principal in Group::"banned", action, resource);`, 0))
				}
			},
			"revoke": func() {
				if rapid.IntRange(0, 3).Draw(rt, "really") == 0 {
					c := client.Draw(rt, "client")
					try(s.RevokeClient(ctx, admin(), c))
					m.revoked[c] = true
				}
			},
		}
		names := slices.Sorted(func(yield func(string) bool) {
			for n := range acts {
				if !yield(n) {
					return
				}
			}
		})
		for range rapid.IntRange(3, 12).Draw(rt, "steps") {
			acts[rapid.SampledFrom(names).Draw(rt, "act")]()
			s.Clock.Advance(time.Second) // in force within a second
			c := client.Draw(rt, "acting")
			for _, action := range []string{"Get", "Activate", "Create", "Destroy"} {
				err := actAs(ctx, s, certs[c], uid, action)
				if allowed := kmip.KindOf(err) != kmip.KindPermissionDenied && kmip.KindOf(err) != kmip.KindNotAuthenticated || err == nil; allowed != m.allows(c, action) {
					rt.Fatalf("%s by %s: %v; by %+v it should be %t", action, c, err, m, m.allows(c, action))
				}
			}
		}
	})
}

// actAs comes as a client by its certificate and does something.
func actAs(ctx context.Context, s *service.Service, cert *x509.Certificate, uid, action string) error {
	v, _, err := s.Identify(ctx, custody.Presented{Certificates: []*x509.Certificate{cert}, Source: "127.0.0.1:1"})
	if err != nil {
		return err
	}
	sc := s.Begin(v.Principal, v.Principal.Domain, "kmip", "127.0.0.1:1", "test")
	switch action {
	case "Get":
		_, err = s.Get(ctx, sc, uid, custody.GetOptions{})
	case "Activate":
		err = s.Activate(ctx, sc, uid)
	case "Create":
		_, err = s.Create(ctx, sc, kmip.ObjectTypeSymmetricKey, aes256())
	case "Destroy":
		err = s.Destroy(ctx, sc, uid)
	}
	return err
}
