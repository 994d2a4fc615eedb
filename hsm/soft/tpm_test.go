//go:build linux

package soft_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport/linuxudstpm"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/hsm/hsmtest"
	"github.com/claviger/claviger/hsm/soft"
	"github.com/claviger/claviger/testenv"
)

// swtpm starts a TPM in software for one test and returns its socket.
func swtpm(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("swtpm")
	if err != nil {
		testenv.Require(t, "swtpm", "swtpm is not installed: it is the package swtpm")
	}
	dir, err := os.MkdirTemp("", "claviger-swtpm-") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "socket")
	cmd := exec.Command(program, "socket", "--tpm2", "--tpmstate", "dir="+dir,
		"--server", "type=unixio,path="+socket, "--flags", "not-need-init,startup-clear")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if conn, err := net.Dial("unix", socket); err == nil {
			_ = conn.Close()
			return socket
		}
		if time.Now().After(end) {
			t.Fatalf("swtpm does not listen: %s", out.String())
		}
	}
}

func createTPM(t *testing.T, tpm soft.TPM) (*soft.Token, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token.json")
	token, err := soft.CreateTPM(path, soft.Options{}, tpm)
	if err != nil {
		t.Fatalf("CreateTPM: %v", err)
	}
	t.Cleanup(func() { _ = token.Close() })
	return token, path
}

func TestSuiteTPM(t *testing.T) {
	device := swtpm(t)
	hsmtest.Run(t, func(t *testing.T) hsm.Token {
		token, _ := createTPM(t, soft.TPM{Device: device})
		return token
	})
}

func TestTPM(t *testing.T) {
	device := swtpm(t)
	for _, tc := range []struct {
		name string
		pcrs []int
	}{{"any state", nil}, {"PCRs", []int{7, 0, 7}}} {
		t.Run(tc.name, func(t *testing.T) {
			token, path := createTPM(t, soft.TPM{Device: device, PCRs: tc.pcrs})
			k, err := token.Generate(t.Context(), hsm.KeySpec{Purpose: hsm.PurposeSeal})
			if err != nil {
				t.Fatal(err)
			}
			wantGuard(t, path, soft.GuardTPM, 0, 0)
			again, err := soft.OpenTPM(path, device)
			if err != nil {
				t.Fatalf("OpenTPM: %v", err)
			}
			t.Cleanup(func() { _ = again.Close() })
			if _, err := again.Find(t.Context(), k.ID); err != nil {
				t.Errorf("Find: %v", err)
			}
			if info, _ := again.Info(t.Context()); info.Kind != hsm.KindSoftware || info.Hardware {
				t.Errorf("Info = %+v, want software", info)
			}
			for range 5 { // nothing is left in the TPM, which has few places
				again, err := soft.OpenTPM(path, device)
				if err != nil {
					t.Fatalf("OpenTPM again: %v", err)
				}
				_ = again.Close()
			}
			if _, err := soft.Open(path, soft.Options{}); !errors.Is(err, hsm.ErrPIN) || !strings.Contains(err.Error(), "sealed to a TPM") {
				t.Errorf("Open without the TPM = %v", err)
			}
		})
	}
}

func TestTPMThatDoesNotOpen(t *testing.T) {
	device := swtpm(t)
	_, path := createTPM(t, soft.TPM{Device: device})
	_, measured := createTPM(t, soft.TPM{Device: device, PCRs: []int{16}})
	_, plain := create(t, soft.Options{})
	extend(t, device, 16)
	raw, _ := os.ReadFile(path)
	at := bytes.Index(raw, []byte(`"private": "`)) + len(`"private": "`) + 80
	raw[at] ^= 1 // another character of base 64, or none
	changed := filepath.Join(t.TempDir(), "changed")
	if err := os.WriteFile(changed, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, path, device string
		want               error
		text               string
	}{
		{"another machine", path, swtpm(t), hsm.ErrPIN, "another TPM"},
		{"changed PCRs", measured, device, hsm.ErrPIN, "PCRs [16] are not as they were"},
		{"no device", path, device + "x", hsm.ErrUnavailable, "no such file"},
		{"no TPM", path, plain, hsm.ErrUnavailable, "not a device"},
		{"plain file", plain, device, hsm.ErrPIN, "needs nothing"},
		{"changed file", changed, device, hsm.ErrIntegrity, "changed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := soft.OpenTPM(tc.path, tc.device)
			if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.text) {
				t.Errorf("OpenTPM = %v, want %v that says %q", err, tc.want, tc.text)
			}
		})
	}
	if _, err := soft.CreateTPM(filepath.Join(t.TempDir(), "x"), soft.Options{}, soft.TPM{Device: device, PCRs: []int{24}}); !errors.Is(err, hsm.ErrUnsupported) {
		t.Errorf("CreateTPM with PCR 24 = %v, want ErrUnsupported", err)
	}
}

// extend changes a PCR, as a boot loader does.
func extend(t *testing.T, device string, pcr int) {
	t.Helper()
	tpm, err := linuxudstpm.Open(device)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tpm.Close() }()
	_, err = tpm2.PCRExtend{
		PCRHandle: tpm2.AuthHandle{Handle: tpm2.TPMHandle(pcr), Auth: tpm2.PasswordAuth(nil)},
		Digests: tpm2.TPMLDigestValues{Digests: []tpm2.TPMTHA{
			{HashAlg: tpm2.TPMAlgSHA256, Digest: make([]byte, 32)},
		}},
	}.Execute(tpm)
	if err != nil {
		t.Fatal(err)
	}
}

func TestReprotectToATPM(t *testing.T) {
	device := swtpm(t)
	token, path := create(t, soft.Options{Passphrase: passphrase(), KDF: cheap})
	if _, err := token.Reprotect(soft.Guard{TPM: &soft.TPM{Device: device}}); err != nil {
		t.Fatalf("Reprotect: %v", err)
	}
	again, err := soft.OpenTPM(path, device)
	if err != nil {
		t.Fatalf("OpenTPM: %v", err)
	}
	if shares, err := again.Reprotect(soft.Guard{Threshold: 2, Shares: 2}); err != nil || len(shares) != 2 {
		t.Errorf("Reprotect to shares: %v", err)
	}
}

// TestTheBusShowsNothing listens to all that goes to and from the TPM, and finds
// the key of the file by trying each 32 bytes of it as the key.
func TestTheBusShowsNothing(t *testing.T) {
	tap := newTap(t, swtpm(t))
	_, path := createTPM(t, soft.TPM{Device: tap.socket, PCRs: []int{7}})
	again, err := soft.OpenTPM(path, tap.socket)
	if err != nil {
		t.Fatal(err)
	}
	_ = again.Close()
	heard := tap.heard()
	if len(heard) < 1000 {
		t.Fatalf("only %d bytes were heard: the test is deaf", len(heard))
	}
	if n := soft.KeysOf(t, path, heard); n != 0 {
		t.Errorf("the key of the file crossed the bus %d times", n)
	}
}

// tap is a socket that passes everything on to a TPM and keeps a copy.
type tap struct {
	socket string
	mu     sync.Mutex
	copied bytes.Buffer
}

func newTap(t *testing.T, to string) *tap {
	p := &tap{socket: to + "-tap"}
	l, err := net.Listen("unix", p.socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			tpm, err := net.Dial("unix", to)
			if err != nil {
				_ = conn.Close()
				return
			}
			go func() { _, _ = io.Copy(tpm, io.TeeReader(conn, p)); _ = tpm.Close() }()
			go func() { _, _ = io.Copy(conn, io.TeeReader(tpm, p)); _ = conn.Close() }()
		}
	}()
	return p
}

func (p *tap) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.copied.Write(b)
}

func (p *tap) heard() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return bytes.Clone(p.copied.Bytes())
}
