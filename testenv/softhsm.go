package testenv

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// SoftHSMToken is a token of SoftHSM for one test.
type SoftHSMToken struct {
	Module string // path of the PKCS#11 library
	Label  string
	Serial string
	PIN    string
	SOPIN  string // of the security officer
	Conf   string // path of the configuration: SOFTHSM2_CONF
	Dir    string // where Conf and the tokens are
}

// Folder is where SoftHSM keeps the token: its name ends as the serial number.
func (s SoftHSMToken) Folder(t testing.TB) string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(s.Dir, "tokens", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range all {
		if strings.HasSuffix(strings.ReplaceAll(filepath.Base(dir), "-", ""), s.Serial) {
			return dir
		}
	}
	t.Fatalf("no folder of the token with serial number %s among %v", s.Serial, all)
	return ""
}

// Remove takes the token away, and returns how to put it back.
func (s SoftHSMToken) Remove(t testing.TB) (putBack func()) {
	t.Helper()
	dir := s.Folder(t)
	gone := filepath.Join(s.Dir, "removed-"+s.Serial)
	if err := os.Rename(dir, gone); err != nil {
		t.Fatal(err)
	}
	back := sync.OnceFunc(func() {
		if err := os.Rename(gone, dir); err != nil {
			t.Errorf("put the token back: %v", err)
		}
	})
	t.Cleanup(back)
	return back
}

// Env is what a child process needs in its environment to see the token.
func (s SoftHSMToken) Env() []string { return []string{"SOFTHSM2_CONF=" + s.Conf} }

// softHSMAtOnce is how many tokens can be in use at once in one process. SoftHSM
// looks for its tokens only when a process initialises the module, so they are
// made in advance, while no test uses it: softHSMBatch at a time, because each
// time costs programs that read all of them.
const (
	softHSMAtOnce = 8
	softHSMBatch  = 24
)

var softHSMModules = []string{
	"/usr/lib/softhsm/libsofthsm2.so",
	"/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
	"/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
	"/usr/lib64/softhsm/libsofthsm2.so",
	"/usr/lib64/pkcs11/libsofthsm2.so",
	"/usr/local/lib/softhsm/libsofthsm2.so",
	"/opt/homebrew/lib/softhsm/libsofthsm2.so",
}

// softHSM is what the tests of this process share.
var softHSM struct {
	sync.Mutex
	base SoftHSMToken   // without label and serial number
	free []SoftHSMToken // made and not given out
	used []SoftHSMToken // given out
	made int
	live int // given out to tests that have not ended
}

// SoftHSM returns a fresh token that no other test uses. It sets SOFTHSM2_CONF
// for this process, once, because SoftHSM reads it when it is initialised. The
// module is the one of CLAVIGER_TEST_SOFTHSM_MODULE or in a usual place.
func SoftHSM(t testing.TB) SoftHSMToken {
	t.Helper()
	softHSM.Lock()
	defer softHSM.Unlock()
	if softHSM.base.Dir == "" {
		base, err := softHSMBase()
		if errors.Is(err, errMissing) {
			Require(t, "softhsm", err.Error())
		} else if err != nil {
			t.Fatalf("SoftHSM: %v", err)
		}
		softHSM.base = base
	}
	if softHSM.live == 0 && len(softHSM.free) < softHSMAtOnce {
		softHSMClear()
		if err := softHSMMake(softHSMBatch - len(softHSM.free)); err != nil {
			t.Fatalf("SoftHSM: %v", err)
		}
	}
	if len(softHSM.free) == 0 {
		t.Fatalf("SoftHSM: more than %d tokens at once; close some before, or raise softHSMAtOnce", softHSMAtOnce)
	}
	token := softHSM.free[0]
	softHSM.free, softHSM.used = softHSM.free[1:], append(softHSM.used, token)
	softHSM.live++
	t.Cleanup(func() { // after the test has closed the token
		softHSM.Lock()
		defer softHSM.Unlock()
		softHSM.live--
	})
	return token
}

// SoftHSMFor returns fresh tokens for programs that the test starts, in a folder of
// their own: those of SoftHSM are for the process of the test itself.
func SoftHSMFor(t testing.TB, n int) []SoftHSMToken {
	t.Helper()
	base, err := softHSMFound()
	if err != nil {
		Require(t, "softhsm", err.Error())
	}
	if base, err = softHSMFolder(base, t.TempDir()); err != nil {
		t.Fatalf("SoftHSM: %v", err)
	}
	tokens, err := softHSMTokens(base, 0, n)
	if err != nil {
		t.Fatalf("SoftHSM: %v", err)
	}
	return tokens
}

// softHSMBase makes the folder of this process.
func softHSMBase() (SoftHSMToken, error) {
	base, err := softHSMFound()
	if err != nil {
		return base, err
	}
	softHSMSweep()
	dir, err := os.MkdirTemp("", softHSMPrefix+strconv.Itoa(os.Getpid())+"-")
	if err != nil {
		return base, err
	}
	if base, err = softHSMFolder(base, dir); err != nil {
		return base, err
	}
	return base, os.Setenv("SOFTHSM2_CONF", base.Conf)
}

// softHSMFound finds SoftHSM.
func softHSMFound() (SoftHSMToken, error) {
	base := SoftHSMToken{Module: os.Getenv("CLAVIGER_TEST_SOFTHSM_MODULE"), PIN: "2718281828", SOPIN: "3141592653"}
	if base.Module == "" {
		for _, path := range softHSMModules {
			if _, err := os.Stat(path); err == nil {
				base.Module = path
				break
			}
		}
	}
	if base.Module == "" {
		return base, fmt.Errorf("SoftHSM's module is %w: install SoftHSM 2 or set CLAVIGER_TEST_SOFTHSM_MODULE", errMissing)
	}
	if _, err := exec.LookPath("softhsm2-util"); err != nil {
		return base, fmt.Errorf("softhsm2-util is %w: install SoftHSM 2", errMissing)
	}
	return base, nil
}

// softHSMFolder configures SoftHSM to keep its tokens in a folder.
func softHSMFolder(base SoftHSMToken, dir string) (SoftHSMToken, error) {
	base.Dir, base.Conf = dir, filepath.Join(dir, "softhsm2.conf")
	tokens := filepath.Join(dir, "tokens")
	if err := os.Mkdir(tokens, 0o700); err != nil {
		return base, err
	}
	conf := "directories.tokendir = " + tokens + "\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n"
	return base, os.WriteFile(base.Conf, []byte(conf), 0o600)
}

const softHSMPrefix = "claviger-softhsm-"

// softHSMSweep removes the directories of test processes that have ended: a
// process cannot remove its own, because the module may use it to the end.
func softHSMSweep() {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), softHSMPrefix+"*"))
	for _, dir := range dirs {
		pid, err := strconv.Atoi(strings.Split(strings.TrimPrefix(filepath.Base(dir), softHSMPrefix), "-")[0])
		if err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			_ = os.RemoveAll(dir)
		}
	}
}

// softHSMClear removes the tokens of tests that have ended. SoftHSM names their
// directories so that they end as the serial number. The caller holds the lock.
func softHSMClear() {
	dirs, _ := filepath.Glob(filepath.Join(softHSM.base.Dir, "tokens", "*"))
	for _, token := range softHSM.used {
		for _, dir := range dirs {
			if strings.HasSuffix(strings.ReplaceAll(filepath.Base(dir), "-", ""), token.Serial) {
				_ = os.RemoveAll(dir)
			}
		}
	}
	softHSM.used = nil
}

// softHSMMake makes n tokens. The caller holds the lock.
func softHSMMake(n int) error {
	made, err := softHSMTokens(softHSM.base, softHSM.made, n)
	softHSM.made += n
	softHSM.free = append(softHSM.free, made...)
	return err
}

// softHSMTokens makes n tokens in the folder of base, numbered after the given
// number.
func softHSMTokens(base SoftHSMToken, after, n int) ([]SoftHSMToken, error) {
	byLabel := map[string]SoftHSMToken{}
	for i := range n {
		token := base
		token.Label = "claviger-test-" + strconv.Itoa(after+i+1)
		if _, err := softHSMUtil(token, "--init-token", "--free", "--label", token.Label, "--so-pin", token.SOPIN, "--pin", token.PIN); err != nil {
			return nil, err
		}
		byLabel[token.Label] = token
	}
	slots, err := softHSMUtil(base, "--show-slots")
	if err != nil {
		return nil, err
	}
	var tokens []SoftHSMToken
	var serial string // stands before the label of its slot
	for line := range strings.Lines(slots) {
		name, value, _ := strings.Cut(line, ":")
		switch value = strings.TrimSpace(value); strings.TrimSpace(name) {
		case "Serial number":
			serial = value
		case "Label":
			if token, ok := byLabel[value]; ok {
				token.Serial = serial
				tokens = append(tokens, token)
			}
		}
	}
	if len(tokens) != n {
		return nil, fmt.Errorf("%d tokens were made and %d are there", n, len(tokens))
	}
	return tokens, nil
}

func softHSMUtil(token SoftHSMToken, args ...string) (string, error) {
	cmd := exec.Command("softhsm2-util", args...)
	cmd.Env = append(os.Environ(), token.Env()...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("softhsm2-util %s: %w: %s", args[0], err, out)
	}
	return string(out), nil
}
