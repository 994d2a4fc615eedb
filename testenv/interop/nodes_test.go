package interop

import (
	"bytes"
	"testing"

	"github.com/claviger/claviger/testenv"
)

// TestTwoNodes has two servers on one store: what one made, the other serves,
// also when the first is gone.
func TestTwoNodes(t *testing.T) {
	t.Parallel()
	for _, o := range []testenv.Options{{Store: "postgres"}, {Store: "postgres", Root: "pkcs11"}} {
		t.Run(o.String(), func(t *testing.T) {
			t.Parallel()
			first := testenv.Start(t, o)
			second := first.Join(t)
			made, err := dial(t, first, "", "").Create(t.Context(), symmetric("shared", 256))
			if err != nil {
				t.Fatal(err)
			}
			one, err := dial(t, first, "", "").Get(t.Context(), made, 0)
			if err != nil {
				t.Fatal(err)
			}
			c := dial(t, second, "", "")
			if err := c.Activate(t.Context(), made); err != nil {
				t.Errorf("activate at the other node: %v", err)
			}
			first.Kill(t)
			two, err := c.Get(t.Context(), made, 0)
			if err != nil {
				t.Fatalf("get with one node: %v", err)
			}
			if !bytes.Equal(one.Key.Material.Reveal(), two.Key.Material.Reveal()) {
				t.Error("the nodes serve different keys")
			}
			if _, err := c.Create(t.Context(), symmetric("shared", 256)); err == nil {
				t.Error("a name was taken at both nodes")
			}
		})
	}
}
