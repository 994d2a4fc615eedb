package interop

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip/client"
	"github.com/claviger/claviger/testenv"
)

// withinASecond is how soon a change is in force at every node, with slack for a
// machine that does other things too.
const withinASecond = 3 * time.Second

// policyFile writes policies for the command line.
func policyFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "policy.cedar")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestPoliciesAreInForceOnEveryNode: on connections that are open, at the node that
// was told and at the other.
func TestPoliciesAreInForceOnEveryNode(t *testing.T) {
	t.Parallel()
	first := testenv.Start(t, testenv.Options{Store: "postgres"})
	second := first.Join(t)
	cert, key := first.NewClient(t, "reader", "default")
	nodes := map[string]*client.Client{"the node that was told": dial(t, first, cert, key), "the other node": dial(t, second, cert, key)}
	made, err := nodes["the other node"].Create(t.Context(), symmetric("k", 256))
	if err != nil {
		t.Fatal(err)
	}
	read := func(c *client.Client) bool {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		o, err := c.Get(ctx, made, 0)
		if err == nil {
			o.Destroy()
		}
		return err == nil
	}
	for range 3 {
		for _, step := range []struct {
			what, policy string
			reads        bool
		}{
			{"forbidden", `forbid (principal == Client::"reader", action == Action::"Get", resource);`, false},
			{"permitted", ``, true},
		} {
			first.CLI(t, "policy", "set", policyFile(t, step.policy))
			for where, c := range nodes {
				soon(t, step.what+" at "+where, withinASecond, func() bool { return read(c) == step.reads })
			}
		}
	}

	// Who is revoked is out at both, too.
	first.CLI(t, "client", "revoke", "reader")
	for where, c := range nodes {
		soon(t, "revoked at "+where, withinASecond, func() bool { return !read(c) })
	}
}
