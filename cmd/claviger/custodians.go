package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"github.com/claviger/claviger/hsm/soft"
)

// custodians get the shares of a software root key: a file for each in a folder.
type custodians struct {
	folder string
	given  int // of shares that a root key needs now
}

// handOut is a soft.HandOut. The files are the only place of the shares, so that they
// and their names are flushed before anything needs them, and none that is there is
// replaced: the root key may need that one until the new ones count.
func (c *custodians) handOut(shares []soft.Share) (_ func(), err error) {
	var written []string
	undo := func() {
		for _, path := range written {
			_ = os.Remove(path)
		}
		c.given = 0
	}
	defer func() {
		if err != nil {
			undo()
		}
	}()
	if err := makeFolder(c.folder); err != nil {
		return nil, fmt.Errorf("folder for the shares: %w", err)
	}
	for _, s := range shares {
		path := filepath.Join(c.folder, "share-"+strconv.Itoa(s.Index())+".txt")
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("share of the root key: %w; a root key may need that one: move it away, or name another folder with --shares-out", err)
		}
		if err == nil {
			written = append(written, path)
			err = writeShare(f, s)
		}
		if err != nil {
			return nil, fmt.Errorf("share of the root key: %w", err)
		}
	}
	if err := syncFolder(c.folder); err != nil {
		return nil, fmt.Errorf("folder for the shares: %w", err)
	}
	c.given = len(shares)
	return undo, nil
}

// writeShare writes the text of a share, flushes and closes its file.
func writeShare(f *os.File, s soft.Share) error {
	text, err := s.Text()
	if err == nil {
		_, err = f.Write(text.Reveal())
		text.Destroy()
	}
	if err == nil {
		_, err = f.WriteString("\n")
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// makeFolder makes a folder, and those above it, that last.
func makeFolder(path string) error {
	path = filepath.Clean(path)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && path != filepath.Dir(path) {
		if err := makeFolder(filepath.Dir(path)); err != nil {
			return err
		}
		if err := os.Mkdir(path, 0o700); err != nil {
			return err
		}
		return syncFolder(filepath.Dir(path))
	}
	return os.MkdirAll(path, 0o700) // says what is wrong with it
}

// syncFolder flushes the names in a folder.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil // folders cannot be flushed there
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func destroyShares(shares []soft.Share) {
	for _, s := range shares {
		s.Destroy()
	}
}
