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
	Root    string // "software", also when empty: claviger dev; "pkcs11"; or "file": a software root key by init and serve
	Interop bool   // allow the Interop operation

	// For tokens: how many (1 when 0), the mode of new domains, how modules run,
	// and further lines of [root] and of each [[root.token]].
	Tokens    int
	Spare     int // tokens that are there and not in the configuration
	Mode      string
	Isolation string
	RootLines string
	Lines     string
}

func (o Options) String() string {
	name := cmp.Or(o.Store, "sqlite") + "-" + cmp.Or(o.Root, "software")
	for _, more := range []string{o.Mode, o.Isolation} {
		if more != "" {
			name += "-" + more
		}
	}
	return name
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
	Tokens      []SoftHSMToken // of a node on tokens

	interop bool
	args    []string
	env     []string
	config  string // path; empty for `claviger dev`
	program string

	lines   <-chan string // of a server that is sealed
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
	n := Prepare(t, o)
	n.run(t)
	if n.config != "" {
		n.Cert, n.Key = n.NewClient(t, "demo", "default")
	}
	return n
}

// Prepare is Start without the start; init are further arguments of claviger init,
// where that is run.
func Prepare(t testing.TB, o Options, init ...string) *Node {
	t.Helper()
	dir := t.TempDir()
	n := &Node{Dir: dir, Log: filepath.Join(dir, "log"), program: Claviger(t), env: os.Environ(), interop: o.Interop}
	n.StoreURL = "sqlite:" + filepath.Join(dir, "store.db")
	if o.Store == "postgres" {
		n.StoreURL = Postgres(t)
	}
	switch o.Root {
	case "pkcs11":
		configured := max(o.Tokens, 1)
		n.Tokens = SoftHSMFor(t, configured+o.Spare)
		n.env = append(n.env, n.Tokens[0].Env()...)
		n.env = append(n.env, "CLAVIGER_TEST_PIN="+n.Tokens[0].PIN)
		n.SetRoot(t, o.RootSection(n.Tokens[:configured]...))
		n.Init(t, init...)
	case "file":
		n.SetRoot(t, n.SoftwareSection(o.RootLines))
		n.Init(t, init...)
	default:
		n.args = []string{"dev", "--dir", dir, "--kmip", "127.0.0.1:0", "--https", "127.0.0.1:0", "--store", n.StoreURL}
		if o.Interop {
			n.args = append(n.args, "--interop")
		}
		n.CA, n.Context = filepath.Join(dir, "pki", "ca.pem"), filepath.Join(dir, "admin.toml")
		n.Cert, n.Key = filepath.Join(dir, "pki", "clients", "demo", "cert.pem"), filepath.Join(dir, "pki", "clients", "demo", "key.pem")
	}
	t.Cleanup(func() { n.Stop(t) })
	return n
}

// RootSection is the section [root] of a node on the given tokens.
func (o Options) RootSection(tokens ...SoftHSMToken) string {
	var b strings.Builder
	fmt.Fprintf(&b, "kind = \"pkcs11\"\nmode = %q\n%s\n", cmp.Or(o.Mode, "envelope"), o.RootLines)
	for _, token := range tokens {
		fmt.Fprintf(&b, "[[root.token]]\nmodule = %q\nlabel = %q\npin = { env = \"CLAVIGER_TEST_PIN\" }\nisolation = %q\n%s\n",
			token.Module, token.Label, cmp.Or(o.Isolation, "process"), o.Lines)
	}
	return b.String()
}

// SoftwareSection is the section [root] of a node with a software root key.
func (n *Node) SoftwareSection(lines string) string {
	return fmt.Sprintf("kind = \"software\"\nkey = { file = %q }\n%s\n", filepath.Join(n.Dir, "root.key"), lines)
}

// SetRoot writes the configuration of a node with another section [root], for the
// next start.
func (n *Node) SetRoot(t testing.TB, root string) {
	t.Helper()
	n.writeConfig(t, root, n.interop)
}

// SetEnv sets a variable of the server, for the next start.
func (n *Node) SetEnv(variables ...string) { n.env = append(n.env, variables...) }

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

// Init runs claviger init with further arguments.
func (n *Node) Init(t testing.TB, args ...string) {
	t.Helper()
	if out, err := n.TryInit(t, args...); err != nil {
		t.Fatalf("claviger init: %v\n%s", err, out)
	}
}

// TryInit is Init for what may be refused.
func (n *Node) TryInit(t testing.TB, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), n.program, append([]string{"init", "--config", n.config}, args...)...)
	cmd.Env = n.env
	out, err := cmd.CombinedOutput()
	return string(out), err
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
	second.Init(t)
	second.Context, second.CA = n.Context, n.CA
	t.Cleanup(func() { second.Stop(t) })
	second.run(t)
	return &second
}

var readyLine = regexp.MustCompile(`^ready kmip=(\S+) https=(\S+) dir=(.+)$`)

var sealedLine = regexp.MustCompile(`^sealed https=(\S+) dir=(.+)$`)

// run starts the process and waits for its ready line.
func (n *Node) run(t testing.TB) {
	t.Helper()
	n.await(t, n.launch(t), readyLine)
}

// RestartSealed starts a server that has ended again, whose root of trust is
// away, and waits until it says that it is sealed.
func (n *Node) RestartSealed(t testing.TB) {
	t.Helper()
	n.lines = n.launch(t)
	n.await(t, n.lines, sealedLine)
}

// AwaitReady waits until a server that was sealed is ready.
func (n *Node) AwaitReady(t testing.TB) {
	t.Helper()
	n.await(t, n.lines, readyLine)
}

// launch starts the process and returns the lines that it prints.
func (n *Node) launch(t testing.TB) <-chan string {
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
	lines := make(chan string, 16)
	go func() {
		defer close(n.ended)
		s := bufio.NewScanner(stdout)
		for s.Scan() {
			lines <- s.Text()
		}
		n.waitErr = cmd.Wait()
	}()
	return lines
}

// await waits for a line, and notes the addresses in it.
func (n *Node) await(t testing.TB, lines <-chan string, form *regexp.Regexp) {
	t.Helper()
	limit := time.After(startLimit)
	for found := false; !found; {
		select {
		case line := <-lines:
			m := form.FindStringSubmatch(line)
			switch {
			case m == nil:
			case form == sealedLine:
				n.KMIP, n.HTTPS, found = "", m[1], true
			default:
				n.KMIP, n.HTTPS, found = m[1], m[2], true
			}
		case <-n.ended:
			t.Fatalf("the server ended before it said %s: %v\n%s", form, n.waitErr, n.logTail())
		case <-limit:
			n.Kill(t)
			t.Fatalf("the server did not say %s within %v\n%s", form, startLimit, n.logTail())
		}
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
	out, err := n.TryCLI(t, args...)
	if err != nil {
		t.Fatalf("claviger %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// TryCLI is CLI for what may be refused.
func (n *Node) TryCLI(t testing.TB, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), n.program, append([]string{"--context", n.Context}, args...)...)
	cmd.Env = n.env
	out, err := cmd.CombinedOutput()
	return string(out), err
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
