// Package testenv provides what tests need and the Go tool cannot: databases,
// tokens, certificates, nodes. What is not on the machine skips the test with
// one line, unless CLAVIGER_TEST_REQUIRE names it. Only tests import it.
package testenv

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// Require ends a test that lacks what, because of reason: it skips, or fails
// when the comma-separated list CLAVIGER_TEST_REQUIRE has what.
func Require(t testing.TB, what, reason string) {
	t.Helper()
	list := strings.Split(os.Getenv("CLAVIGER_TEST_REQUIRE"), ",")
	if slices.ContainsFunc(list, func(s string) bool { return strings.TrimSpace(s) == what }) {
		t.Fatalf("%s is required by CLAVIGER_TEST_REQUIRE: %s", what, reason)
	}
	t.Skipf("needs %s: %s", what, reason)
}
