package interop

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/client"
	"github.com/claviger/claviger/testenv"
	"github.com/claviger/claviger/testenv/conformance"
)

const (
	// baseline lists the cases that pass, one name in a line. A case that is in
	// it and fails is an error.
	baseline = "../../docs/conformance-baseline.txt"
	// wrongCases lists cases that no correct server passes, with the reason
	// behind the name.
	wrongCases = "../../docs/conformance-wrong-cases.txt"
)

var storeNames = map[string]string{"sqlite": "SQLite", "postgres": "Postgres"}

// TestConformance replays the OASIS cases with the runner of CONFORMANCE_DIR
// against an empty server on each store of STORE (sqlite when empty, or a list
// with commas). CLAVIGER_CONFORMANCE_REPORT=FILE writes the page about them,
// CONFORMANCE_PASSED=FILE a new baseline; paths that are not absolute begin at
// the root of the repository.
func TestConformance(t *testing.T) {
	dir := os.Getenv("CONFORMANCE_DIR")
	if dir == "" {
		testenv.Require(t, "conformance", "no CONFORMANCE_DIR with the runner and the cases")
	}
	var report conformance.Report
	for store := range strings.SplitSeq(cmp.Or(os.Getenv("STORE"), "sqlite"), ",") {
		t.Run(store, func(t *testing.T) {
			n := testenv.Start(t, testenv.Options{Store: store, Interop: true})
			if report.Offer == nil {
				report.Offer = offers(t, n)
			}
			results := runCases(t, n, dir)
			report.Runs = append(report.Runs, conformance.Run{Store: storeNames[store], Results: results})
			t.Log(table(results))
			compare(t, results)
		})
	}
	if path := os.Getenv("CONFORMANCE_PASSED"); path != "" {
		writePassed(t, report.Runs, path)
	}
	if path := os.Getenv("CLAVIGER_CONFORMANCE_REPORT"); path != "" && len(report.Runs) > 0 {
		writeReport(t, report, dir, path)
	}
}

// runCases replays the cases, after the users that they assume were made.
func runCases(t *testing.T, n *testenv.Node, dir string) []conformance.Result {
	t.Helper()
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("password"), 0o600); err != nil {
		t.Fatal(err)
	}
	n.CLI(t, "user", "create", "administrator", "--role", "user-admin", "--password-file", password)

	host, port, _ := strings.Cut(n.KMIP, ":")
	path := filepath.Join(t.TempDir(), "report.json")
	cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "run"), "--host", host, "--port", port,
		"--http-url", "https://"+n.HTTPS, "--ca", n.CA, "--cert", n.Cert, "--key", n.Key, "--json", path, filepath.Join(dir, "cases"))
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() == 2) {
		t.Fatalf("the runner could not run: %v\n%s", err, out[max(0, len(out)-4<<10):])
	}
	results, err := conformance.ReadResults(path)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

// compare holds the results against the baseline.
func compare(t *testing.T, results []conformance.Result) {
	t.Helper()
	known, err := conformance.ReadList(baseline)
	if errors.Is(err, os.ErrNotExist) {
		t.Logf("no %s: nothing to compare with", baseline)
	} else if err != nil {
		t.Fatal(err)
	}
	passed := map[string]bool{}
	for _, r := range results {
		passed[r.Name] = r.Status == "PASS"
	}
	for name := range known {
		if !passed[name] {
			t.Errorf("%s passed once and does not any more", name)
		}
	}
	better := 0
	for name, ok := range passed {
		if _, was := known[name]; ok && !was {
			better++
		}
	}
	if better > 0 && len(known) > 0 {
		t.Logf("%d cases pass that the baseline lacks: CONFORMANCE_PASSED=FILE writes a new one", better)
	}
}

// writePassed writes the names of the cases that passed on every store.
func writePassed(t *testing.T, runs []conformance.Run, path string) {
	t.Helper()
	passed := map[string]int{}
	for _, run := range runs {
		for _, r := range run.Results {
			if r.Status == "PASS" {
				passed[r.Name]++
			}
		}
	}
	maps.DeleteFunc(passed, func(_ string, times int) bool { return times < len(runs) })
	text := strings.Join(slices.Sorted(maps.Keys(passed)), "\n") + "\n"
	if err := os.WriteFile(fromRoot(path), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// fromRoot lets a path begin at the root of the repository.
func fromRoot(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join("..", "..", path)
}

// offers asks the server in every version what it has.
func offers(t *testing.T, n *testenv.Node) map[kmip.Version]conformance.Offer {
	t.Helper()
	all := map[kmip.Version]conformance.Offer{}
	for _, v := range kmip.Versions {
		c, err := client.Dial(t.Context(), client.Config{Address: n.KMIP, TLS: n.TLS(t, "", ""), Version: v})
		if err != nil {
			t.Fatal(err)
		}
		r, err := c.Query(t.Context(), kmip.QueryFunctionQueryOperations, kmip.QueryFunctionQueryObjects)
		_ = c.Close()
		if err != nil {
			t.Fatalf("Query in KMIP %s: %v", v, err)
		}
		all[v] = conformance.Offer{Operations: r.Operation, ObjectTypes: r.ObjectType}
	}
	return all
}

func writeReport(t *testing.T, report conformance.Report, dir, path string) {
	t.Helper()
	var err error
	if report.Cases, err = conformance.ReadCases(filepath.Join(dir, "cases")); err != nil {
		t.Fatal(err)
	}
	if report.Wrong, err = conformance.ReadList(wrongCases); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(fromRoot(path), []byte(report.Markdown()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// table counts the results by version.
func table(results []conformance.Result) string {
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
