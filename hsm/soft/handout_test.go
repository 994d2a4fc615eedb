package soft_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/claviger/claviger/hsm/soft"
)

// custodians take shares as a folder does, or refuse them.
type custodians struct {
	refuse    error
	given     int
	takenBack bool
	path      string // of the file that the shares are for
	was       string // what guarded it when they were given
}

func (c *custodians) take(shares []soft.Share) (func(), error) {
	c.given = len(shares)
	c.was, _, _, _ = soft.Protection(c.path)
	return func() { c.takenBack = true }, c.refuse
}

// unwritable is the name of a file that can be opened and locked, and whose
// replacement cannot be written beside it: its name would be too long.
func unwritable(dir string) string { return filepath.Join(dir, strings.Repeat("k", 250)) }

func TestSharesAreHandedOutBeforeTheFileNeedsThem(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	c := &custodians{path: path}
	token, shares, err := soft.CreateShared(path, soft.Options{HandOut: c.take}, 2, 3)
	if err != nil {
		t.Fatalf("CreateShared: %v", err)
	}
	t.Cleanup(func() { _ = token.Close() })
	if c.given != 3 || len(shares) != 3 || c.was != "" || c.takenBack {
		t.Errorf("custodians of a new file: %+v", c)
	}
	c = &custodians{path: path}
	if _, err := token.Reprotect(soft.Guard{Threshold: 2, Shares: 2, HandOut: c.take}); err != nil {
		t.Fatalf("Reprotect: %v", err)
	}
	if c.given != 2 || c.was != soft.GuardShares || c.takenBack {
		t.Errorf("custodians of new shares: %+v", c)
	}
	wantGuard(t, path, soft.GuardShares, 2, 2)
}

func TestNoFileNeedsSharesThatNobodyTook(t *testing.T) {
	refused := errors.New("nobody is there")
	path := filepath.Join(t.TempDir(), "new")
	if _, _, err := soft.CreateShared(path, soft.Options{HandOut: (&custodians{refuse: refused}).take}, 2, 3); !errors.Is(err, refused) {
		t.Errorf("CreateShared = %v, want the reason of the custodians", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that nobody can open was left: %v", err)
	}
	token, path := create(t, soft.Options{})
	if _, err := token.Reprotect(soft.Guard{Threshold: 2, Shares: 3, HandOut: (&custodians{refuse: refused}).take}); !errors.Is(err, refused) {
		t.Errorf("Reprotect = %v, want the reason of the custodians", err)
	}
	wantGuard(t, path, soft.GuardNone, 0, 0)
	if err := token.Check(t.Context()); err != nil {
		t.Errorf("Check after a hand-out that failed: %v", err)
	}
}

func TestSharesOfAFileThatWasNotWrittenAreTakenBack(t *testing.T) {
	path := unwritable(t.TempDir())
	c := &custodians{}
	if _, _, err := soft.CreateShared(path, soft.Options{HandOut: c.take}, 2, 3); err == nil || !c.takenBack {
		t.Errorf("CreateShared of what cannot be written = %v; taken back %v", err, c.takenBack)
	}
	_, short := create(t, soft.Options{})
	path = unwritable(filepath.Dir(short))
	if err := os.Rename(short, path); err != nil {
		t.Fatal(err)
	}
	token, err := soft.Open(path, soft.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = token.Close() })
	c = &custodians{}
	if _, err := token.Reprotect(soft.Guard{Threshold: 2, Shares: 3, HandOut: c.take}); err == nil || c.given != 3 || !c.takenBack {
		t.Errorf("Reprotect of what cannot be written = %v; given %d, taken back %v", err, c.given, c.takenBack)
	}
	wantGuard(t, path, soft.GuardNone, 0, 0)
}

func TestSharesAreKeptWhenTheFileMayNeedThem(t *testing.T) {
	token, path := create(t, soft.Options{})
	c := &custodians{}
	_, err := token.Reprotect(soft.Guard{Threshold: 2, Shares: 3, HandOut: func(s []soft.Share) (func(), error) {
		undo, err := c.take(s)
		if err := os.RemoveAll(filepath.Dir(path)); err != nil { // nobody can tell any more
			t.Fatal(err)
		}
		return undo, err
	}})
	if err == nil || !strings.Contains(err.Error(), "keep") || c.takenBack {
		t.Errorf("Reprotect = %v, want to be told to keep the shares; taken back %v", err, c.takenBack)
	}
}
