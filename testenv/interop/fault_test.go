package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip/client"
	"github.com/claviger/claviger/testenv"
	"github.com/claviger/claviger/testenv/pkcs11fault"
)

// The tests here have the faults of the module for themselves, so none of them is
// parallel.

// A request is answered soon although its token hangs: within the timeout of a
// token, with slack for a machine that does other things beside. It is repeated once,
// so one that hangs then too has twice the timeout.
const (
	tokenTimeout = 2 * time.Second
	faultSlack   = 2500 * time.Millisecond
)

// withFaults starts a node whose first token is behind the module with faults.
func withFaults(t *testing.T, o testenv.Options) (*testenv.Node, *pkcs11fault.Module) {
	t.Helper()
	o.Root = "pkcs11"
	n := testenv.Prepare(t, o)
	m := pkcs11fault.New(t, n.Tokens[0])
	n.SetRoot(t, strings.Replace(o.RootSection(n.Tokens...), n.Tokens[0].Module, m.Path, 1))
	n.SetEnv(m.Env()...)
	n.Restart(t)
	n.Cert, n.Key = n.NewClient(t, "demo", "default")
	return n, m
}

// traffic is what clients have seen.
type traffic struct {
	mu       sync.Mutex // guards what follows
	requests int
	failed   []error
	slowest  time.Duration
	keys     map[string][]byte // that were made, and those that there were
}

func (s *traffic) note(begun time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	s.slowest = max(s.slowest, time.Since(begun))
	if err != nil {
		s.failed = append(s.failed, err)
	}
}

// flow lets clients get keys, which they compare with what those were, and make
// some, until the returned function is called.
func flow(t *testing.T, n *testenv.Node, clients int, keys map[string][]byte) (stop func() *traffic) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	seen := &traffic{keys: keys}
	var working sync.WaitGroup
	var uids []string
	for uid := range keys {
		uids = append(uids, uid)
	}
	for range clients {
		c := dial(t, n, "", "")
		working.Go(func() {
			for i := 1; ctx.Err() == nil; i++ {
				uid := uids[rand.IntN(len(uids))]
				if i%8 == 0 {
					begun := time.Now()
					made, err := c.Create(context.WithoutCancel(ctx), symmetric("", 256))
					seen.note(begun, err)
					if err != nil {
						continue
					}
					uid = made
				}
				begun := time.Now()
				o, err := c.Get(context.WithoutCancel(ctx), uid, 0)
				seen.note(begun, err)
				if err != nil {
					continue
				}
				material := bytes.Clone(o.Key.Material.Reveal())
				o.Destroy()
				seen.mu.Lock()
				if before, ok := seen.keys[uid]; ok && !bytes.Equal(before, material) {
					t.Errorf("%s is another key", uid)
				}
				seen.keys[uid] = material
				seen.mu.Unlock()
			}
		})
	}
	return func() *traffic {
		cancel()
		working.Wait()
		return seen
	}
}

// temporary reports whether a client was told to try again.
func temporary(err error) bool {
	var refusal *client.Error
	return errors.As(err, &refusal) && strings.Contains(refusal.Message, "try again")
}

// expect checks what clients have seen: at most so many failures, all temporary and
// none late.
func (s *traffic) expect(t *testing.T, most, hangs int) {
	t.Helper()
	t.Logf("%d requests, %d failed, the slowest took %v", s.requests, len(s.failed), s.slowest.Round(time.Millisecond))
	for _, err := range s.failed {
		if !temporary(err) {
			t.Errorf("a request failed, and was not told to try again: %v", err)
		}
	}
	if len(s.failed) > most {
		t.Errorf("%d requests failed, want at most %d: %v", len(s.failed), most, s.failed[0])
	}
	if limit := time.Duration(hangs)*tokenTimeout + faultSlack; s.slowest > limit {
		t.Errorf("a request took %v, want at most %v", s.slowest, limit)
	}
	if s.requests < 20 {
		t.Errorf("only %d requests: this proves nothing", s.requests)
	}
}

// works checks that the keys can be used and made without a restart of the server.
func works(t *testing.T, n *testenv.Node, keys map[string][]byte) {
	t.Helper()
	c := dial(t, n, "", "")
	soon(t, "requests work again", 20*time.Second, func() bool {
		_, err := c.Create(t.Context(), symmetric("", 256))
		if err != nil && !temporary(err) {
			t.Fatalf("Create: %v", err)
		}
		return err == nil
	})
	same(t, c, keys)
	if err := useKey(t.Context(), c); err != nil {
		t.Error(err)
	}
}

// logged waits until the log has a text.
func logSays(t *testing.T, n *testenv.Node, text string) {
	t.Helper()
	soon(t, fmt.Sprintf("the log says %q", text), 10*time.Second, func() bool {
		log, err := os.ReadFile(n.Log)
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Contains(log, []byte(text))
	})
}

const clients = 4

// TestFaultsOfAModuleUnderLoad: what a module does wrong fails at most the requests
// that meet it, with a reason that says to try again, and never gives a wrong key.
func TestFaultsOfAModuleUnderLoad(t *testing.T) {
	process := testenv.Options{Mode: "direct", Isolation: "process"}
	inline := testenv.Options{Mode: "direct", Isolation: "inline"}
	two := testenv.Options{Mode: "direct", Isolation: "process", Tokens: 2}
	const any = 1 << 20 // of the requests that meet it
	for _, tc := range []struct {
		name  string
		o     testenv.Options
		rules []string
		lasts time.Duration // until the rules end
		most  int           // requests that may fail
		hangs int           // times that one request may meet a call that hangs
		log   string
	}{
		{"a call hangs", process, []string{"C_Decrypt hang 1"}, 5 * time.Second, clients, 1, "token worker ended"},
		{"calls of all clients hang", process, []string{"C_Decrypt hang 6"}, 8 * time.Second, any, 2, "token worker ended"},
		{"a call hangs in one of two tokens", two, []string{"C_Decrypt hang 1"}, 5 * time.Second, 0, 1, "token worker ended"},
		{"every call hangs in one of two tokens", two, []string{"C_Decrypt hang"}, 8 * time.Second, 0, 2, "token worker ended"},
		{"the module crashes", process, []string{"C_Decrypt crash 1"}, 2 * time.Second, 0, 0, "token worker ended"},
		{"the module crashes in one of two tokens", two, []string{"C_Decrypt crash"}, 3 * time.Second, 0, 0, "token worker ended"},
		{"a session handle is invalid", process, []string{"C_DecryptInit fail 0xB3 40"}, 2 * time.Second, any, 0, ""},
		{"object handles are invalid", process, []string{"C_DecryptInit stale"}, 2 * time.Second, any, 0, ""},
		{"the device is removed", process, []string{"C_Decrypt fail 0x32", "C_OpenSession fail 0x32"}, 2 * time.Second, any, 0, ""},
		{"the device has an error", process, []string{"* fail 0x30"}, 2 * time.Second, any, 0, ""},
		{"the token is not present", process, []string{"* fail 0xE0"}, 2 * time.Second, any, 0, ""},
		{"the user is not logged in", process, []string{"C_DecryptInit fail 0x101"}, 2 * time.Second, any, 0, ""},
		{"one error passes unnoticed", process, []string{"C_DecryptInit fail 0x101 1", "C_EncryptInit fail 0xB3 1"}, 2 * time.Second, 0, 0, ""},
		{"the device has an error in one of two tokens", two, []string{"* fail 0x30"}, 3 * time.Second, 0, 0, ""},
		{"a call hangs in this process", inline, []string{"C_Decrypt hang 1"}, 5 * time.Second, clients, 1, ""},
		{"the device has an error in this process", inline, []string{"* fail 0x30"}, 2 * time.Second, any, 0, ""},
		{"the device is removed in this process", inline, []string{"C_Decrypt fail 0x32 30"}, 2 * time.Second, any, 0, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n, m := withFaults(t, tc.o)
			keys := created(t, dial(t, n, "", ""), 3)
			stop := flow(t, n, clients, keys)
			time.Sleep(500 * time.Millisecond)
			m.Set(tc.rules...)
			time.Sleep(tc.lasts)
			if tc.log != "" {
				logSays(t, n, tc.log)
			}
			m.Clear()
			works(t, n, map[string][]byte{})
			seen := stop()
			seen.expect(t, tc.most, tc.hangs)
			works(t, n, seen.keys)
		})
	}
}

// TestATokenThatIsFullAtARotation: the job fails and says why, and goes on when
// there is room.
func TestATokenThatIsFullAtARotation(t *testing.T) {
	for _, mode := range []string{"direct", "envelope"} {
		t.Run(mode, func(t *testing.T) {
			n, m := withFaults(t, testenv.Options{Mode: mode})
			keys := created(t, dial(t, n, "", ""), 3)
			m.Set("C_GenerateKey fail 0x31")
			out, err := n.TryCLI(t, "root", "rotate", n.Tokens[0].Label)
			if err == nil || !strings.Contains(out, "the token is full; destroy keys in it") {
				t.Fatalf("root rotate: %v\n%s", err, out)
			}
			same(t, dial(t, n, "", ""), keys)
			m.Clear()
			words := strings.Fields(out[strings.LastIndex(out, "job resume"):])
			if out := n.CLI(t, "job", "resume", words[2]); strings.Contains(out, "failed") {
				t.Errorf("job resume: %s", out)
			}
			if out := n.CLI(t, "job", "wait", words[2]); !strings.Contains(out, "is done") {
				t.Errorf("job wait: %s", out)
			}
			works(t, n, keys)
		})
	}
}

// TestATokenWithoutMechanisms says at init what is missing, or uses others.
func TestATokenWithoutMechanisms(t *testing.T) {
	const gcm, kw, kwPad, cbcPad, keyGen = "hide 0x1087", "hide 0x2109", "hide 0x210A", "hide 0x1085", "hide 0x1080"
	for _, tc := range []struct {
		name string
		mode string
		hide []string
		says []string // by init, which is refused; none when it works
	}{
		{"no AES-GCM", "envelope", []string{gcm}, nil},
		{"no AES-GCM in mode direct", "direct", []string{gcm}, []string{"AES key wrap (RFC 3394 or 5649) and AES-GCM", "use mode envelope"}},
		{"no key wrap", "envelope", []string{kw, kwPad}, nil},
		{"no key wrap in mode direct", "direct", []string{kw, kwPad}, []string{"AES key wrap (RFC 3394 or 5649)", "use mode envelope"}},
		{"no simple key wrap in mode direct", "direct", []string{kw}, nil},
		{"no key wrap and no AES-GCM", "envelope", []string{gcm, kw, kwPad}, nil},
		{"nothing to seal by", "envelope", []string{gcm, cbcPad}, []string{"neither AES-GCM nor AES-CBC"}},
		{"nothing to make keys by", "envelope", []string{keyGen}, []string{"cannot generate AES keys"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			token := testenv.SoftHSMFor(t, 1)[0]
			m := pkcs11fault.New(t, token)
			m.Set(tc.hide...)
			behind := token
			behind.Module = m.Path
			n, out, err := initialised(t, testenv.Options{Mode: tc.mode}, behind, m)
			for _, text := range tc.says {
				if err == nil || !strings.Contains(out, text) {
					t.Errorf("init does not say %q: %v\n%s", text, err, out)
				}
			}
			if len(tc.says) > 0 {
				return
			}
			if err != nil {
				t.Fatalf("init: %v\n%s", err, out)
			}
			n.Restart(t)
			n.Cert, n.Key = n.NewClient(t, "demo", "default")
			keys := created(t, dial(t, n, "", ""), 2)
			n.Stop(t)
			n.Restart(t)
			works(t, n, keys)
		})
	}
}

// initialised runs claviger init for a token, and returns what that says.
func initialised(t *testing.T, o testenv.Options, token testenv.SoftHSMToken, m *pkcs11fault.Module) (*testenv.Node, string, error) {
	t.Helper()
	n := testenv.Prepare(t, testenv.Options{Root: "file"})
	n.StoreURL = "sqlite:" + filepath.Join(n.Dir, "tokens.db") // one that is empty
	if err := os.RemoveAll(filepath.Join(n.Dir, "pki")); err != nil {
		t.Fatal(err)
	}
	n.SetRoot(t, o.RootSection(token))
	env := append(m.Env(), "CLAVIGER_TEST_PIN="+token.PIN)
	n.SetEnv(env...)
	cmd := exec.CommandContext(t.Context(), testenv.Claviger(t), "init", "--config", filepath.Join(n.Dir, "claviger.toml"))
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return n, string(out), err
}
