// Package pkcs11fault is a PKCS#11 module that does what SoftHSM does, except
// where a test wants a fault: an error code, a call that hangs or kills the
// process, another key's handle, a mechanism that the token lacks. It is a
// shared object, so it works in this process and in its children, through
// every binding.
//
// The faults are rules, one a line, in force until the next Set:
//
//	C_Decrypt fail 0x30 3   the next 3 calls return the code; without a number, all
//	C_Decrypt lose 0x30     the call is done, and returns the code nevertheless
//	C_Decrypt hang          the call waits until the rules change, and is done then
//	C_Sign crash            the process aborts
//	C_DecryptInit stale     the call is made with a handle that nothing has
//	C_DecryptInit stale 7 1 the next call is made with handle 7
//	C_Login sleep 50        the call takes 50 ms longer
//	hide 0x1087             the token does not have the mechanism
//	C_EncryptInit nonce 7   AES-GCM with a nonce from outside is refused by the code;
//	                        in the place of 12 zeros C_Encrypt writes a random one
//	C_EncryptInit zero 7    the same, but it encrypts by the zeros
//
// The function * means all of them; hang and crash take a number too. A binding
// may call a function twice for one operation, to ask for a length first:
// github.com/miekg/pkcs11 does so for C_Encrypt, C_Decrypt, C_Sign and C_WrapKey.
package pkcs11fault

import (
	_ "embed"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/claviger/claviger/testenv"
)

//go:embed module/fault.c
var source []byte

// The state file, as module/fault.c maps it: eight bytes for the generation,
// then what is left of each rule, then the counters.
const (
	maxRules   = 64
	leftOffset = 8
	countStart = leftOffset + 8*maxRules
)

// Module is the module with faults over a token's own.
type Module struct {
	Path  string // of the PKCS#11 library
	token testenv.SoftHSMToken
	t     testing.TB // fails when a rule is wrong or the state cannot be written
}

// built is the one module of this process: a process initialises a module path
// once, and the module reads its environment once.
var built struct {
	sync.Mutex
	path, control string
	functions     []string
	generation    uint64
	err           error
}

// New returns the module over the token's, without faults. Faults are those of
// the process: one test at a time can have them. It skips the test if there is
// no gcc.
func New(t testing.TB, token testenv.SoftHSMToken) *Module {
	t.Helper()
	if _, err := exec.LookPath("gcc"); err != nil {
		testenv.Require(t, "gcc", "a C compiler builds the PKCS#11 module with faults")
	}
	built.Lock()
	if built.path == "" && built.err == nil {
		built.err = build()
	}
	err := built.err
	built.Unlock()
	if err != nil {
		t.Fatalf("PKCS#11 module with faults: %v", err)
	}
	m := &Module{Path: built.path, token: token, t: t}
	for name, value := range m.environment() {
		if err := os.Setenv(name, value); err != nil {
			t.Fatal(err)
		}
	}
	m.Clear()
	t.Cleanup(m.Clear)
	return m
}

func (m *Module) environment() map[string]string {
	return map[string]string{"CLAVIGER_FAULT_MODULE": m.token.Module, "CLAVIGER_FAULT_CONTROL": built.control}
}

// Env is what a child process needs in its environment to see token and faults.
func (m *Module) Env() []string {
	env := m.token.Env()
	for name, value := range m.environment() {
		env = append(env, name+"="+value)
	}
	return env
}

const prefix = "claviger-fault-"

// build compiles the module, with the headers of the binding. The caller holds
// the lock.
func build() error {
	sweep()
	headers, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/miekg/pkcs11").Output()
	if err != nil {
		return fmt.Errorf("headers of PKCS#11: %w", err)
	}
	include := strings.TrimSpace(string(headers))
	list, err := os.ReadFile(filepath.Join(include, "pkcs11f.h"))
	if err != nil {
		return err
	}
	for _, m := range regexp.MustCompile(`(?m)^CK_PKCS11_FUNCTION_INFO\((C_\w+)\)`).FindAllSubmatch(list, -1) {
		built.functions = append(built.functions, string(m[1]))
	}
	dir, err := os.MkdirTemp("", prefix+strconv.Itoa(os.Getpid())+"-")
	if err != nil {
		return err
	}
	code, library := filepath.Join(dir, "fault.c"), filepath.Join(dir, "libclaviger-fault.so")
	if err := os.WriteFile(code, source, 0o600); err != nil {
		return err
	}
	out, err := exec.Command("gcc", "-O1", "-fPIC", "-shared", "-I", include, "-o", library, code, "-ldl", "-lpthread").CombinedOutput()
	if err != nil {
		return fmt.Errorf("gcc: %w: %s", err, out)
	}
	built.control = filepath.Join(dir, "control")
	if err := os.WriteFile(built.control+".state", make([]byte, countStart+8*len(built.functions)), 0o600); err != nil {
		return err
	}
	built.path = library
	return nil
}

// sweep removes the directories of test processes that have ended: a process
// cannot remove its own while the module is mapped.
func sweep() {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*"))
	for _, dir := range dirs {
		pid, err := strconv.Atoi(strings.Split(strings.TrimPrefix(filepath.Base(dir), prefix), "-")[0])
		if err == nil && syscall.Kill(pid, 0) == syscall.ESRCH {
			_ = os.RemoveAll(dir)
		}
	}
}

// Set puts rules in the place of those in force, lets calls go that hang, and
// begins to count anew.
func (m *Module) Set(lines ...string) {
	m.t.Helper()
	built.Lock()
	defer built.Unlock()
	if err := set(lines); err != nil {
		m.t.Errorf("faults %q: %v", lines, err)
	}
}

// set writes rules down. The caller holds the lock.
func set(lines []string) error {
	if len(lines) > maxRules {
		return fmt.Errorf("%d rules, %d are possible", len(lines), maxRules)
	}
	built.generation++
	state := make([]byte, countStart+8*len(built.functions))
	binary.NativeEndian.PutUint64(state, built.generation)
	var text strings.Builder
	for i, line := range lines {
		rule, left, err := parse(line)
		if err != nil {
			return err
		}
		text.WriteString(rule + "\n")
		binary.NativeEndian.PutUint64(state[leftOffset+8*i:], left)
	}
	f, err := os.OpenFile(built.control+".state", os.O_WRONLY, 0)
	if err == nil {
		err = os.WriteFile(built.control, []byte(text.String()), 0o600)
	}
	if err == nil { // the generation last
		_, err = f.WriteAt(state[8:], 8)
	}
	if err == nil {
		_, err = f.WriteAt(state[:8], 0)
	}
	if err == nil {
		err = f.Close()
	}
	return err
}

// Clear ends all faults.
func (m *Module) Clear() { m.Set() }

// Count is how often the function was called since the last Set or Clear.
func (m *Module) Count(function string) int {
	m.t.Helper()
	built.Lock()
	defer built.Unlock()
	at := slices.Index(built.functions, function)
	f, err := os.Open(built.control + ".state")
	if err != nil || at < 0 {
		m.t.Errorf("no counter of %s: %v", function, err)
		return -1
	}
	defer func() { _ = f.Close() }()
	var count [8]byte
	if _, err := f.ReadAt(count[:], int64(countStart+8*at)); err != nil {
		m.t.Errorf("counter of %s: %v", function, err)
		return -1
	}
	return int(binary.NativeEndian.Uint64(count[:]))
}

// arguments tells which actions have one.
var arguments = map[string]bool{"fail": true, "lose": true, "stale": true, "sleep": true, "hide": true, "nonce": true, "zero": true, "hang": false, "crash": false}

// parse brings a rule into the form of four fields that the module reads, and
// returns how many calls it is for.
func parse(line string) (rule string, left uint64, err error) {
	fields := strings.Fields(line)
	if len(fields) == 2 && fields[0] == "hide" {
		fields = []string{"*", "hide", fields[1]}
	}
	wrong := func(why string) (string, uint64, error) { return "", 0, fmt.Errorf("rule %q: %s", line, why) }
	if len(fields) < 2 {
		return wrong("want a function and what it does")
	}
	if fields[0] != "*" && !slices.Contains(built.functions, fields[0]) {
		return wrong("no such function")
	}
	takes, known := arguments[fields[1]]
	if !known {
		return wrong("no such fault")
	}
	out, rest := []string{fields[0], fields[1], "0"}, fields[2:]
	if takes && len(rest) > 0 {
		out[2], rest = rest[0], rest[1:]
		if _, err := strconv.ParseUint(out[2], 0, 63); err != nil {
			return wrong(err.Error())
		}
	}
	if len(rest) == 1 {
		n, err := strconv.ParseUint(rest[0], 10, 31)
		if err != nil {
			return wrong(err.Error())
		}
		out, left, rest = append(out, rest[0]), n, nil
	}
	if len(rest) > 0 {
		return wrong("too many fields")
	}
	return strings.Join(out, " "), left, nil
}
