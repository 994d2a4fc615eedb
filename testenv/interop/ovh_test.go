package interop

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/claviger/claviger/testenv"
)

// TestOVH runs the tests of the module testenv/ovh, which uses a Go client that
// we did not write, against servers on every combination.
func TestOVH(t *testing.T) {
	t.Parallel()
	dir := filepath.Join("..", "ovh")
	download := exec.CommandContext(t.Context(), "go", "mod", "download")
	download.Dir = dir
	if out, err := download.CombinedOutput(); err != nil {
		testenv.Require(t, "ovh", "the modules of testenv/ovh are not to be had: "+string(out))
	}
	program := filepath.Join(t.TempDir(), "ovh.test")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", program, ".")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, o := range combinations {
		t.Run(o.String(), func(t *testing.T) {
			t.Parallel()
			n := testenv.Start(t, o)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, program, "-test.v")
			cmd.Env = append(os.Environ(), "CLAVIGER_OVH_SERVER="+n.KMIP, "CLAVIGER_OVH_CA="+n.CA, "CLAVIGER_OVH_CERT="+n.Cert, "CLAVIGER_OVH_KEY="+n.Key)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, failures(string(out)))
			}
			if strings.Contains(string(out), "--- SKIP") || !strings.Contains(string(out), "--- PASS: TestManyClients") && err == nil {
				t.Errorf("something was left out:\n%s", out)
			}
		})
	}
}

// failures drops the lines of what passed.
func failures(out string) string {
	var kept strings.Builder
	for line := range strings.Lines(out) {
		if text := strings.TrimSpace(line); !strings.HasPrefix(text, "--- PASS") && !strings.HasPrefix(text, "=== ") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}
