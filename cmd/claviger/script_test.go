package main

import (
	"bufio"
	"encoding/json"
	"errors"
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

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"claviger": main})
}

func TestScripts(t *testing.T) {
	servers := &servers{running: map[*testscript.TestScript]*exec.Cmd{}}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"start":   servers.start,
			"stop":    servers.stop,
			"exits":   exits,
			"capture": capture,
		},
		Setup: func(e *testscript.Env) error {
			e.Setenv("CLAVIGER_CONTEXT", "")
			return nil
		},
	})
}

// exits runs a command and wants an exit code: exits 2 claviger nonsense.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARGUMENT]…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		code = exit.ExitCode()
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

// capture keeps the output of the last command in a variable; with a second
// argument, one field of it as JSON.
func capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: capture NAME [FIELD]")
	}
	out := strings.TrimSpace(ts.ReadFile("stdout"))
	if len(args) == 2 {
		var fields map[string]any
		ts.Check(json.Unmarshal([]byte(out), &fields))
		out, _ = fields[args[1]].(string)
	}
	ts.Setenv(args[0], out)
}

// servers are those that scripts started; scripts run in parallel.
type servers struct {
	mu      sync.Mutex
	running map[*testscript.TestScript]*exec.Cmd // guarded by mu
}

func (s *servers) add(ts *testscript.TestScript, cmd *exec.Cmd) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running[ts] = cmd
}

// remove returns the server of a script; nil when it has none.
func (s *servers) remove(ts *testscript.TestScript) *exec.Cmd {
	s.mu.Lock()
	defer s.mu.Unlock()
	cmd := s.running[ts]
	delete(s.running, ts)
	return cmd
}

var readyLine = regexp.MustCompile(`^ready kmip=(\S+) https=(\S+) dir=(\S+)$`)

// start runs claviger dev until its ready line and sets KMIP and HTTPS.
func (s *servers) start(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("start cannot be expected to fail")
	}
	dir := ts.MkAbs("node")
	program := filepath.Join(filepath.SplitList(ts.Getenv("PATH"))[0], "claviger")
	cmd := exec.Command(program, append([]string{"dev", "--dir", dir, "--kmip", "127.0.0.1:0", "--https", "127.0.0.1:0"}, args...)...)
	cmd.Env = []string{"PATH=" + ts.Getenv("PATH"), "HOME=" + ts.Getenv("HOME"), "TMPDIR=" + ts.Getenv("TMPDIR")}
	log, err := os.Create(ts.MkAbs("node.log"))
	ts.Check(err)
	cmd.Stderr = log
	stdout, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	s.add(ts, cmd)
	ts.Defer(func() {
		if cmd := s.remove(ts); cmd != nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
		_ = log.Close()
	})
	line := make(chan string, 1)
	go func() {
		r := bufio.NewScanner(stdout)
		r.Scan()
		line <- r.Text()
	}()
	select {
	case text := <-line:
		m := readyLine.FindStringSubmatch(text)
		if m == nil {
			ts.Fatalf("ready line %q; log:\n%s", text, ts.ReadFile("node.log"))
		}
		ts.Setenv("KMIP", m[1])
		ts.Setenv("HTTPS", m[2])
	case <-time.After(time.Minute):
		ts.Fatalf("no ready line; log:\n%s", ts.ReadFile("node.log"))
	}
}

// stop ends the server by SIGTERM and wants exit code 0.
func (s *servers) stop(ts *testscript.TestScript, neg bool, _ []string) {
	cmd := s.remove(ts)
	if neg || cmd == nil {
		ts.Fatalf("no server was started")
	}
	ts.Check(cmd.Process.Signal(syscall.SIGTERM))
	if err := cmd.Wait(); err != nil {
		ts.Fatalf("after SIGTERM: %v; log:\n%s", err, ts.ReadFile("node.log"))
	}
}
