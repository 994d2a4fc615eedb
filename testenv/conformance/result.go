package conformance

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
)

// Result is how a case went.
type Result struct {
	Name     string
	Version  string // 1.4
	Profile  string // MSGENC-XML
	Status   string // PASS, FAIL or SKIP
	Detail   string
	Path     string // of the first difference
	Expected string
}

// ReadResults reads what the runner wrote with --json.
func ReadResults(path string) ([]Result, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var report struct{ Cases []Result }
	if err := json.Unmarshal(b, &report); err != nil {
		return nil, err
	}
	if len(report.Cases) == 0 {
		return nil, errors.New("the runner reported no cases")
	}
	return report.Cases, nil
}

// ReadList reads a file of names, one in a line, each with what stands behind
// it. Lines that are empty or begin with # do not count.
func ReadList(path string) (map[string]string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	list := map[string]string{}
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, rest, _ := strings.Cut(line, " ")
		if _, twice := list[name]; twice {
			return nil, fmt.Errorf("%s: %s stands there twice", path, name)
		}
		list[name] = strings.TrimSpace(rest)
	}
	return list, nil
}
