package interop

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/claviger/claviger/testenv"
)

// baseline lists the cases that pass, one name in a line. A case that
// is in it and fails is an error; CONFORMANCE_PASSED=FILE writes a new one.
const baseline = "../../docs/conformance-baseline.txt"

// TestConformance replays the OASIS cases with the runner of CONFORMANCE_DIR
// against an empty server on the store STORE.
func TestConformance(t *testing.T) {
	dir := os.Getenv("CONFORMANCE_DIR")
	if dir == "" {
		testenv.Require(t, "conformance", "no CONFORMANCE_DIR with the runner and the cases")
	}
	n := testenv.Start(t, testenv.Options{Store: os.Getenv("STORE"), Interop: true})
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("password"), 0o600); err != nil {
		t.Fatal(err)
	}
	n.CLI(t, "user", "create", "administrator", "--role", "user-admin", "--password-file", password)

	host, port, _ := strings.Cut(n.KMIP, ":")
	report := filepath.Join(t.TempDir(), "report.json")
	cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "run"), "--host", host, "--port", port,
		"--http-url", "https://"+n.HTTPS, "--ca", n.CA, "--cert", n.Cert, "--key", n.Key, "--json", report, filepath.Join(dir, "cases"))
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() == 2) {
		t.Fatalf("the runner could not run: %v\n%s", err, out[max(0, len(out)-4<<10):])
	}
	results := readReport(t, report)
	t.Log(table(results))

	want, err := os.ReadFile(baseline)
	if errors.Is(err, os.ErrNotExist) {
		t.Logf("no %s: nothing to compare with", baseline)
	} else if err != nil {
		t.Fatal(err)
	}
	passed := map[string]bool{}
	for _, r := range results {
		passed[r.Name] = r.Status == "PASS"
	}
	var known []string
	for line := range strings.Lines(string(want)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			known = append(known, line)
			if !passed[line] {
				t.Errorf("%s passed once and does not any more", line)
			}
		}
	}
	var better []string
	for name, ok := range passed {
		if ok && !slices.Contains(known, name) {
			better = append(better, name)
		}
	}
	slices.Sort(better)
	if path := os.Getenv("CONFORMANCE_PASSED"); path != "" {
		all := append(slices.Clone(known), better...)
		all = slices.DeleteFunc(all, func(name string) bool { return !passed[name] })
		slices.Sort(all)
		text := strings.Join(all, "\n") + "\n"
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if len(better) > 0 && len(known) > 0 {
		t.Logf("%d cases pass that the baseline lacks: CONFORMANCE_PASSED=FILE writes a new one", len(better))
	}
}

type result struct {
	Name    string
	Version string
	Status  string // PASS, FAIL or SKIP
}

func readReport(t *testing.T, path string) []result {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var report struct{ Cases []result }
	if err := json.Unmarshal(b, &report); err != nil {
		t.Fatal(err)
	}
	if len(report.Cases) == 0 {
		t.Fatal("the runner reported no cases")
	}
	return report.Cases
}

// table counts the results by version.
func table(results []result) string {
	counts := map[string]map[string]int{}
	for _, r := range results {
		for _, version := range []string{r.Version, "all"} {
			if counts[version] == nil {
				counts[version] = map[string]int{}
			}
			counts[version][r.Status]++
			counts[version]["total"]++
		}
	}
	text := fmt.Sprintf("\n%-5s %5s %5s %5s %6s\n", "KMIP", "pass", "fail", "skip", "total")
	for _, version := range slices.Sorted(maps.Keys(counts)) { // "all" sorts last
		c := counts[version]
		text += fmt.Sprintf("%-5s %5d %5d %5d %6d\n", version, c["PASS"], c["FAIL"], c["SKIP"], c["total"])
	}
	return text
}
