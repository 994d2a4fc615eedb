package interop

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/client"
	"github.com/claviger/claviger/kmip/payload"
	"github.com/claviger/claviger/testenv"
)

// guarded are nodes whose database somebody else writes into.
var guarded = []testenv.Options{
	{Store: "sqlite", Root: "pkcs11", Mode: "envelope"},
	{Store: "postgres", Root: "pkcs11", Mode: "direct"},
	{Store: "sqlite", Root: "pkcs11", Mode: "direct"},
	{Store: "postgres", Root: "pkcs11", Mode: "envelope"},
}

// intruder writes into the database of a node behind its back.
type intruder struct {
	t  *testing.T
	db *sql.DB
}

func intrude(t *testing.T, n *testenv.Node) intruder {
	t.Helper()
	driver, url := "pgx", n.StoreURL
	if path, ok := strings.CutPrefix(n.StoreURL, "sqlite:"); ok {
		driver, url = "sqlite", "file:"+path+"?_pragma=busy_timeout(20000)"
	}
	db, err := sql.Open(driver, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return intruder{t, db}
}

// run executes a statement and returns how many rows it changed.
func (i intruder) run(format string, args ...any) int64 {
	i.t.Helper()
	text := fmt.Sprintf(format, args...)
	r, err := i.db.ExecContext(i.t.Context(), text)
	if err != nil {
		i.t.Fatalf("%s: %v", text, err)
	}
	n, err := r.RowsAffected()
	if err != nil {
		i.t.Fatal(err)
	}
	return n
}

// set gives columns of an object other values, and returns how to undo that.
func (i intruder) set(uid string, values map[string]string) (undo func()) {
	i.t.Helper()
	var changes, back []string
	for column, value := range values {
		changes = append(changes, column+" = "+value)
		back = append(back, fmt.Sprintf("%s = (select %s from kept where uid = '%s')", column, column, uid))
	}
	i.run("create table kept as select * from object where uid = '%s'", uid)
	if n := i.run("update object set %s where uid = '%s'", strings.Join(changes, ", "), uid); n != 1 {
		i.t.Fatalf("%d rows were changed, want 1", n)
	}
	return func() {
		i.t.Helper()
		i.run("update object set %s where uid = '%s'", strings.Join(back, ", "), uid)
		i.run("drop table kept")
	}
}

// of are the columns of an object.
func of(uid string, columns ...string) map[string]string {
	values := map[string]string{}
	for _, c := range columns {
		values[c] = fmt.Sprintf("(select %s from object where uid = '%s')", c, uid)
	}
	return values
}

// logged returns what a node has logged since an earlier length of its log.
func logged(t *testing.T, n *testenv.Node, since int) string {
	t.Helper()
	b, err := os.ReadFile(n.Log)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[since:])
}

func encrypt(t *testing.T, c *client.Client, uid string) error {
	t.Helper()
	p := gcm()
	_, err := c.Encrypt(t.Context(), payload.EncryptRequest{UniqueIdentifier: kmip.Reference{Text: uid}, CryptographicParameters: &p, Data: payload.Data{Bytes: []byte("data")}})
	return err
}

// uses are ways to use a key.
func uses(t *testing.T, c *client.Client) map[string]func(uid string) error {
	return map[string]func(string) error{
		"Get":            func(uid string) error { _, err := c.Get(t.Context(), uid, 0); return err },
		"Get Attributes": func(uid string) error { _, err := c.GetAttributes(t.Context(), uid); return err },
		"Encrypt":        func(uid string) error { return encrypt(t, c, uid) },
		"Re-key":         func(uid string) error { _, err := c.ReKey(t.Context(), uid); return err },
		"Destroy":        func(uid string) error { return c.Destroy(t.Context(), uid) },
	}
}

// refusedEverywhere checks that no use of a key succeeds, for the reason that what is
// stored does not authenticate, and that the log names it.
func refusedEverywhere(t *testing.T, n *testenv.Node, c *client.Client, uid, named string) {
	t.Helper()
	for op, use := range uses(t, c) {
		since := len(logged(t, n, 0))
		err := use(uid)
		var refusal *client.Error
		if !errors.As(err, &refusal) {
			t.Errorf("%s = %v, want a refusal", op, err)
			continue
		}
		if refusal.Reason != kmip.ResultReasonGeneralFailure {
			t.Errorf("%s: reason %s, want General Failure: %s", op, refusal.Reason, refusal.Message)
		}
		if text := logged(t, n, since); !strings.Contains(text, named) {
			t.Errorf("%s: the log does not name %s:\n%s", op, named, text)
		}
	}
}

// served checks that keys are served as ever.
func served(t *testing.T, c *client.Client, keys map[string][]byte) {
	t.Helper()
	same(t, c, keys)
	for uid := range keys {
		if err := encrypt(t, c, uid); err != nil {
			t.Errorf("Encrypt by %s, which nobody has touched: %v", uid, err)
		}
	}
	found, err := c.Locate(t.Context(), nil, 0)
	if err != nil {
		t.Errorf("Locate: %v", err)
	}
	for uid := range keys {
		if !slices.Contains(found, uid) {
			t.Errorf("Locate does not find %s, which nobody has touched", uid)
		}
	}
}

// activated makes keys that are active.
func activated(t *testing.T, c *client.Client, n int) map[string][]byte {
	t.Helper()
	keys := created(t, c, n)
	for uid := range keys {
		if err := c.Activate(t.Context(), uid); err != nil {
			t.Fatal(err)
		}
	}
	return keys
}

func first(keys map[string][]byte) string {
	for uid := range keys {
		return uid
	}
	return ""
}

// TestRowsThatSomebodyChangedAreRefused, the others are served, and a change that
// is undone does no harm.
func TestRowsThatSomebodyChangedAreRefused(t *testing.T) {
	t.Parallel()
	for _, o := range guarded {
		t.Run(o.String(), func(t *testing.T) {
			t.Parallel()
			n := testenv.Start(t, o)
			c := dial(t, n, "", "")
			steady, target := activated(t, c, 2), activated(t, c, 1)
			victim := first(target)
			other, err := c.Create(t.Context(), append(symmetric("of the donor", 128), kmip.NewAttribute(kmip.Text(kmip.TagObjectGroup, "of the donor"))))
			if err != nil {
				t.Fatal(err)
			}
			i := intrude(t, n)
			for _, change := range []struct {
				name   string
				values map[string]string
			}{
				{"the material of another object", of(other, "material")},
				{"the material of another object that is as long", of(first(steady), "material")},
				{"no material", map[string]string{"material": "null"}},
				{"the attributes of another object", of(other, "attributes")},
				{"the state of another object", of(other, "state")},
				{"the MAC of another object", of(other, "mac")},
				{"the revision of another object", of(other, "revision")},
				{"a revision that is to come", map[string]string{"revision": "revision + 1"}},
				{"a generation that is not there", map[string]string{"generation": "generation + 1"}},
				{"another version of the material", map[string]string{"material_version": "material_version + 1"}},
				{"another type", map[string]string{"type": "7"}},
				{"another creator", map[string]string{"creator": "'client:other'"}},
				{"an older date", map[string]string{"initial_date": "initial_date - 1000000"}},
				{"everything of an object with the MAC", of(other, "material", "attributes", "mac", "state", "revision", "generation", "creator", "initial_date", "type", "material_version")},
				{"everything of an object like it with the MAC", of(first(steady), "material", "attributes", "mac", "state", "revision", "generation", "creator", "initial_date", "type", "material_version")},
			} {
				t.Run(change.name, func(t *testing.T) {
					undo := i.set(victim, change.values)
					refusedEverywhere(t, n, c, victim, victim)
					served(t, c, steady)
					undo()
					served(t, c, target)
				})
			}
		})
	}
}

// TestColumnsThatOnlyQueriesUseGiveNoRights: a change of them is seen by nobody, and
// does not let a key do more.
func TestColumnsThatOnlyQueriesUseGiveNoRights(t *testing.T) {
	t.Parallel()
	for _, o := range []testenv.Options{{Store: "sqlite"}, {Store: "postgres"}} {
		t.Run(o.String(), func(t *testing.T) {
			t.Parallel()
			n := testenv.Start(t, o)
			c := dial(t, n, "", "")
			a := symmetric("", 256)
			a = a.Set(kmip.Mask(kmip.TagCryptographicUsageMask, kmip.CryptographicUsageMaskDecrypt))
			uid, err := c.Create(t.Context(), a)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Activate(t.Context(), uid); err != nil {
				t.Fatal(err)
			}
			i := intrude(t, n)
			for _, values := range []map[string]string{
				{"usage_mask": "12"}, {"length_bits": "128"}, {"algorithm": "1"}, {"deactivation_date": "1"}, {"object_group": "'other'"},
			} {
				undo := i.set(uid, values)
				if err := encrypt(t, c, uid); err == nil {
					t.Errorf("%v: a key encrypts that may only decrypt", values)
				}
				if err := uses(t, c)["Get"](uid); err != nil {
					t.Errorf("%v: Get: %v", values, err)
				}
				got, err := c.GetAttributes(t.Context(), uid)
				if err != nil || got.Int32(kmip.TagCryptographicLength) != 256 || got.Uint32(kmip.TagCryptographicUsageMask) != uint32(kmip.CryptographicUsageMaskDecrypt) {
					t.Errorf("%v: attributes %v, %v", values, got, err)
				}
				undo()
			}
		})
	}
}

// TestDomainKeysThatSomebodySwappedAreRefused, the other domains are served.
func TestDomainKeysThatSomebodySwappedAreRefused(t *testing.T) {
	t.Parallel()
	for _, o := range guarded {
		t.Run(o.String(), func(t *testing.T) {
			t.Parallel()
			n := testenv.Start(t, o)
			type party struct {
				cert, key string
				keys      map[string][]byte
			}
			parties := map[string]*party{}
			for _, d := range []string{"left", "right", "steady"} {
				n.CLI(t, "domain", "create", d)
				p := &party{}
				p.cert, p.key = n.NewClient(t, "array", d)
				p.keys = activated(t, dial(t, n, p.cert, p.key), 2)
				parties[d] = p
			}
			i := intrude(t, n)
			n.Stop(t) // a key that is open is not read again
			i.run("create table kept_key as select * from domain_key")
			replace := func(domain, by string) {
				t.Helper()
				if rows := i.run(`update domain_key set wrapped = (select k.wrapped from kept_key k where k.domain = '%s'
					and k.generation = domain_key.generation and k.token = domain_key.token) where domain = '%s'`, by, domain); rows != 1 {
					t.Fatalf("%d rows were changed, want 1", rows)
				}
			}
			replace("left", "right")
			replace("right", "left")
			n.Restart(t)
			for _, d := range []string{"left", "right"} {
				p := parties[d]
				refusedEverywhere(t, n, dial(t, n, p.cert, p.key), first(p.keys), `domain \"`+d+`\"`) // nobody in it can be known
				if _, err := dial(t, n, p.cert, p.key).Create(t.Context(), symmetric("", 256)); err == nil {
					t.Errorf("a key was made under the key of domain %s, which is another one", d)
				}
			}
			served(t, dial(t, n, parties["steady"].cert, parties["steady"].key), parties["steady"].keys)
			replace("left", "left")
			replace("right", "right")
			for _, p := range parties {
				served(t, dial(t, n, p.cert, p.key), p.keys)
			}
		})
	}
}

// TestARotationLeavesWhatDoesNotAuthenticate where it is, and says so.
func TestARotationLeavesWhatDoesNotAuthenticate(t *testing.T) {
	t.Parallel()
	for _, o := range guarded {
		t.Run(o.String(), func(t *testing.T) {
			t.Parallel()
			n := testenv.Start(t, o)
			c := dial(t, n, "", "")
			steady, target := activated(t, c, 5), activated(t, c, 1)
			victim := first(target)
			i := intrude(t, n)
			undo := i.set(victim, of(first(steady), "material"))
			since := len(logged(t, n, 0))
			out, err := n.TryCLI(t, "domain", "rotate-key", "default")
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 1 {
				t.Errorf("rotate-key = %v, want exit code 1", err)
			}
			if !strings.Contains(out, "is done, not whole. left: 1 objects or records that do not authenticate") {
				t.Errorf("rotate-key says %q", out)
			}
			if text := logged(t, n, since); !strings.Contains(text, "does not authenticate and is not moved") || !strings.Contains(text, victim) {
				t.Errorf("the log does not name %s:\n%s", victim, text)
			}
			generations := func(want ...string) {
				t.Helper()
				out := n.CLI(t, "domain", "generations", "default")
				var got []string
				for line := range strings.Lines(out) {
					if f := strings.Fields(line); f[0] != "GENERATION" {
						got = append(got, strings.Join(f[:len(f)-1], " ")) // without the token
					}
				}
				if !slices.Equal(got, want) {
					t.Errorf("generations %q, want %q\n%s", got, want, out)
				}
			}
			generations("1 "+o.Mode+" closed", "2 "+o.Mode+" current")
			refusedEverywhere(t, n, c, victim, victim)
			served(t, c, steady)
			undo()
			served(t, c, target)
			if out := n.CLI(t, "domain", "rotate-key", "default"); !strings.Contains(out, "is done") {
				t.Errorf("rotate-key says %q", out)
			}
			served(t, c, steady)
			served(t, c, target)
			if out := n.CLI(t, "domain", "generations", "default"); strings.Count(out, "destroyed") != 2 {
				t.Errorf("generations:\n%s", out)
			}
		})
	}
}
