package interop

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/claviger/claviger/testenv"
)

// combinations are the backends and root-key adapters that a server runs on.
var combinations = []testenv.Options{
	{Store: "sqlite", Root: "software"},
	{Store: "sqlite", Root: "pkcs11"},
	{Store: "postgres", Root: "software"},
	{Store: "postgres", Root: "pkcs11"},
}

// pykmipSteps are how many steps the walk has: fewer would mean that some were
// left out in silence. Versions before 1.2 cannot encrypt.
var pykmipSteps = map[string]int{"1.0": 20, "1.1": 20, "1.2": 27, "1.3": 27, "1.4": 27, "2.0": 26}

// TestPyKMIP walks through a server with a client that we did not write, in
// every version that it speaks.
func TestPyKMIP(t *testing.T) {
	t.Parallel()
	python := pythonWithPyKMIP(t)
	for _, o := range combinations {
		t.Run(o.String(), func(t *testing.T) {
			t.Parallel()
			n := testenv.Start(t, o)
			n.CLI(t, "domain", "create", "other")
			cert, key := n.NewClient(t, "neighbour", "other")
			for _, version := range []string{"1.0", "1.1", "1.2", "1.3", "1.4", "2.0"} {
				t.Run(version, func(t *testing.T) {
					walk(t, python, n, cert, key, version)
				})
			}
		})
	}
}

func walk(t *testing.T, python string, n *testenv.Node, otherCert, otherKey, version string) {
	t.Helper()
	host, port, err := net.SplitHostPort(n.KMIP)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, python, filepath.Join("testdata", "pykmip_walk.py"),
		"--host", host, "--port", port, "--ca", n.CA, "--cert", n.Cert, "--key", n.Key,
		"--other-cert", otherCert, "--other-key", otherKey, "--version", version, "--prefix", "v"+version+"-")
	cmd.Env = append(os.Environ(), "PYTHONWARNINGS=ignore", "PYTHONDONTWRITEBYTECODE=1")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	steps, done := 0, false
	for line := range strings.Lines(out.String()) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "ok "):
			steps++
		case line == "done":
			done = true
		default:
			t.Error(line)
		}
	}
	if err != nil || !done {
		t.Errorf("the walk ended by %v, done = %t\n%s", err, done, errs.Bytes())
	}
	if steps != pykmipSteps[version] && !t.Failed() {
		t.Errorf("%d steps, want %d", steps, pykmipSteps[version])
	}
}

// pythonWithPyKMIP finds an interpreter that has PyKMIP and ssl.wrap_socket,
// which PyKMIP needs and Python 3.12 no longer has.
func pythonWithPyKMIP(t *testing.T) string {
	t.Helper()
	candidates := []string{os.Getenv("CLAVIGER_TEST_PYTHON"), "/usr/bin/python3", "python3"}
	for _, python := range candidates {
		if python == "" {
			continue
		}
		cmd := exec.CommandContext(t.Context(), python, "-W", "ignore", "-c", "import ssl, kmip.pie.client; ssl.wrap_socket")
		if cmd.Run() == nil {
			return python
		}
	}
	testenv.Require(t, "pykmip", "no Python with PyKMIP and ssl.wrap_socket: install python3-pykmip or set CLAVIGER_TEST_PYTHON")
	return ""
}
