package interop

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/client"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/testenv"
)

// TestMaterialIsNowhere looks for the bytes of keys in everything that the
// server leaves: the database, its journals or a dump, and the log; in every mode,
// and after everything that protects the keys has been changed.
func TestMaterialIsNowhere(t *testing.T) {
	t.Parallel()
	for _, o := range append(slices.Clone(combinations),
		testenv.Options{Store: "sqlite", Root: "pkcs11", Mode: "direct"},
		testenv.Options{Store: "postgres", Root: "pkcs11", Mode: "direct", Isolation: "inline"},
		testenv.Options{Store: "sqlite", Root: "file"},
		testenv.Options{Store: "postgres", Root: "file"},
	) {
		t.Run(o.String(), func(t *testing.T) {
			t.Parallel()
			if o.Root == "file" {
				o.RootLines = fmt.Sprintf("passphrase = { file = %q }", secretFile(t, passphrase))
			}
			n := testenv.Start(t, o)
			keys := makeKeys(t, dial(t, n, "", ""))
			scan(t, places(t, n), keys) // while it runs, with the journal
			token := "claviger"
			if len(n.Tokens) > 0 {
				token = n.Tokens[0].Label
			}
			for _, args := range [][]string{{"domain", "rotate-key", "default"}, {"root", "rotate", token}, {"domain", "rotate-key", "system"}} {
				if out := n.CLI(t, args...); !strings.Contains(out, "is done") {
					t.Errorf("claviger %s: %s", strings.Join(args, " "), out)
				}
				scan(t, places(t, n), keys)
			}
			n.Stop(t)
			scan(t, places(t, n), keys)
			n.Restart(t)
			same(t, dial(t, n, "", ""), keys)
		})
	}
}

const passphrase = "a passphrase that the scan looks for"

// secretFile writes a secret where a configuration takes it from.
func secretFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestSecretsOfTheRootAreNowhere looks for PINs, passphrases and shares in the
// database, in the log, and in what the processes of a server show of themselves.
func TestSecretsOfTheRootAreNowhere(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		start func(t *testing.T) (n *testenv.Node, secrets map[string][]byte)
		// inEnvironment: an operator who gives a secret in the environment of the
		// server finds it there. It is not in that of a worker.
		inEnvironment bool
	}{
		{name: "a PIN in a file, module in a process", start: startWithPIN("process", false)},
		{name: "a PIN in a file, module inline", start: startWithPIN("inline", false)},
		{name: "a PIN in the environment", start: startWithPIN("process", true), inEnvironment: true},
		{name: "a passphrase", start: func(t *testing.T) (*testenv.Node, map[string][]byte) {
			n := testenv.Start(t, testenv.Options{Root: "file", RootLines: fmt.Sprintf("passphrase = { file = %q }", secretFile(t, passphrase))})
			return n, map[string][]byte{"the passphrase": []byte(passphrase)}
		}},
		{name: "shares", start: func(t *testing.T) (*testenv.Node, map[string][]byte) {
			folder, secrets := t.TempDir(), map[string][]byte{}
			n := testenv.Prepare(t, testenv.Options{Root: "file", RootLines: "shamir = { threshold = 2, shares = 3 }"}, "--shares-out", folder)
			n.RestartSealed(t)
			for i := 1; i <= 3; i++ {
				path := filepath.Join(folder, fmt.Sprintf("share-%d.txt", i))
				b, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				secrets[fmt.Sprintf("share %d", i)] = bytes.TrimSpace(b)
				if i <= 2 {
					n.CLI(t, "unseal", "--file", path)
				}
			}
			n.AwaitReady(t)
			n.Cert, n.Key = n.NewClient(t, "demo", "default")
			return n, secrets
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n, secrets := c.start(t)
			makeKeys(t, dial(t, n, "", ""))
			for where, content := range places(t, n) {
				for what, value := range secrets {
					if form := contains(content, value); form != "" {
						t.Errorf("%s is in %s, as %s", what, where, form)
					}
				}
			}
			for where, content := range processes(t, n) {
				for what, value := range secrets {
					shown := contains(content, value) != ""
					if want := c.inEnvironment && where == "environ of the server"; shown != want {
						t.Errorf("%s is in the %s: %t, want %t", what, where, shown, want)
					}
				}
			}
		})
	}
}

// startWithPIN starts a node whose PIN is in a file or in its environment.
func startWithPIN(isolation string, environment bool) func(t *testing.T) (*testenv.Node, map[string][]byte) {
	return func(t *testing.T) (*testenv.Node, map[string][]byte) {
		o := testenv.Options{Root: "pkcs11", Isolation: isolation}
		n := testenv.Start(t, o)
		if !environment {
			n.Stop(t)
			pin := fmt.Sprintf("{ file = %q }", secretFile(t, n.Tokens[0].PIN))
			n.SetRoot(t, strings.Replace(o.RootSection(n.Tokens[0]), `{ env = "CLAVIGER_TEST_PIN" }`, pin, 1))
			n.SetEnv("CLAVIGER_TEST_PIN=")
			n.Restart(t)
		}
		return n, map[string][]byte{"the PIN": []byte(n.Tokens[0].PIN)}
	}
}

// processes returns what the system shows of the processes of a server to those who
// may see it, by what it is.
func processes(t *testing.T, n *testenv.Node) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	show := func(dir, who string) {
		for _, file := range []string{"cmdline", "environ"} {
			b, err := os.ReadFile(filepath.Join(dir, file))
			if errors.Is(err, os.ErrPermission) {
				continue // what nobody may read shows nothing
			}
			if err != nil {
				t.Fatal(err)
			}
			found[file+" of "+who] = b
		}
	}
	server, workers := family(t, n)
	show(server, "the server")
	for i, dir := range workers {
		show(dir, fmt.Sprintf("worker %d", i+1))
	}
	config, err := os.ReadFile(filepath.Join(n.Dir, "claviger.toml"))
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Count(string(config), `isolation = "process"`); len(workers) != want {
		t.Errorf("%d worker processes are found, want %d", len(workers), want)
	}
	return found
}

// family returns the folders in /proc of a server and of its workers.
func family(t *testing.T, n *testenv.Node) (server string, workers []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil || len(all) == 0 {
		t.Skip("needs /proc")
	}
	for _, dir := range all {
		b, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		if args := strings.Split(string(b), "\x00"); len(args) > 3 && args[1] == "serve" && strings.HasPrefix(args[3], n.Dir+"/") {
			server = dir
		}
	}
	if server == "" {
		t.Fatal("the process of the server is not found")
	}
	for _, dir := range all {
		status, _ := os.ReadFile(filepath.Join(dir, "status"))
		if strings.Contains(string(status), "\nPPid:\t"+filepath.Base(server)+"\n") {
			workers = append(workers, dir)
		}
	}
	return server, workers
}

// killWorkers ends the workers of a server.
func killWorkers(t *testing.T, n *testenv.Node) {
	t.Helper()
	_, workers := family(t, n)
	for _, dir := range workers {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err == nil {
			err = syscall.Kill(pid, syscall.SIGKILL)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(workers) == 0 {
		t.Fatal("the server has no worker")
	}
}

const materialName = "name-of-a-key-that-the-scan-must-find"

// makeKeys registers and creates keys and returns their material.
func makeKeys(t *testing.T, c *client.Client) map[string][]byte {
	t.Helper()
	keys := map[string][]byte{}
	for i, text := range []string{"a-known-key-of-32-bytes-in-ascii", "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\xff", "'quoted\\key'%00;"} {
		o := &kmip.Object{Type: kmip.ObjectTypeSymmetricKey, Key: &kmip.KeyBlock{
			Format: kmip.KeyFormatTypeRaw, Material: secret.Copy([]byte(text)),
			Algorithm: kmip.CryptographicAlgorithmAES, LengthBits: int32(8 * len(text)),
		}}
		uid, err := c.Register(t.Context(), o, symmetric(materialName+strings.Repeat("+", i), 8*len(text)))
		if err != nil {
			t.Fatal(err)
		}
		keys[uid] = []byte(text)
	}
	for range 5 {
		uid, err := c.Create(t.Context(), symmetric("", 256))
		if err != nil {
			t.Fatal(err)
		}
		o, err := c.Get(t.Context(), uid, 0)
		if err != nil {
			t.Fatal(err)
		}
		keys[uid] = bytes.Clone(o.Key.Material.Reveal())
		if len(keys[uid]) != 32 {
			t.Fatalf("a key of %d bytes", len(keys[uid]))
		}
	}
	// A refusal and a failure are logged with what led to them.
	for uid := range keys {
		if err := c.Destroy(t.Context(), uid+"x"); err == nil {
			t.Error("destroyed what is not there")
		}
	}
	return keys
}

// symmetric are the attributes of a key that encrypts.
func symmetric(name string, bits int) kmip.Attributes {
	a := kmip.Attributes{
		kmip.NewAttribute(kmip.Enumeration(kmip.TagCryptographicAlgorithm, kmip.CryptographicAlgorithmAES)),
		kmip.NewAttribute(kmip.Integer(kmip.TagCryptographicLength, int32(bits))),
		kmip.NewAttribute(kmip.Mask(kmip.TagCryptographicUsageMask, kmip.CryptographicUsageMaskEncrypt|kmip.CryptographicUsageMaskDecrypt)),
	}
	if name != "" {
		a = append(a, kmip.NewAttribute(kmip.NameValue{Value: name, Type: kmip.NameTypeUninterpretedTextString}.Item()))
	}
	return a
}

// places returns what the server has written, by where it is.
func places(t *testing.T, n *testenv.Node) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	read := func(path string) {
		if b, err := os.ReadFile(path); err == nil {
			found[filepath.Base(path)] = b
		}
	}
	read(n.Log)
	if strings.HasPrefix(n.StoreURL, "postgres:") {
		dump, err := exec.CommandContext(t.Context(), pgDump(t), "--dbname", n.StoreURL, "--no-owner").Output()
		if err != nil {
			t.Fatalf("pg_dump: %v", err)
		}
		found["pg_dump"] = dump
		return found
	}
	path := strings.TrimPrefix(n.StoreURL, "sqlite:")
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		read(path + suffix)
	}
	return found
}

func pgDump(t *testing.T) string {
	t.Helper()
	installed, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pg_dump")
	if len(installed) > 0 {
		return installed[len(installed)-1]
	}
	path, err := exec.LookPath("pg_dump")
	if err != nil {
		testenv.Require(t, "postgres", "no pg_dump")
	}
	return path
}

// scan fails when a key is anywhere, in any form, and when the name of an
// object is not found, which would mean that the scan is blind.
func scan(t *testing.T, places map[string][]byte, keys map[string][]byte) {
	t.Helper()
	sees := false
	for where, content := range places {
		sees = sees || contains(content, []byte(materialName)) != ""
		for uid, material := range keys {
			if form := contains(content, material); form != "" {
				t.Errorf("the key %s is in %s, as %s", uid, where, form)
			}
			// Half of a key is a key that is half known.
			if form := contains(content, material[:len(material)/2]); form != "" {
				t.Errorf("the first half of the key %s is in %s, as %s", uid, where, form)
			}
		}
	}
	if !sees {
		t.Error("the scan does not even find the name of a key: it is blind")
	}
}

// contains names the form in which a value is in a text, or is empty.
func contains(content, value []byte) string {
	lower := bytes.ToLower(content)
	switch {
	case bytes.Contains(content, value):
		return "its bytes"
	case bytes.Contains(lower, []byte(hex.EncodeToString(value))):
		return "hexadecimal"
	}
	// Base 64 of a longer text has these characters at one of three offsets.
	for shift := range 3 {
		padded := append(make([]byte, shift), value...)
		for name, e := range map[string]*base64.Encoding{"base 64": base64.RawStdEncoding, "base 64 for URLs": base64.RawURLEncoding} {
			text := e.EncodeToString(padded)
			from := (shift*8 + 5) / 6
			to := len(padded) * 8 / 6
			if bytes.Contains(content, []byte(text[from:to])) {
				return name
			}
		}
	}
	return ""
}

// TestScanSees proves that each form of a key would be found.
func TestScanSees(t *testing.T) {
	t.Parallel()
	key := []byte("0123456789abcdef\xff\x00\xfe")
	for name, text := range map[string]string{
		"bytes":           "x" + string(key) + "y",
		"hex":             "x" + hex.EncodeToString(key) + "y",
		"hex in capitals": strings.ToUpper(hex.EncodeToString(key)),
		"base 64":         base64.StdEncoding.EncodeToString(key),
		"shifted by 1":    base64.StdEncoding.EncodeToString([]byte("x" + string(key) + "tail")),
		"shifted by 2":    base64.URLEncoding.EncodeToString([]byte("xy" + string(key) + "tail")),
	} {
		if contains([]byte(text), key) == "" {
			t.Errorf("%s: not found in %q", name, text)
		}
	}
	if form := contains([]byte("nothing of it 0123456789abcde"), key); form != "" {
		t.Errorf("found as %s where it is not", form)
	}
}
