//go:build unix

package worker_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/claviger/claviger/hsm/worker"
	"github.com/claviger/claviger/kmip/secret"
)

// beServer opens a token in a worker, prints the worker's process, and waits to
// be killed.
func beServer() {
	raw, _ := json.Marshal(params{Dir: os.Getenv("CLAVIGER_WORKER_TEST_DIR")})
	token, err := worker.Open(context.Background(), worker.Config{
		Command: func() *exec.Cmd {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), roleVar+"=worker")
			return cmd
		},
		Params: raw,
		PIN:    func(context.Context) (*secret.Bytes, error) { return secret.Copy([]byte("1234")), nil },
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	k, _ := token.Find(context.Background(), "worker")
	fmt.Fprintln(os.Stdout, k.ID)
	go func() { _, _ = token.Find(context.Background(), "hang") }()
	select {}
}

func TestTheWorkerEndsWithTheServer(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVar+"=server", "CLAVIGER_WORKER_TEST_DIR="+t.TempDir())
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || !alive(pid) {
		t.Fatalf("the server says that its worker is %q", line)
	}
	time.Sleep(50 * time.Millisecond)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	eventually(t, "the worker ends", func() bool { return !alive(pid) })
}

func TestServeEndsWithTheConnection(t *testing.T) {
	ours, theirs := net.Pipe()
	done := make(chan error, 1)
	go func() { done <- worker.Serve(context.Background(), theirs, openFaulty) }()
	_ = ours.Close()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Error("Serve goes on")
	}
}

func TestServeRefusesNonsense(t *testing.T) {
	for _, in := range []string{"", "\x00\x00\x00\x00", "\xff\xff\xff\xff", "GET / HTTP/1.1\r\n\r\n", "\x00\x00\x00\x24" + strings.Repeat("\x03", 36)} {
		ours, theirs := net.Pipe()
		done := make(chan error, 1)
		go func() { done <- worker.Serve(context.Background(), theirs, openFaulty) }()
		go func() { _, _ = io.Copy(io.Discard, ours) }()
		_, _ = io.WriteString(ours, in)
		if in == "" {
			_ = ours.Close()
		}
		select {
		case err := <-done:
			if err == nil {
				t.Errorf("Serve of %q ends without error", in)
			}
		case <-time.After(5 * time.Second):
			t.Errorf("Serve of %q goes on", in)
		}
		_ = ours.Close()
	}
}
