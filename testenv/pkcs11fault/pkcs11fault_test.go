package pkcs11fault

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/claviger/claviger/testenv"
)

// tool runs the PKCS#11 tool of OpenSC with the module, in a process of its own.
func tool(t *testing.T, m *Module, args ...string) (string, error) {
	t.Helper()
	if _, err := exec.LookPath("pkcs11-tool"); err != nil {
		testenv.Require(t, "pkcs11-tool", "it stands for a child process")
	}
	cmd := exec.CommandContext(t.Context(), "pkcs11-tool", append([]string{"--module", m.Path}, args...)...)
	cmd.Env = append(os.Environ(), m.Env()...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestFaultsInAChildProcess(t *testing.T) {
	m := New(t, testenv.SoftHSM(t))
	mechanisms := func(t *testing.T) string {
		t.Helper()
		out, err := tool(t, m, "-M")
		if err != nil {
			t.Fatalf("pkcs11-tool: %v: %s", err, out)
		}
		return out
	}
	t.Run("none are there at first", func(t *testing.T) {
		if out := mechanisms(t); !strings.Contains(out, "AES-GCM") {
			t.Errorf("AES-GCM is not offered:\n%s", out)
		}
		if m.Count("C_Initialize") != 1 || m.Count("C_GetMechanismList") == 0 || m.Count("C_Sign") != 0 {
			t.Error("calls are not counted")
		}
	})
	t.Run("a hidden mechanism is not offered", func(t *testing.T) {
		m.Set("hide 0x1087")
		if out := mechanisms(t); strings.Contains(out, "AES-GCM") || !strings.Contains(out, "AES-CBC") {
			t.Errorf("want all but AES-GCM:\n%s", out)
		}
	})
	t.Run("an error passes after its number", func(t *testing.T) {
		m.Set("C_Initialize fail 0x30 1")
		if out, err := tool(t, m, "-M"); err == nil || !strings.Contains(out, "CKR_DEVICE_ERROR") {
			t.Errorf("pkcs11-tool: %v, want CKR_DEVICE_ERROR:\n%s", err, out)
		}
		mechanisms(t)
	})
	t.Run("a crash kills the process", func(t *testing.T) {
		m.Set("C_GetMechanismList crash")
		if _, err := tool(t, m, "-M"); err == nil || !strings.Contains(err.Error(), "abort") {
			t.Errorf("pkcs11-tool: %v, want it aborted", err)
		}
	})
	t.Run("a hanging call goes on when the rules change", func(t *testing.T) {
		m.Set("C_GetMechanismList hang")
		done := make(chan error, 1)
		go func() { _, err := tool(t, m, "-M"); done <- err }()
		for m.Count("C_GetMechanismList") == 0 {
			time.Sleep(time.Millisecond)
		}
		select {
		case err := <-done:
			t.Fatalf("it did not hang: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
		m.Clear()
		if err := <-done; err != nil {
			t.Errorf("pkcs11-tool: %v", err)
		}
	})
}

func TestRulesThatAreNone(t *testing.T) {
	New(t, testenv.SoftHSM(t))
	for _, line := range []string{"", "C_Decrypt", "C_Nothing fail 1", "C_Decrypt explode", "C_Decrypt fail x", "C_Decrypt hang 1 2"} {
		t.Run(line, func(t *testing.T) {
			if rule, _, err := parse(line); err == nil {
				t.Errorf("the rule is taken as %q", rule)
			}
		})
	}
}
