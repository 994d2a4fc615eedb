package soft_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/hsm/hsmtest"
	"github.com/claviger/claviger/hsm/soft"
	"github.com/claviger/claviger/kmip/secret"
)

func createShared(t *testing.T, threshold, n int) (*soft.Token, []soft.Share, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token.json")
	token, shares, err := soft.CreateShared(path, soft.Options{}, threshold, n)
	if err != nil {
		t.Fatalf("CreateShared: %v", err)
	}
	t.Cleanup(func() { _ = token.Close() })
	return token, shares, path
}

func textOf(t *testing.T, s soft.Share) string {
	t.Helper()
	text, err := s.Text()
	if err != nil {
		t.Fatal(err)
	}
	return string(text.Reveal())
}

func TestSuiteShared(t *testing.T) {
	hsmtest.Run(t, func(t *testing.T) hsm.Token {
		token, _, _ := createShared(t, 2, 3)
		return token
	})
}

func TestAnyThresholdOfSharesOpens(t *testing.T) {
	token, shares, path := createShared(t, 3, 5)
	k, err := token.Generate(t.Context(), hsm.KeySpec{Purpose: hsm.PurposeSeal})
	if err != nil {
		t.Fatal(err)
	}
	for _, pick := range [][]int{{0, 1, 2}, {4, 2, 0}, {3, 4, 1}, {0, 1, 2, 3, 4}} {
		var given []soft.Share
		for _, i := range pick {
			s, err := soft.ParseShare(secret.Copy([]byte(textOf(t, shares[i]))))
			if err != nil {
				t.Fatal(err)
			}
			if s.Index() != i+1 || s.Threshold() != 3 {
				t.Errorf("share %d of threshold 3 is read as %d of %d", i+1, s.Index(), s.Threshold())
			}
			given = append(given, s)
		}
		again, err := soft.OpenShared(path, given)
		if err != nil {
			t.Fatalf("OpenShared with %v: %v", pick, err)
		}
		if _, err := again.Find(t.Context(), k.ID); err != nil {
			t.Errorf("Find: %v", err)
		}
		_ = again.Close()
	}
	raw, _ := os.ReadFile(path)
	if bytes.Contains(raw, []byte(`"keys"`)) {
		t.Error("the file shows its keys")
	}
}

func TestSharesThatDoNotOpen(t *testing.T) {
	token, shares, path := createShared(t, 2, 3)
	_, others, _ := createShared(t, 2, 3)
	older := slices.Clone(shares)
	shares, err := token.Reprotect(soft.Guard{Threshold: 2, Shares: 3})
	if err != nil {
		t.Fatal(err)
	}
	_, plain := create(t, soft.Options{})
	for _, tc := range []struct {
		name, path string
		shares     []soft.Share
		text       string
	}{
		{"none", path, nil, "needs 2 of its 3 shares and got 0"},
		{"too few", path, shares[:1], "and got 1"},
		{"twice the same", path, []soft.Share{shares[0], shares[0]}, "share 1 was given twice"},
		{"of another token", path, []soft.Share{shares[0], others[1]}, "share 2 is of the token with serial number"},
		{"of before", path, []soft.Share{shares[0], older[1]}, "share 2 was made for this token at another time"},
		{"for a plain file", plain, shares, "needs nothing"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := soft.OpenShared(tc.path, tc.shares)
			if !errors.Is(err, hsm.ErrPIN) || !strings.Contains(err.Error(), tc.text) {
				t.Errorf("OpenShared = %v, want ErrPIN that says %q", err, tc.text)
			}
		})
	}
	if _, err := soft.Open(path, soft.Options{}); !errors.Is(err, hsm.ErrPIN) || !strings.Contains(err.Error(), "2 of its 3 shares") {
		t.Errorf("Open without shares = %v", err)
	}
	if _, err := soft.OpenShared(path, shares[1:]); err != nil {
		t.Errorf("OpenShared with the new shares: %v", err)
	}
}

func TestWrongShareIsRefused(t *testing.T) {
	_, shares, path := createShared(t, 2, 2)
	// The sharing of another file, put into this one: a file that was tampered with.
	raw, _ := os.ReadFile(path)
	changed := filepath.Join(t.TempDir(), "changed")
	if err := os.WriteFile(changed, bytes.Replace(raw, []byte(`"claviger"`), []byte(`"clavinger"`), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := soft.OpenShared(changed, shares); !errors.Is(err, hsm.ErrPIN) {
		t.Errorf("OpenShared of a changed file = %v, want ErrPIN", err)
	}
}

func TestShareText(t *testing.T) {
	token, shares, _ := createShared(t, 2, 2)
	info, _ := token.Info(t.Context())
	text := textOf(t, shares[0])
	if !strings.HasPrefix(text, "claviger-share-1-") {
		t.Errorf("text %q has not the prefix", text)
	}
	read := func(text string) (soft.Share, error) { return soft.ParseShare(secret.Copy([]byte(text))) }
	for _, form := range []string{text, strings.ToUpper(text), " " + strings.ReplaceAll(text, "-", " ") + "\r\n"} {
		s, err := read(form)
		if err != nil || s.Serial() != info.Serial || textOf(t, s) != text {
			t.Errorf("ParseShare(%q) = %v, %v", form, s.Serial(), err)
		}
	}
	for i := range text { // each typing error of one character
		typed := []byte(text)
		if typed[i] == '-' {
			continue
		}
		if typed[i]++; typed[i] == '{' || typed[i] == '8' {
			typed[i] = 'a'
		}
		s, err := read(string(typed))
		if !errors.Is(err, hsm.ErrPIN) {
			t.Errorf("error at %d: ParseShare = %v, %v, want ErrPIN", i, s, err)
		} else if strings.Contains(err.Error(), text[17:25]) {
			t.Errorf("the error shows the share: %v", err)
		}
	}
	for _, nonsense := range []string{"", "claviger-share-1-", text[:len(text)-1], text + "a", strings.Replace(text, "-1-", "-2-", 1), strings.Repeat("a", 10000)} {
		if _, err := read(nonsense); !errors.Is(err, hsm.ErrPIN) {
			t.Errorf("ParseShare(%.20q) = %v, want ErrPIN", nonsense, err)
		}
	}
	if shown := fmt.Sprintf("%v %+v %s %#v %x", shares[0], shares[0], shares[0], shares, shares[0]); strings.Contains(shown, text[17:25]) || !strings.Contains(shown, "redacted") {
		t.Errorf("a share prints as %q", shown)
	}
	shares[0].Destroy()
	if _, err := shares[0].Text(); err == nil {
		t.Error("a destroyed share has a text")
	}
}

func TestCreateSharedRefuses(t *testing.T) {
	for _, n := range [][2]int{{1, 3}, {0, 3}, {4, 3}, {2, 1}, {2, 256}, {-1, -1}} {
		path := filepath.Join(t.TempDir(), "token")
		if _, _, err := soft.CreateShared(path, soft.Options{}, n[0], n[1]); !errors.Is(err, hsm.ErrUnsupported) {
			t.Errorf("CreateShared(%d of %d) = %v, want ErrUnsupported", n[0], n[1], err)
		}
		if _, err := os.Stat(path); err == nil {
			t.Errorf("CreateShared(%d of %d) left a file", n[0], n[1])
		}
	}
}

func FuzzParseShare(f *testing.F) {
	f.Add([]byte("claviger-share-1-aaaaaaaa-aaaaaaaa-aaaaaaaa-aaaaaaaa-aaaaaaaa-aaaaaaaa-aaaaaaaa-aaaaaaaa-aaaaaaaa-aaaaaaaa"))
	f.Add([]byte("claviger-share-1-"))
	f.Fuzz(func(t *testing.T, in []byte) {
		s, err := soft.ParseShare(secret.Copy(in))
		if err != nil {
			return
		}
		text := textOf(t, s)
		again, err := soft.ParseShare(secret.Copy([]byte(text)))
		if err != nil || textOf(t, again) != text {
			t.Errorf("%q becomes %q, %v", in, text, err)
		}
	})
}
