package soft_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/hsm/hsmtest"
	"github.com/claviger/claviger/hsm/soft"
	"github.com/claviger/claviger/kmip/secret"
)

// cheap makes tests fast; it is no cost for a real passphrase.
var cheap = soft.KDF{Time: 1, MemoryKiB: 64, Threads: 1}

func passphrase() *secret.Bytes { return secret.Copy([]byte("correct horse")) }

func create(t testing.TB, opts soft.Options) (*soft.Token, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token.json")
	token, err := soft.Create(path, opts)
	if err != nil {
		t.Fatalf("Create: %v", err)
	}
	t.Cleanup(func() { _ = token.Close() })
	return token, path
}

func TestSuite(t *testing.T) {
	for _, tc := range []struct {
		name string
		opts soft.Options
	}{
		{"plain key file", soft.Options{}},
		{"under a passphrase", soft.Options{Passphrase: passphrase(), KDF: cheap}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			hsmtest.Run(t, func(t *testing.T) hsm.Token {
				token, _ := create(t, tc.opts)
				return token
			})
		})
	}
}

func TestKeysSurviveReopening(t *testing.T) {
	for _, opts := range []soft.Options{{}, {Passphrase: passphrase(), KDF: cheap}} {
		token, path := create(t, opts)
		k, err := token.Generate(t.Context(), hsm.KeySpec{Purpose: hsm.PurposeSeal})
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := token.Encrypt(t.Context(), k.ID, secret.Copy([]byte("kept")), nil)
		if err != nil {
			t.Fatal(err)
		}
		before, _ := token.Info(t.Context())
		_ = token.Close()
		again, err := soft.Open(path, soft.Options{Passphrase: opts.Passphrase})
		if err != nil {
			t.Fatalf("Open: %v", err)
		}
		plain, err := again.Decrypt(t.Context(), k.ID, sealed, nil)
		if err != nil || string(plain.Reveal()) != "kept" {
			t.Errorf("Decrypt after reopening: %v", err)
		}
		if after, _ := again.Info(t.Context()); after != before {
			t.Errorf("Info = %+v, was %+v", after, before)
		}
		_ = again.Close()
	}
}

func TestWrappedKeysSurviveReopening(t *testing.T) {
	token, path := create(t, soft.Options{})
	root, err := token.Generate(t.Context(), hsm.KeySpec{Purpose: hsm.PurposeWrap})
	if err != nil {
		t.Fatal(err)
	}
	k, err := token.Wrap(t.Context(), root.ID, secret.Copy(bytes.Repeat([]byte{7}, 32)))
	if err != nil || len(k.Value) != 40 {
		t.Fatalf("Wrap = %d bytes, %v, want the 40 of RFC 3394", len(k.Value), err)
	}
	sealed, err := token.EncryptWrapped(t.Context(), k, secret.Copy([]byte("kept")), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = token.Close()
	again, err := soft.Open(path, soft.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Close() }()
	plain, err := again.DecryptWrapped(t.Context(), k, sealed, nil)
	if err != nil || string(plain.Reveal()) != "kept" {
		t.Errorf("DecryptWrapped after reopening: %v", err)
	}
}

func TestFileIsPrivateAndWhole(t *testing.T) {
	token, path := create(t, soft.Options{Passphrase: passphrase(), KDF: cheap})
	if _, err := token.Generate(t.Context(), hsm.KeySpec{Purpose: hsm.PurposeSeal}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode = %v, %v, want 0600", info.Mode(), err)
	}
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*"))
	if len(left) != 0 {
		t.Errorf("temporary files are left: %v", left)
	}
	raw, _ := os.ReadFile(path)
	if bytes.Contains(raw, []byte(`"keys"`)) || bytes.Contains(raw, []byte(`"value"`)) {
		t.Error("a file under a passphrase shows its keys")
	}
}

func TestOpenRefuses(t *testing.T) {
	_, locked := create(t, soft.Options{Passphrase: passphrase(), KDF: cheap})
	_, plain := create(t, soft.Options{})
	changed := func(from, old, new string) string {
		raw, _ := os.ReadFile(from)
		if !bytes.Contains(raw, []byte(old)) {
			t.Fatalf("%q is not in the file", old)
		}
		path := filepath.Join(t.TempDir(), "changed")
		if err := os.WriteFile(path, bytes.Replace(raw, []byte(old), []byte(new), 1), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	open := changed(plain, "software", "software")
	if err := os.Chmod(open, 0o640); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, path string
		passphrase *secret.Bytes
		want       error
	}{
		{"wrong passphrase", locked, secret.Copy([]byte("wrong")), hsm.ErrPIN},
		{"missing passphrase", locked, nil, hsm.ErrPIN},
		{"needless passphrase", plain, passphrase(), hsm.ErrPIN},
		{"missing file", plain + "x", nil, hsm.ErrNotFound},
		{"file that others can read", open, nil, hsm.ErrUnsupported},
		{"changed label", changed(locked, `"label": "claviger"`, `"label": "other"`), passphrase(), hsm.ErrPIN},
		{"cheaper passphrase", changed(locked, `"time": 1`, `"time": 2`), passphrase(), hsm.ErrPIN},
		{"absurd memory", changed(locked, `"memory_kib": 64`, `"memory_kib": 4294967295`), passphrase(), hsm.ErrUnsupported},
		{"newer version", changed(plain, `"version": 1`, `"version": 3`), nil, hsm.ErrUnsupported},
		{"version of another guard", changed(plain, `"version": 1`, `"version": 2`), nil, hsm.ErrIntegrity},
		{"unknown field", changed(plain, `"version"`, `"x": 1, "version"`), nil, hsm.ErrIntegrity},
		{"no JSON", changed(plain, `{`, ``), nil, hsm.ErrIntegrity},
	} {
		t.Run(tc.name, func(t *testing.T) {
			token, err := soft.Open(tc.path, soft.Options{Passphrase: tc.passphrase})
			if !errors.Is(err, tc.want) || token != nil {
				t.Errorf("Open = %v, %v, want %v", token, err, tc.want)
			}
		})
	}
}

func TestCreateKeepsAFileThatIsThere(t *testing.T) {
	_, path := create(t, soft.Options{})
	if _, err := soft.Create(path, soft.Options{}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Create over a token = %v, want fs.ErrExist", err)
	}
}

func TestTwoProcessesKeepEachOthersKeys(t *testing.T) {
	a, path := create(t, soft.Options{})
	b, err := soft.Open(path, soft.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for _, token := range []*soft.Token{a, b} {
		wg.Go(func() {
			for range 5 {
				if _, err := token.Generate(t.Context(), hsm.KeySpec{Purpose: hsm.PurposeSeal}); err != nil {
					t.Errorf("Generate: %v", err)
				}
			}
		})
	}
	wg.Wait()
	c, err := soft.Open(path, soft.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if keys, _ := c.Keys(t.Context(), hsm.AnyPurpose); len(keys) != 10 {
		t.Errorf("%d keys in the file, want 10", len(keys))
	}
}

func TestALostFileShows(t *testing.T) {
	token, path := create(t, soft.Options{})
	k, err := token.Generate(t.Context(), hsm.KeySpec{Purpose: hsm.PurposeSeal})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := token.Find(t.Context(), k.ID); err != nil {
		t.Fatalf("Find: %v", err)
	}
	if err := token.Check(t.Context()); err != nil {
		t.Fatalf("Check: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := token.Check(t.Context()); !errors.Is(err, hsm.ErrNotFound) {
		t.Errorf("Check without the file = %v, want ErrNotFound", err)
	}
	if _, err := token.Find(t.Context(), k.ID); !errors.Is(err, hsm.ErrNotFound) {
		t.Errorf("Find of a key that only the process still has = %v, want ErrNotFound", err)
	}
}
