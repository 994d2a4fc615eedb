package testenv

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Options says what a node runs on.
type Options struct {
	Store   string // "sqlite", also when empty, or "postgres"
	Root    string // "software", also when empty, or "pkcs11"
	Interop bool   // allow the Interop operation
}

func (o Options) String() string {
	return cmp.Or(o.Store, "sqlite") + "-" + cmp.Or(o.Root, "software")
}

// Node is a server in a process of its own, as a user starts it.
type Node struct {
	KMIP, HTTPS string // addresses
	CA          string // path of the authority's certificate
	Cert, Key   string // paths of a client of the domain "default" that may do everything
	Context     string // path of the administrator's context
	Dir         string // what the server writes
	Log         string // path of what it has logged, over all its starts
	StoreURL    string

	args    []string
	env     []string
	config  string // path; empty for `claviger dev`
	program string

	cmd     *exec.Cmd
	ended   chan struct{} // closed when the process has ended and waitErr is set
	waitErr error
}

// startLimit bounds how long a server may take until it is ready, and to end.
const startLimit = 60 * time.Second

// Start runs a server on an empty store and ends it with the test, by SIGTERM,
// which must give exit code 0.
func Start(t testing.TB, o Options) *Node {
	t.Helper()
	dir := t.TempDir()
	n := &Node{Dir: dir, Log: filepath.Join(dir, "log"), program: Claviger(t), env: os.Environ()}
	n.StoreURL = "sqlite:" + filepath.Join(dir, "store.db")
	if o.Store == "postgres" {
		n.StoreURL = Postgres(t)
	}
	if o.Root == "pkcs11" {
		n.configure(t, o)
	} else {
		n.args = []string{"dev", "--dir", dir, "--kmip", "127.0.0.1:0", "--https", "127.0.0.1:0", "--store", n.StoreURL}
		if o.Interop {
			n.args = append(n.args, "--interop")
		}
		n.CA, n.Context = filepath.Join(dir, "pki", "ca.pem"), filepath.Join(dir, "admin.toml")
		n.Cert, n.Key = filepath.Join(dir, "pki", "clients", "demo", "cert.pem"), filepath.Join(dir, "pki", "clients", "demo", "key.pem")
	}
	t.Cleanup(func() { n.Stop(t) })
	n.run(t)
	if n.config != "" {
		n.Cert, n.Key = n.NewClient(t, "demo", "default")
	}
	return n
}

// configure prepares a node on a token by `claviger init`, for `serve`.
func (n *Node) configure(t testing.TB, o Options) {
	t.Helper()
	token := SoftHSM(t)
	n.env = append(n.env, token.Env()...)
	n.env = append(n.env, "CLAVIGER_TEST_PIN="+token.PIN)
	n.writeConfig(t, fmt.Sprintf(`kind = "pkcs11"
[[root.token]]
module = %q
label = %q
pin = { env = "CLAVIGER_TEST_PIN" }
`, token.Module, token.Label), o.Interop)
	n.initialise(t)
}

func (n *Node) writeConfig(t testing.TB, root string, interop bool) {
	t.Helper()
	pki := filepath.Join(n.Dir, "pki")
	n.config = filepath.Join(n.Dir, "claviger.toml")
	n.CA, n.Context = filepath.Join(pki, "ca.pem"), filepath.Join(pki, "admin.toml")
	n.args = []string{"serve", "--config", n.config}
	text := fmt.Sprintf(`[store]
url = %q
[root]
%s[kmip]
listen = "127.0.0.1:0"
interop = %t
[https]
listen = "127.0.0.1:0"
[pki]
dir = %q
`, n.StoreURL, root, interop, pki)
	if err := os.WriteFile(n.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (n *Node) initialise(t testing.TB) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), n.program, "init", "--config", n.config)
	cmd.Env = n.env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("claviger init: %v\n%s", err, out)
	}
}

// Join starts one more node on the same store and root key. Only Postgres is
// for several nodes.
func (n *Node) Join(t testing.TB) *Node {
	t.Helper()
	second := *n
	second.Dir = t.TempDir()
	second.Log = filepath.Join(second.Dir, "log")
	second.cmd, second.ended, second.waitErr = nil, nil, nil
	if n.config == "" {
		second.writeConfig(t, fmt.Sprintf("kind = \"software\"\nkey = { file = %q }\n", filepath.Join(n.Dir, "root.key")), false)
	} else {
		b, err := os.ReadFile(n.config)
		if err != nil {
			t.Fatal(err)
		}
		second.config = filepath.Join(second.Dir, "claviger.toml")
		second.args = []string{"serve", "--config", second.config}
		b = bytes.ReplaceAll(b, []byte(filepath.Join(n.Dir, "pki")), []byte(filepath.Join(second.Dir, "pki")))
		if err := os.WriteFile(second.config, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	second.initialise(t)
	second.Context, second.CA = n.Context, n.CA
	t.Cleanup(func() { second.Stop(t) })
	second.run(t)
	return &second
}

var readyLine = regexp.MustCompile(`^ready kmip=(\S+) https=(\S+) dir=(.+)$`)

// run starts the process and waits for its ready line.
func (n *Node) run(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(n.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), n.program, n.args...)
	cmd.Env, cmd.Stderr = n.env, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n.cmd, n.ended = cmd, make(chan struct{})
	ready := make(chan []string, 1)
	go func() {
		defer close(n.ended)
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			if m := readyLine.FindStringSubmatch(lines.Text()); m != nil {
				ready <- m
			}
		}
		n.waitErr = cmd.Wait()
	}()
	select {
	case m := <-ready:
		n.KMIP, n.HTTPS = m[1], m[2]
	case <-n.ended:
		t.Fatalf("the server ended before it was ready: %v\n%s", n.waitErr, n.logTail())
	case <-time.After(startLimit):
		n.Kill(t)
		t.Fatalf("the server was not ready within %v\n%s", startLimit, n.logTail())
	}
	if n.config != "" { // port 0 stands in the context
		n.setContextAddress(t)
	}
}

var contextAddress = regexp.MustCompile(`(?m)^address = .*$`)

func (n *Node) setContextAddress(t testing.TB) {
	t.Helper()
	b, err := os.ReadFile(n.Context)
	if err != nil {
		t.Fatal(err)
	}
	b = contextAddress.ReplaceAll(b, fmt.Appendf(nil, "address = %q", "https://"+n.HTTPS))
	if err := os.WriteFile(n.Context, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Stop ends the server by SIGTERM, as a service manager does. It is an error
// if it does not end with code 0. Stopping what has been stopped is nothing.
func (n *Node) Stop(t testing.TB) {
	t.Helper()
	if n.cmd == nil {
		return
	}
	_ = n.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-n.ended:
		if n.waitErr != nil {
			t.Errorf("the server ended by %v after SIGTERM, want exit code 0\n%s", n.waitErr, n.logTail())
		}
	case <-time.After(startLimit):
		t.Errorf("the server did not end within %v of SIGTERM\n%s", startLimit, n.logTail())
		_ = n.cmd.Process.Kill()
		<-n.ended
	}
	n.cmd = nil
	if t.Failed() {
		t.Logf("log of the server:\n%s", n.logTail())
	}
}

// Kill ends the server as a crash does.
func (n *Node) Kill(t testing.TB) {
	t.Helper()
	if n.cmd == nil {
		return
	}
	if err := n.cmd.Process.Kill(); err != nil {
		t.Errorf("kill the server: %v", err)
	}
	<-n.ended
	n.cmd = nil
}

// Restart starts a server that has ended again, on the same store. Its
// addresses change.
func (n *Node) Restart(t testing.TB) {
	t.Helper()
	if n.cmd != nil {
		t.Fatal("the server runs")
	}
	n.run(t)
}

// CLI runs the command line with the administrator's context and returns what
// it prints.
func (n *Node) CLI(t testing.TB, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), n.program, append([]string{"--context", n.Context}, args...)...)
	cmd.Env = n.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("claviger %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// NewClient makes a client that may do everything in its domain, and returns
// the paths of its certificate and key.
func (n *Node) NewClient(t testing.TB, name, domain string) (cert, key string) {
	t.Helper()
	dir := filepath.Join(n.Dir, "client-"+domain+"-"+name)
	n.CLI(t, "client", "create", name, "--domain", domain, "--out", dir)
	return filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
}

// TLS is the configuration of a client with a certificate; that of the demo
// client if cert is empty.
func (n *Node) TLS(t testing.TB, cert, key string) *tls.Config {
	t.Helper()
	if cert == "" {
		cert, key = n.Cert, n.Key
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(n.CA)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		t.Fatalf("%s has no certificate", n.CA)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, Certificates: []tls.Certificate{pair}}
}

// logTail is the end of the log.
func (n *Node) logTail() []byte {
	b, err := os.ReadFile(n.Log)
	if err != nil {
		return []byte(err.Error())
	}
	return b[max(0, len(b)-8<<10):]
}

// Claviger returns the path of the program, built once for this test process,
// or that of CLAVIGER_TEST_BINARY.
func Claviger(t testing.TB) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatalf("build claviger: %v", err)
	}
	return path
}

const programPrefix = "claviger-program-"

var build = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("CLAVIGER_TEST_BINARY"); path != "" {
		return filepath.Abs(path)
	}
	// A process cannot remove its own: those of processes that have ended go.
	old, _ := filepath.Glob(filepath.Join(os.TempDir(), programPrefix+"*"))
	for _, dir := range old {
		pid, err := strconv.Atoi(strings.Split(strings.TrimPrefix(filepath.Base(dir), programPrefix), "-")[0])
		if err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			_ = os.RemoveAll(dir)
		}
	}
	dir, err := os.MkdirTemp("", programPrefix+strconv.Itoa(os.Getpid())+"-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "claviger")
	out, err := exec.Command("go", "build", "-o", path, "github.com/claviger/claviger/cmd/claviger").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})
