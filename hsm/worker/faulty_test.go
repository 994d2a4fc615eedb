//go:build unix

package worker_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/hsm/soft"
	"github.com/claviger/claviger/hsm/worker"
	"github.com/claviger/claviger/kmip/secret"
)

// roleVar tells the test program what to be instead.
const roleVar = "CLAVIGER_WORKER_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVar) {
	case "worker":
		if err := worker.Run(context.Background(), openFaulty); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	case "server":
		beServer()
	}
	os.Exit(m.Run())
}

// params tells a worker of the tests what to open.
type params struct {
	Dir  string // of its token and of the marks of faults that happen once
	Tell bool   // implement worker.Hanging
}

// fault is how the next workers open their token; files in Dir are set by tests.
func (p params) fault() string {
	raw, _ := os.ReadFile(filepath.Join(p.Dir, "fault"))
	return string(raw)
}

// once reports whether something happens for the first time in any worker.
func (p params) once(what string) bool {
	f, err := os.OpenFile(filepath.Join(p.Dir, "once-"+what), os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return false
	}
	return f.Close() == nil
}

// faulty is a soft token whose faults are chosen by the identifier in Find,
// Destroy and Generate.
type faulty struct {
	hsm.Token
	p params

	mu    sync.Mutex
	since time.Time // an operation was given up and hangs
}

type telling struct{ *faulty }

func (f telling) HangingSince() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.since
}

func openFaulty(ctx context.Context, raw []byte, pin worker.PINSource) (hsm.Token, error) {
	var p params
	if err := json.Unmarshal(raw, &p); err != nil {
		return nil, err
	}
	fmt.Fprintln(os.Stdout, "module: a line on standard output")
	file := "token"
	switch p.fault() {
	case "other token":
		file = "other"
	case "crash before login":
		crash()
	case "fail before login":
		return nil, fmt.Errorf("open faulty token: %w", hsm.ErrUnavailable)
	}
	got, err := pin(ctx)
	if err != nil {
		return nil, err
	}
	defer got.Destroy()
	switch p.fault() {
	case "crash in login":
		crash()
	case "hang in login":
		select {}
	case "fail in login":
		return nil, fmt.Errorf("log in: %w", hsm.ErrUnavailable)
	}
	if string(got.Reveal()) != "1234" {
		return nil, fmt.Errorf("log in: CKR_PIN_INCORRECT: %w", hsm.ErrPIN)
	}
	path := filepath.Join(p.Dir, file)
	token, err := soft.Open(path, soft.Options{})
	if errors.Is(err, hsm.ErrNotFound) {
		token, err = soft.Create(path, soft.Options{})
	}
	f := &faulty{Token: token, p: p}
	if p.Tell {
		return telling{f}, err
	}
	return f, err
}

func crash() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGABRT)
	select {}
}

func (f *faulty) Find(ctx context.Context, id string) (hsm.Key, error) {
	switch {
	case id == "crash", id == "crash once" && f.p.once(id):
		crash()
	case id == "hang", id == "hang once" && f.p.once(id): // against the contract
		select {}
	case id == "given up", id == "given up once" && f.p.once(id):
		<-ctx.Done()
		f.mu.Lock()
		f.since = time.Now()
		f.mu.Unlock()
		return hsm.Key{}, fmt.Errorf("find: %w", hsm.ContextErr(ctx))
	case id == "crowd": // waits for a session, and nothing hangs
		<-ctx.Done()
		return hsm.Key{}, fmt.Errorf("find: %w", hsm.ContextErr(ctx))
	case id == "slow":
		time.Sleep(100 * time.Millisecond)
	case id == "very slow once" && f.p.once(id):
		time.Sleep(10 * time.Second)
	case id == "pin":
		return hsm.Key{}, fmt.Errorf("log in: %w", hsm.ErrPIN)
	case id == "worker":
		return hsm.Key{ID: strconv.Itoa(os.Getpid())}, nil
	case id == "talk":
		fmt.Fprintln(os.Stderr, strings.Repeat("x", 5000))
	}
	return hsm.Key{ID: id}, nil
}

func (f *faulty) Destroy(ctx context.Context, id string) error {
	if id == "crash once" && f.p.once("destroy") {
		crash()
	}
	return f.Token.Destroy(ctx, id)
}

// rig is a token in a worker, for one test.
type rig struct {
	*worker.Token
	t      testing.TB
	params params
	logins atomic.Int32
	pin    atomic.Pointer[string]
	log    logBuffer
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

const testTimeout = 1500 * time.Millisecond

func newRig(t testing.TB) *rig {
	r := &rig{t: t, params: params{Dir: t.TempDir()}}
	pin := "1234"
	r.pin.Store(&pin)
	return r
}

func (r *rig) config() worker.Config {
	raw, err := json.Marshal(r.params)
	if err != nil {
		r.t.Fatal(err)
	}
	return worker.Config{
		Command: func() *exec.Cmd {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), roleVar+"=worker")
			return cmd
		},
		Params: raw,
		PIN: func(context.Context) (*secret.Bytes, error) {
			r.logins.Add(1)
			return secret.Copy([]byte(*r.pin.Load())), nil
		},
		Name: `token "faulty"`, Timeout: testTimeout, GenerateTimeout: 5 * time.Second, StartTimeout: 10 * time.Second,
		Log: slog.New(slog.NewTextHandler(&r.log, nil)),
	}
}

// open opens the token of the rig.
func (r *rig) open() *rig {
	r.t.Helper()
	token, err := worker.Open(r.t.Context(), r.config())
	if err != nil {
		r.t.Fatalf("Open: %v\n%s", err, r.log.String())
	}
	r.Token = token
	r.t.Cleanup(func() { _ = token.Close() })
	return r
}

// setFault says how workers open their token from now on.
func (r *rig) setFault(fault string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.params.Dir, "fault"), []byte(fault), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// pid is the process of the worker.
func (r *rig) pid() int {
	r.t.Helper()
	k, err := r.Find(r.t.Context(), "worker")
	if err != nil {
		r.t.Fatalf("Find: %v\n%s", err, r.log.String())
	}
	pid, err := strconv.Atoi(k.ID)
	if err != nil {
		r.t.Fatal(err)
	}
	return pid
}

// eventually waits for something that takes a while.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

// alive reports whether a process runs.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return syscall.Kill(pid, 0) == nil && !errors.Is(err, os.ErrNotExist)
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z")
}
