package soft_test

import (
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/hsm/soft"
	"github.com/claviger/claviger/kmip/secret"
)

func wantGuard(t *testing.T, path, kind string, threshold, shares int) {
	t.Helper()
	k, m, n, err := soft.Protection(path)
	if err != nil || k != kind || m != threshold || n != shares {
		t.Errorf("Protection = %s %d of %d, %v, want %s %d of %d", k, m, n, err, kind, threshold, shares)
	}
}

func TestFileOfVersion1Opens(t *testing.T) {
	raw, err := os.ReadFile("testdata/passphrase-v1.json")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	token, err := soft.Open(path, soft.Options{Passphrase: passphrase()})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	sealed, _ := hex.DecodeString("540e1b93341c62746a3e66fc7fc5348314a5d39c5e7e471a587e3c1f6217b4e0")
	plain, err := token.Decrypt(t.Context(), "b0068f2af82e9b735cc64480fec6ffbe", sealed, nil)
	if err != nil || string(plain.Reveal()) != "kept" {
		t.Errorf("Decrypt: %v", err)
	}
	wantGuard(t, path, soft.GuardPassphrase, 0, 0)
}

func TestReprotect(t *testing.T) {
	token, path := create(t, soft.Options{})
	k, err := token.Generate(t.Context(), hsm.KeySpec{Purpose: hsm.PurposeSeal})
	if err != nil {
		t.Fatal(err)
	}
	wantGuard(t, path, soft.GuardNone, 0, 0)
	other, err := soft.Open(path, soft.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })

	if _, err := token.Reprotect(soft.Guard{Passphrase: passphrase(), KDF: cheap}); err != nil {
		t.Fatalf("Reprotect with a passphrase: %v", err)
	}
	wantGuard(t, path, soft.GuardPassphrase, 0, 0)
	if err := other.Check(t.Context()); !errors.Is(err, hsm.ErrPIN) || !strings.Contains(err.Error(), "protected anew") {
		t.Errorf("Check of a token that was open before = %v, want ErrPIN that says so", err)
	}
	if _, err := soft.Open(path, soft.Options{}); !errors.Is(err, hsm.ErrPIN) {
		t.Errorf("Open without the passphrase = %v, want ErrPIN", err)
	}

	shares, err := token.Reprotect(soft.Guard{Threshold: 2, Shares: 3})
	if err != nil {
		t.Fatalf("Reprotect with shares: %v", err)
	}
	wantGuard(t, path, soft.GuardShares, 2, 3)
	if _, err := soft.Open(path, soft.Options{Passphrase: passphrase()}); !errors.Is(err, hsm.ErrPIN) {
		t.Errorf("Open with the passphrase of before = %v, want ErrPIN", err)
	}
	again, err := soft.OpenShared(path, shares[1:])
	if err != nil {
		t.Fatalf("OpenShared: %v", err)
	}
	t.Cleanup(func() { _ = again.Close() })
	if _, err := again.Find(t.Context(), k.ID); err != nil {
		t.Errorf("the key is gone: %v", err)
	}

	if _, err := again.Reprotect(soft.Guard{}); err != nil {
		t.Fatalf("Reprotect with nothing: %v", err)
	}
	wantGuard(t, path, soft.GuardNone, 0, 0)
	if _, err := again.Generate(t.Context(), hsm.KeySpec{Purpose: hsm.PurposeSeal}); err != nil {
		t.Errorf("Generate after Reprotect: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestReprotectThatFailsChangesNothing(t *testing.T) {
	token, path := create(t, soft.Options{Passphrase: passphrase(), KDF: cheap})
	before, _ := os.ReadFile(path)
	for name, g := range map[string]soft.Guard{
		"two guards":     {Passphrase: secret.Copy([]byte("x")), Threshold: 2, Shares: 3},
		"bad threshold":  {Threshold: 4, Shares: 3},
		"absurd KDF":     {Passphrase: secret.Copy([]byte("x")), KDF: soft.KDF{Time: 1000, MemoryKiB: 64, Threads: 1}},
		"no such device": {TPM: &soft.TPM{Device: filepath.Join(t.TempDir(), "tpm")}},
	} {
		if _, err := token.Reprotect(g); err == nil {
			t.Errorf("%s: Reprotect succeeds", name)
		}
	}
	dir := filepath.Dir(path)
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	if _, err := token.Reprotect(soft.Guard{}); !errors.Is(err, hsm.ErrNotFound) {
		t.Errorf("Reprotect of a lost file = %v, want ErrNotFound", err)
	}
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	if after, _ := os.ReadFile(path); string(after) != string(before) {
		t.Error("the file was changed")
	}
	if err := token.Check(t.Context()); err != nil {
		t.Errorf("Check: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) != 0 {
		t.Errorf("temporary files are left: %v", left)
	}
}

func TestContradictoryGuardsAreRefused(t *testing.T) {
	_, _, path := createShared(t, 2, 3)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string][2]string{
		"threshold above the shares": {`"threshold": 2`, `"threshold": 4`},
		"threshold of one":           {`"threshold": 2`, `"threshold": 1`},
		"version of another guard":   {`"version": 2`, `"version": 1`},
		"two guards":                 {`"shamir"`, `"tpm": {}, "shamir"`},
		"PCR that is not":            {`"sealed"`, `"tpm": {"pcrs": [-1]}, "sealed"`},
	} {
		changed := strings.Replace(string(raw), change[0], change[1], 1)
		if changed == string(raw) {
			t.Fatalf("%s: %s is not in the file", name, change[0])
		}
		path := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := soft.Protection(path); !errors.Is(err, hsm.ErrIntegrity) {
			t.Errorf("%s: Protection = %v, want ErrIntegrity", name, err)
		}
	}
}
