package main

import (
	"crypto/fips140"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/claviger/claviger/cmd/claviger/internal/config"
)

func TestANodeThatMustBeInFIPSModeStartsInNoOther(t *testing.T) {
	err := checkFIPS(config.FIPS{Required: true})
	if on := fips140.Enabled(); on != (err == nil) {
		t.Fatalf("mode on %v: %v", on, err)
	}
	if !fips140.Enabled() && !strings.Contains(err.Error(), "make build-fips") {
		t.Errorf("the refusal does not say what to do: %v", err)
	}
	if err := checkFIPS(config.FIPS{}); err != nil {
		t.Errorf("where it is not required: %v", err)
	}
	if s := fipsStatus(config.FIPS{Required: true}); s.Active != fips140.Enabled() || !s.Required || s.Module == "" {
		t.Errorf("status %+v", s)
	}
	if os.Getenv("CLAVIGER_TEST_INNER") == "" { // the same with the mode on
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), "CLAVIGER_TEST_INNER=1", "GODEBUG=fips140=on")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("with the mode on: %v\n%s", err, out)
		}
	} else if !fips140.Enabled() {
		t.Error("the mode is not on")
	}
}
