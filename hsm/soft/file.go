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
	maxFileBytes = 1 << 20

	versionPassphrase = 1 // plain files and passphrases
	versionKey        = 2 // shares and TPMs too
)

// header is the part of the file that is readable in any case; it is the
// associated data of the encrypted part.
type header struct {
	Format  string    `json:"format"`
	Version int       `json:"version"`
	Label   string    `json:"label"`
	Serial  string    `json:"serial"`
	Created time.Time `json:"created"`
	guardHeader
}

type document struct {
	header
	Keys   map[string]fileKey `json:"keys,omitempty"`   // plain file
	Sealed []byte             `json:"sealed,omitempty"` // file under a key: Keys in JSON
}

type fileKey struct {
	Purpose hsm.Purpose `json:"purpose"`
	Created time.Time   `json:"created"`
	Value   []byte      `json:"value"`
}

// Create makes a token file, with mode 0600, and opens it. It refuses with
// fs.ErrExist to touch a file that is there already.
func Create(path string, opts Options) (*Token, error) {
	t, _, err := create(path, opts, Guard{Passphrase: opts.Passphrase, KDF: opts.KDF})
	return t, err
}

// CreateShared is Create for a file under a random key that is shared among so
// many shares, of which a threshold opens it; opts.HandOut takes them first.
// opts.Passphrase does not count.
func CreateShared(path string, opts Options, threshold, shares int) (*Token, []Share, error) {
	return create(path, opts, Guard{Threshold: threshold, Shares: shares, HandOut: opts.HandOut})
}

// CreateTPM is Create for a file under a random key that is sealed to a TPM.
// opts.Passphrase does not count.
func CreateTPM(path string, opts Options, tpm TPM) (*Token, error) {
	t, _, err := create(path, opts, Guard{TPM: &tpm})
	return t, err
}

func create(path string, opts Options, guard Guard) (*Token, []Share, error) {
	serial := make([]byte, serialBytes)
	_, _ = rand.Read(serial) // never fails
	h := header{
		Format: fileFormat, Label: opts.Label,
		Serial: hex.EncodeToString(serial), Created: opts.now().Truncate(time.Second),
	}
	if h.Label == "" {
		h.Label = "claviger"
	}
	h, lock, shares, err := guard.apply(h)
	if err != nil {
		return nil, nil, fmt.Errorf("create software token: %w", err)
	}
	t := &Token{path: path, header: h, lock: lock, now: opts.now, keys: map[string]rootKey{}}
	var undo func()
	err = t.locked(func() error {
		if _, err := os.Lstat(path); err == nil {
			return fmt.Errorf("%s: %w; remove it only if nothing is protected by it", path, fs.ErrExist)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		taken, err := guard.handOut(shares)
		if err != nil {
			return err
		}
		undo = taken
		return t.write(t.keys)
	})
	if err != nil {
		_, missing := os.Lstat(path)
		err = takeBack(undo, !errors.Is(missing, fs.ErrNotExist), err)
		lock.key.Destroy()
		destroyShares(shares)
		return nil, nil, fmt.Errorf("create software token: %w", err)
	}
	return t, shares, nil
}

// Open opens a token file. Returns hsm.ErrPIN if the passphrase is wrong or the
// file is under something else, hsm.ErrNotFound if there is no file and
// hsm.ErrIntegrity if it is damaged.
func Open(path string, opts Options) (*Token, error) {
	return open(path, opts, func(h header) (protection, error) { return h.derive(opts.Passphrase) })
}

// OpenShared opens a token file with shares, which stay the caller's. Returns
// hsm.ErrPIN if they are too few, wrong, or of another file or sharing; else as
// Open.
func OpenShared(path string, shares []Share) (*Token, error) {
	return open(path, Options{}, func(h header) (protection, error) { return h.join(shares) })
}

// OpenTPM opens a token file with the TPM of a device. Returns hsm.ErrPIN if it
// is sealed to another TPM or another state of the machine, and
// hsm.ErrUnavailable if the TPM does not answer; else as Open.
func OpenTPM(path, device string) (*Token, error) {
	return open(path, Options{}, func(h header) (protection, error) { return h.unseal(device) })
}

func open(path string, opts Options, unlock func(header) (protection, error)) (*Token, error) {
	doc, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("open software token: %w", err)
	}
	lock, err := unlock(doc.header)
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
	if doc.Version < versionPassphrase || doc.Version > versionKey {
		return document{}, fmt.Errorf("%s has version %d, this program knows %d: %w", path, doc.Version, versionKey, hsm.ErrUnsupported)
	}
	if err := doc.check(doc.Version); err != nil {
		return document{}, fmt.Errorf("%s: %w", path, err)
	}
	return doc, nil
}

func (d document) rootKeys(lock protection) (map[string]rootKey, error) {
	entries := d.Keys
	if d.kind() != GuardNone {
		aad, err := json.Marshal(d.header)
		if err != nil {
			return nil, err
		}
		plain, err := lock.open(d.Sealed, aad)
		if err != nil {
			return nil, d.wrongKey()
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
	if !doc.equal(t.header.guardHeader) {
		return nil, fmt.Errorf("%s was protected anew since it was opened; open it again: %w", t.path, hsm.ErrPIN)
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
	if t.header.kind() != GuardNone {
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
