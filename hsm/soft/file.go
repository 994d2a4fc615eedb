package soft

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/gofrs/flock"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip/secret"
)

const (
	fileFormat   = "claviger software token"
	fileVersion  = 1
	maxFileBytes = 1 << 20
)

// header is the part of the file that is readable in any case; it is the
// associated data of the encrypted part.
type header struct {
	Format  string     `json:"format"`
	Version int        `json:"version"`
	Label   string     `json:"label"`
	Serial  string     `json:"serial"`
	Created time.Time  `json:"created"`
	KDF     *kdfHeader `json:"passphrase,omitempty"`
}

type document struct {
	header
	Keys   map[string]fileKey `json:"keys,omitempty"`   // plain file
	Sealed []byte             `json:"sealed,omitempty"` // file under a passphrase: Keys in JSON
}

type fileKey struct {
	Purpose hsm.Purpose `json:"purpose"`
	Created time.Time   `json:"created"`
	Value   []byte      `json:"value"`
}

// Create makes a token file, with mode 0600, and opens it. It refuses with
// fs.ErrExist to touch a file that is there already.
func Create(path string, opts Options) (*Token, error) {
	serial := make([]byte, 8)
	_, _ = rand.Read(serial) // never fails
	h := header{
		Format: fileFormat, Version: fileVersion, Label: opts.Label,
		Serial: hex.EncodeToString(serial), Created: opts.now().Truncate(time.Second),
	}
	if h.Label == "" {
		h.Label = "claviger"
	}
	if opts.Passphrase.Len() > 0 {
		h.KDF = newKDFHeader(opts.KDF)
	}
	lock, err := h.derive(opts.Passphrase)
	if err != nil {
		return nil, fmt.Errorf("create software token: %w", err)
	}
	t := &Token{path: path, header: h, lock: lock, now: opts.now, keys: map[string]rootKey{}}
	err = t.locked(func() error {
		if _, err := os.Lstat(path); err == nil {
			return fmt.Errorf("%s: %w; remove it only if nothing is protected by it", path, fs.ErrExist)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return t.write(t.keys)
	})
	if err != nil {
		return nil, fmt.Errorf("create software token: %w", err)
	}
	return t, nil
}

// Open opens a token file. Returns hsm.ErrPIN if the passphrase is wrong,
// hsm.ErrNotFound if there is no file and hsm.ErrIntegrity if it is damaged.
func Open(path string, opts Options) (*Token, error) {
	doc, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("open software token: %w", err)
	}
	lock, err := doc.derive(opts.Passphrase)
	if err != nil {
		return nil, fmt.Errorf("open software token %s: %w", path, err)
	}
	keys, err := doc.rootKeys(lock)
	if err != nil {
		lock.key.Destroy()
		return nil, fmt.Errorf("open software token %s: %w", path, err)
	}
	return &Token{path: path, header: doc.header, lock: lock, now: opts.now, keys: keys}, nil
}

func read(path string) (document, error) {
	var doc document
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return doc, fmt.Errorf("%w: %w", err, hsm.ErrNotFound)
	case err != nil:
		return doc, fmt.Errorf("%w: %w", err, hsm.ErrUnavailable)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return doc, fmt.Errorf("%s can be used by others (mode %o); make it yours alone with chmod 600: %w", path, info.Mode().Perm(), hsm.ErrUnsupported)
	case !info.Mode().IsRegular() || info.Size() > maxFileBytes:
		return doc, fmt.Errorf("%s is not a token file: %w", path, hsm.ErrIntegrity)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return doc, fmt.Errorf("%w: %w", err, hsm.ErrUnavailable)
	}
	defer clear(raw)
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&doc); err != nil || doc.Format != fileFormat || doc.Serial == "" {
		return document{}, fmt.Errorf("%s is not a token file: %w", path, hsm.ErrIntegrity)
	}
	if doc.Version != fileVersion {
		return document{}, fmt.Errorf("%s has version %d, this program knows %d: %w", path, doc.Version, fileVersion, hsm.ErrUnsupported)
	}
	return doc, nil
}

func (d document) rootKeys(lock protection) (map[string]rootKey, error) {
	entries := d.Keys
	if d.KDF != nil {
		aad, err := json.Marshal(d.header)
		if err != nil {
			return nil, err
		}
		plain, err := lock.open(d.Sealed, aad)
		if err != nil {
			return nil, err
		}
		defer clear(plain)
		entries = nil
		if err := json.Unmarshal(plain, &entries); err != nil {
			return nil, fmt.Errorf("the keys are not readable: %w", hsm.ErrIntegrity)
		}
	}
	keys := make(map[string]rootKey, len(entries))
	for id, e := range entries {
		k, err := newRootKey(e.Purpose, e.Created, secret.New(e.Value))
		if err != nil {
			destroyKeys(keys)
			return nil, fmt.Errorf("root key %q: %w: %w", id, err, hsm.ErrIntegrity)
		}
		keys[id] = k
	}
	return keys, nil
}

// reread returns the keys that are in the file now.
func (t *Token) reread() (map[string]rootKey, error) {
	doc, err := read(t.path)
	if err != nil {
		return nil, err
	}
	if doc.Serial != t.header.Serial {
		return nil, fmt.Errorf("%s now holds another token (%s, was %s): %w", t.path, doc.Serial, t.header.Serial, hsm.ErrNotFound)
	}
	return doc.rootKeys(t.lock)
}

// update reads the file again, changes its keys and writes it, under the lock
// of the file; then the token serves what the file holds. The caller holds mu.
func (t *Token) update(change func(map[string]rootKey) error) error {
	return t.locked(func() error {
		onDisk, err := t.reread()
		if err != nil {
			return err
		}
		next := maps.Clone(onDisk)
		for id, k := range t.keys { // keep what is open, for its AEAD
			if disk, ok := next[id]; ok && disk.value.Equal(k.value) {
				disk.value.Destroy()
				next[id] = k
			}
		}
		if err := change(next); err != nil {
			return err
		}
		if err := t.write(next); err != nil {
			return err
		}
		t.keys = next
		return nil
	})
}

func (t *Token) locked(do func() error) error {
	lock := flock.New(t.path + ".lock")
	if err := lock.Lock(); err != nil {
		return fmt.Errorf("lock %s: %w: %w", t.path, err, hsm.ErrUnavailable)
	}
	defer func() { _ = lock.Close() }()
	return do()
}

// write replaces the file by a whole new one.
func (t *Token) write(keys map[string]rootKey) error {
	entries := make(map[string]fileKey, len(keys))
	for id, k := range keys {
		entries[id] = fileKey{Purpose: k.purpose, Created: k.created, Value: k.value.Reveal()}
	}
	doc := document{header: t.header, Keys: entries}
	if t.header.KDF != nil {
		plain, err := json.Marshal(entries)
		if err != nil {
			return err
		}
		defer clear(plain)
		aad, err := json.Marshal(t.header)
		if err != nil {
			return err
		}
		if doc.Sealed, err = t.lock.seal(plain, aad); err != nil {
			return err
		}
		doc.Keys = nil
	}
	raw, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return err
	}
	defer clear(raw)
	return replaceFile(t.path, append(raw, '\n'))
}

// replaceFile writes a temporary file of mode 0600 beside path, flushes it,
// renames it over path and flushes the directory.
func replaceFile(path string, content []byte) (err error) {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w: %w", path, err, hsm.ErrUnavailable)
	}
	defer func() {
		if err != nil {
			_ = tmp.Close()
			_ = os.Remove(tmp.Name())
			err = fmt.Errorf("write %s: %w: %w", path, err, hsm.ErrUnavailable)
		}
	}()
	if _, err = tmp.Write(content); err != nil {
		return err
	}
	if err = tmp.Sync(); err != nil {
		return err
	}
	if err = tmp.Close(); err != nil {
		return err
	}
	if err = os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // directories cannot be flushed there
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	return d.Sync()
}
