package testenv_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const modulePath = "github.com/claviger/claviger/"

// A rule of the import picture in the design: which packages may not import
// which. Packages are patterns: a path below the module or of another module,
// with /... for the package and everything below it. Files of tests are free.
type rule struct {
	because string
	of      []string // the packages that the rule is about
	except  []string // and those of them that it is not about
	never   []string // what they may not import
}

// tests are packages that only tests import.
var tests = []string{"testenv/...", "store/storetest", "hsm/hsmtest", "hsm/seal/sealtest"}

var rules = []rule{
	{
		because: "operations go through custody",
		of:      []string{"kmip/operation/..."},
		never:   []string{"store/...", "hsm/...", "policy/..."},
	},
	{
		because: "custody does not know which door a call came through",
		of:      []string{"kmip/custody/..."},
		never:   []string{"kmip/payload", "kmip/dialect/...", "kmip/wire", "kmip/server/...", "kmip/operation", "admin/..."},
	},
	{
		because: "administration goes through custody, not through KMIP",
		of:      []string{"admin/..."},
		never:   []string{"kmip/operation", "kmip/dialect/...", "kmip/wire", "kmip/server/..."},
	},
	{
		because: "the store holds records and knows nobody's use of them",
		of:      []string{"store/..."},
		never:   []string{"kmip/custody/...", "kmip/operation", "kmip/payload", "kmip/dialect/...", "hsm/...", "policy/...", "admin/..."},
	},
	{
		because: "tokens know nothing of objects and their store",
		of:      []string{"hsm/..."},
		never:   []string{"store/...", "kmip/custody/...", "kmip/operation", "kmip/payload", "kmip/dialect/...", "policy/...", "admin/..."},
	},
	{
		because: "only the wiring and tests know concrete backends",
		of:      []string{"..."},
		except:  append([]string{"cmd/claviger"}, tests...),
		never:   []string{"store/postgres", "store/sqlite", "hsm/pkcs11", "hsm/soft"},
	},
	{
		because: "policy decides without I/O and without the protocol",
		of:      []string{"policy/..."},
		never:   []string{"store/...", "hsm/...", "kmip/custody/...", "kmip/payload", "kmip/dialect/...", "kmip/wire", "kmip/server/..."},
	},
	{
		because: "the lifecycle is a table without I/O",
		of:      []string{"kmip/lifecycle"},
		never:   []string{"store/...", "hsm/...", "policy/...", "kmip/custody/...", "kmip/payload", "kmip/dialect/...", "kmip/wire"},
	},
	{
		because: "the client knows the protocol only",
		of:      []string{"kmip/client"},
		never:   []string{"kmip/custody/...", "kmip/operation", "kmip/server/...", "store/...", "hsm/...", "policy/..."},
	},
	{
		because: "only the wire knows the codec",
		of:      []string{"..."},
		except:  []string{"kmip/wire"},
		never:   []string{"github.com/gemalto/kmip-go/..."},
	},
	{
		because: "only the PKCS#11 adapter knows the library",
		of:      []string{"..."},
		except:  []string{"hsm/pkcs11/..."},
		never:   []string{"github.com/miekg/pkcs11/..."},
	},
	{
		because: "only the software token knows TPMs",
		of:      []string{"..."},
		except:  []string{"hsm/soft"},
		never:   []string{"github.com/google/go-tpm/..."},
	},
	{
		because: "only the wiring starts workers",
		of:      []string{"..."},
		except:  append([]string{"cmd/claviger", "hsm/worker"}, tests...),
		never:   []string{"hsm/worker/..."},
	},
	{
		because: "only the Postgres backend, migrations and leases speak to Postgres",
		of:      []string{"..."},
		except:  append([]string{"store/postgres/...", "migrations", "admin/lease/..."}, tests...),
		never:   []string{"github.com/jackc/..."},
	},
	{
		because: "only the embedded backend and migrations speak to SQLite",
		of:      []string{"..."},
		except:  append([]string{"store/sqlite/...", "migrations"}, tests...),
		never:   []string{"modernc.org/..."},
	},
	{because: "kmip/secret is a leaf of the standard library", of: []string{"kmip/secret"}, never: []string{"..."}},
	{because: "store/audit is a leaf", of: []string{"store/audit"}, never: []string{"..."}},
	{
		because: "what is for tests stays in tests",
		of:      []string{"..."},
		except:  tests,
		never:   append([]string{"testing", "pgregory.net/rapid", "github.com/google/go-cmp/...", "github.com/testcontainers/..."}, tests...),
	},
}

// TestLayers holds the imports against the picture.
func TestLayers(t *testing.T) {
	t.Parallel()
	edges := imports(t)
	if len(edges) < 100 {
		t.Fatalf("only %d imports were found: the test is blind", len(edges))
	}
	for _, e := range edges {
		for _, r := range rules {
			if r.broken(e) {
				t.Errorf("%s imports %s: %s", e.from, e.to, r.because)
			}
		}
	}
}

// TestLayersAreSeen proves that each rule would find an edge that breaks it.
func TestLayersAreSeen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ from, to string }{
		{"kmip/operation", "store"},
		{"kmip/operation", "hsm/seal"},
		{"kmip/custody", "kmip/payload"},
		{"kmip/custody/pki", "kmip/wire"},
		{"admin/api", "kmip/operation"},
		{"store/sqlite", "kmip/custody"},
		{"hsm/seal", "store"},
		{"kmip/custody", "store/postgres"},
		{"policy", "store"},
		{"kmip/lifecycle", "store"},
		{"kmip/client", "kmip/custody"},
		{"kmip/dialect", "github.com/gemalto/kmip-go/ttlv"},
		{"hsm/seal", "github.com/miekg/pkcs11"},
		{"hsm/seal", "github.com/google/go-tpm/tpm2"},
		{"hsm/pkcs11", "hsm/worker"},
		{"store/sqlite", "github.com/jackc/pgx/v5"},
		{"store/postgres", "modernc.org/sqlite"},
		{"kmip/secret", "kmip"},
		{"store/audit", "store"},
		{"cmd/claviger", "testenv/service"},
	} {
		if !slices.ContainsFunc(rules, func(r rule) bool { return r.broken(edge(c)) }) {
			t.Errorf("no rule finds that %s imports %s", c.from, c.to)
		}
	}
}

type edge struct{ from, to string }

func (r rule) broken(e edge) bool {
	return matches(r.of, e.from) && !matches(r.except, e.from) && matches(r.never, e.to)
}

// matches reports whether a package is one of the patterns. The pattern "..."
// alone is every package outside the standard library.
func matches(patterns []string, pkg string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		if p == "..." {
			return ours(pkg) || strings.Contains(strings.SplitN(pkg, "/", 2)[0], ".")
		}
		below, deep := strings.CutSuffix(p, "/...")
		return pkg == below || deep && strings.HasPrefix(pkg, below+"/")
	})
}

// ours reports whether a path without the module is one of the module.
func ours(pkg string) bool {
	first, _, _ := strings.Cut(pkg, "/")
	return slices.Contains([]string{"admin", "cmd", "hsm", "kmip", "migrations", "policy", "store", "testenv"}, first)
}

// imports lists what files that are not tests import, by packages of the module.
func imports(t *testing.T) []edge {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Imports,Standard,Module", modulePath+"...")
	out, err := cmd.Output()
	if err != nil {
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			t.Fatalf("go list: %v\n%s", err, failed.Stderr)
		}
		t.Skipf("needs the go command: %v", err)
	}
	var edges []edge
	d := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return edges
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		from, mine := strings.CutPrefix(p.ImportPath, modulePath)
		if !mine {
			continue
		}
		for _, to := range p.Imports {
			edges = append(edges, edge{from, strings.TrimPrefix(to, modulePath)})
		}
	}
}
