// Package soft is a token in software: root keys in a file, cryptography by
// Go's crypto packages, inside the FIPS module where Go is built with it.
//
// It is for trials, development and sites that accept it; whoever can read the
// file and open what guards it has the keys. It is called "software" in every
// status and report and never claims to be hardware, also under a TPM: that
// guards the file, and the keys are in this process.
//
// A file is guarded by nothing, a passphrase, shares, or a TPM: see Guard. With
// each, the keys are encrypted under a key of the file, bound to what the file
// says in plain.
//
// The file is rewritten as a whole: a new file is written beside it, flushed
// and renamed over it, under a lock and after reading it again, so that two
// processes do not lose each other's keys.
package soft

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip/secret"
)

// Options are the choices at Create and Open. The zero value is a plain key
// file.
type Options struct {
	// Label names the token; only Create uses it. "claviger" when empty.
	Label string
	// Passphrase protects the file; nil means a plain key file. It stays the
	// caller's, who can destroy it after the call.
	Passphrase *secret.Bytes
	// KDF is the cost of the passphrase at Create; the zero value means
	// DefaultKDF.
	KDF KDF
	// HandOut takes the shares at CreateShared.
	HandOut HandOut
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

func (o Options) now() time.Time {
	if o.Now == nil {
		return time.Now().UTC()
	}
	return o.Now().UTC()
}

// Token is an opened software token. It implements hsm.Token.
type Token struct {
	hsm.NoObjects

	path   string
	header header
	lock   protection // key of the file
	now    func() time.Time

	mu     sync.RWMutex // guards what follows
	keys   map[string]rootKey
	closed bool
}

var _ hsm.Token = (*Token)(nil)

type rootKey struct {
	purpose hsm.Purpose
	created time.Time
	value   *secret.Bytes
	aead    cipher.AEAD // nil unless the purpose is seal
}

func newRootKey(purpose hsm.Purpose, created time.Time, value *secret.Bytes) (rootKey, error) {
	k := rootKey{purpose: purpose, created: created, value: value}
	if value.Len() != hsm.RootKeyBits/8 {
		return k, fmt.Errorf("root key of %d bytes", value.Len())
	}
	if purpose != hsm.PurposeSeal {
		return k, nil
	}
	block, err := aes.NewCipher(value.Reveal())
	if err != nil {
		return k, fmt.Errorf("root key: %w", err)
	}
	k.aead, err = cipher.NewGCMWithRandomNonce(block)
	return k, err
}

func (k rootKey) describe(id string) hsm.Key {
	seal, wrap := k.purpose == hsm.PurposeSeal, k.purpose == hsm.PurposeWrap
	return hsm.Key{
		ID: id, Purpose: k.purpose, Bits: hsm.RootKeyBits,
		Sensitive: true, AlwaysSensitive: true, NeverExtractable: true,
		Encrypt: seal, Decrypt: seal, Wrap: wrap, Unwrap: wrap,
	}
}

// ready returns an error when the context has ended or the token is closed.
// The caller holds mu.
func (t *Token) ready(ctx context.Context) error {
	if t.closed {
		return hsm.ErrClosed
	}
	return hsm.ContextErr(ctx)
}

// Info implements hsm.Token.
func (t *Token) Info(context.Context) (hsm.Info, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.closed {
		return hsm.Info{}, hsm.ErrClosed
	}
	return hsm.Info{
		Kind: hsm.KindSoftware, Label: t.header.Label, Serial: t.header.Serial,
		Model: "software token", Manufacturer: "Claviger",
	}, nil
}

// Capabilities implements hsm.Token.
func (t *Token) Capabilities(ctx context.Context) (hsm.Capabilities, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if err := t.ready(ctx); err != nil {
		return hsm.Capabilities{}, err
	}
	return hsm.Capabilities{Generate: true, Seal: "AES-GCM", Wrap: wrapName, Random: true}, nil
}

// Generate implements hsm.Token.
func (t *Token) Generate(ctx context.Context, spec hsm.KeySpec) (hsm.Key, error) {
	if err := spec.Check(); err != nil {
		return hsm.Key{}, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.ready(ctx); err != nil {
		return hsm.Key{}, err
	}
	value, rawID := make([]byte, hsm.RootKeyBits/8), make([]byte, 16)
	_, _ = rand.Read(value) // never fails
	_, _ = rand.Read(rawID)
	id := hex.EncodeToString(rawID)
	k, err := newRootKey(spec.Purpose, t.now(), secret.New(value))
	if err != nil {
		return hsm.Key{}, fmt.Errorf("generate root key: %w", err)
	}
	err = t.update(func(keys map[string]rootKey) error {
		keys[id] = k
		return nil
	})
	if err != nil {
		return hsm.Key{}, fmt.Errorf("generate root key: %w", err)
	}
	return k.describe(id), nil
}

// Destroy implements hsm.Token.
func (t *Token) Destroy(ctx context.Context, keyID string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.ready(ctx); err != nil {
		return err
	}
	var gone rootKey
	err := t.update(func(keys map[string]rootKey) error {
		k, ok := keys[keyID]
		if !ok {
			return fmt.Errorf("root key %q: %w", keyID, hsm.ErrNotFound)
		}
		gone = k
		delete(keys, keyID)
		return nil
	})
	if err != nil {
		return fmt.Errorf("destroy: %w", err)
	}
	gone.value.Destroy()
	return nil
}

// Keys implements hsm.Token.
func (t *Token) Keys(ctx context.Context, purpose hsm.Purpose) ([]hsm.Key, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if err := t.ready(ctx); err != nil {
		return nil, err
	}
	var out []hsm.Key
	for _, id := range slices.Sorted(maps.Keys(t.keys)) {
		if k := t.keys[id]; purpose == hsm.AnyPurpose || purpose == k.purpose {
			out = append(out, k.describe(id))
		}
	}
	return out, nil
}

// Find implements hsm.Token. A key that the process holds and the file does not
// would be lost with the process: it counts as gone.
func (t *Token) Find(ctx context.Context, keyID string) (hsm.Key, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if err := t.ready(ctx); err != nil {
		return hsm.Key{}, err
	}
	onDisk, err := t.reread()
	if err != nil {
		return hsm.Key{}, fmt.Errorf("find root key %q: %w", keyID, err)
	}
	defer destroyKeys(onDisk)
	k, ok := t.keys[keyID]
	if disk, there := onDisk[keyID]; !ok || !there || !disk.value.Equal(k.value) {
		return hsm.Key{}, fmt.Errorf("root key %q: %w", keyID, hsm.ErrNotFound)
	}
	return k.describe(keyID), nil
}

// Random implements hsm.Token: it is the generator of the operating system.
func (t *Token) Random(ctx context.Context, n int) ([]byte, error) {
	if err := hsm.CheckRandom(n); err != nil {
		return nil, err
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	if err := t.ready(ctx); err != nil {
		return nil, err
	}
	out := make([]byte, n)
	_, _ = rand.Read(out) // never fails
	return out, nil
}

// Check implements hsm.Token: it reads the file and compares it with what the
// process holds.
func (t *Token) Check(ctx context.Context) error {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if err := t.ready(ctx); err != nil {
		return err
	}
	onDisk, err := t.reread()
	if err != nil {
		return fmt.Errorf("check software token: %w", err)
	}
	defer destroyKeys(onDisk)
	var gone []string
	for id, k := range t.keys {
		if disk, ok := onDisk[id]; !ok || !disk.value.Equal(k.value) {
			gone = append(gone, id)
		}
	}
	if len(gone) > 0 {
		slices.Sort(gone)
		return fmt.Errorf("check software token: root key %s is no longer in %s: %w", strings.Join(gone, ", "), t.path, hsm.ErrNotFound)
	}
	return nil
}

// Close implements hsm.Token and overwrites the keys.
func (t *Token) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	destroyKeys(t.keys)
	t.keys = nil
	t.lock.key.Destroy()
	return nil
}

func destroyKeys(keys map[string]rootKey) {
	for _, k := range keys {
		k.value.Destroy()
	}
}
