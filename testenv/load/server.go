package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/claviger/claviger/kmip/custody/pki"
)

// server is a server that runs.
type server struct {
	name    string
	address string
	tls     *tls.Config
	stop    func()
}

var readyLine = regexp.MustCompile(`^ready kmip=(\S+) `)

func startClaviger(ctx context.Context, o options, dir string) (*server, error) {
	program := filepath.Join(dir, "claviger")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, "github.com/claviger/claviger/cmd/claviger")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build claviger: %w\n%s", err, out)
	}
	data := filepath.Join(dir, "claviger-dev")
	args := []string{"dev", "--dir", data, "--kmip", "127.0.0.1:0", "--https", "127.0.0.1:0"}
	if o.store != "" {
		args = append(args, "--store", o.store)
	}
	cmd := exec.Command(program, args...) //nolint:noctx // ended by stop
	own(cmd)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{name: "Claviger", stop: stopper(cmd)}
	line, err := bufio.NewReader(out).ReadString('\n')
	m := readyLine.FindStringSubmatch(line)
	if err != nil || m == nil {
		s.stop()
		return nil, fmt.Errorf("claviger dev printed %q, %w", line, err)
	}
	s.address = m[1]
	demo := filepath.Join(data, "pki", "clients", "demo")
	s.tls, err = clientTLS(filepath.Join(data, "pki", "ca.pem"), filepath.Join(demo, "cert.pem"), filepath.Join(demo, "key.pem"))
	return s, err
}

// startPyKMIP starts PyKMIP's server with certificates of an authority for it
// alone. Its log is the one that it has by default, at the level ERROR.
func startPyKMIP(ctx context.Context, o options, dir string) (*server, error) {
	ca, cert, key := filepath.Join(dir, "py-ca.pem"), filepath.Join(dir, "py-server.pem"), filepath.Join(dir, "py-server.key")
	clientCert, clientKey := filepath.Join(dir, "py-client.pem"), filepath.Join(dir, "py-client.key")
	authority, err := pki.NewAuthority("load", time.Now())
	if err != nil {
		return nil, err
	}
	serverPair, err := authority.IssueServer(nil, time.Now())
	if err != nil {
		return nil, err
	}
	clientPair, err := authority.IssueClient("load", nil, time.Now())
	if err != nil {
		return nil, err
	}
	if err := errors.Join(writePEM(ca, "CERTIFICATE", authority.Certificate.Raw),
		writePair(cert, key, serverPair.Certificate, serverPair.Key), writePair(clientCert, clientKey, clientPair.Certificate, clientPair.Key)); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // for a free port
	if err != nil {
		return nil, err
	}
	host, port, _ := net.SplitHostPort(l.Addr().String())
	if err := l.Close(); err != nil {
		return nil, err
	}
	policies := filepath.Join(dir, "py-policies")
	conf := fmt.Sprintf(`[server]
hostname=%s
port=%s
certificate_path=%s
key_path=%s
ca_path=%s
auth_suite=TLS1.2
policy_path=%s
enable_tls_client_auth=True
logging_level=ERROR
database_path=%s
`, host, port, cert, key, ca, policies, filepath.Join(dir, "py.db"))
	config := filepath.Join(dir, "py.conf")
	if err := errors.Join(os.Mkdir(policies, 0o700), os.WriteFile(config, []byte(conf), 0o600)); err != nil {
		return nil, err
	}
	script := "import sys; from kmip.services.server.server import main; sys.argv = ['pykmip-server', '-f', sys.argv[1], '-l', sys.argv[2]]; main()"
	cmd := exec.Command(o.python, "-W", "ignore", "-c", script, config, filepath.Join(dir, "py.log")) //nolint:noctx // ended by stop
	own(cmd)
	var errs strings.Builder
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{name: "PyKMIP", address: net.JoinHostPort(host, port), stop: stopper(cmd)}
	if s.tls, err = clientTLS(ca, clientCert, clientKey); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		c, err := dial(ctx, s)
		if err == nil {
			return s, c.Close()
		}
		if time.Now().After(deadline) {
			s.stop()
			log, _ := os.ReadFile(filepath.Join(dir, "py.log"))
			return nil, fmt.Errorf("PyKMIP's server does not answer: %w\n%s\n%s", err, errs.String(), log)
		}
	}
}

// own puts a process and its children into a group of their own: PyKMIP forks,
// and its children do not end with it.
func own(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second
}

// stopper ends a process that we started, with its children.
func stopper(cmd *exec.Cmd) func() {
	return func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(5*time.Second, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
		_ = cmd.Wait()
		kill.Stop()
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
}

func writePair(certPath, keyPath string, cert *x509.Certificate, key any) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(writePEM(certPath, "CERTIFICATE", cert.Raw), writePEM(keyPath, "PRIVATE KEY", der))
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

func clientTLS(ca, cert, key string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("%s has no certificate", ca)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, Certificates: []tls.Certificate{pair}}, nil
}
