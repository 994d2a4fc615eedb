// Package seal is the key hierarchy: root keys in a token protect domain keys,
// domain keys protect key material and authenticate records.
//
// A domain key is AES-256, one for each domain and generation, made in this
// process, wrapped by the token's seal root key and kept by Keys once for each
// token. It is opened when first needed and then held in the process: only
// what is derived from it by HKDF-SHA-256 is used, one key for material
// (AES-256-GCM with random nonces) and one for MACs (HMAC-SHA-256).
//
// Every sealed blob starts with a version byte and is bound to its domain, its
// generation and its Binding, so that it opens nowhere else.
//
// The number of seals under one generation is bounded by MaxSeals, far below
// the 2^32 where random nonces of 96 bits begin to repeat with a chance that
// matters. The count is in memory: it starts anew with the process.
//
// Close drops the opened keys and overwrites those that this package holds
// itself; the expanded keys inside Go's ciphers are beyond its reach.
//
// The package imports nothing of Claviger but hsm and kmip/secret.
package seal

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/claviger/claviger/hsm"
)

// System is the domain of the installation's own secrets: the key of its
// certificate authority, the MAC of its audit log.
const System = "system"

// MaxSeals is how many times one generation seals in one process.
const MaxSeals = 1 << 30

// openTimeout bounds the opening of a domain key, which goes on when the
// caller that began it gives up, because others may wait for it.
const openTimeout = 15 * time.Second

var (
	// ErrKeyExists is wrapped by Keys.AddDomainKey when the domain key of that
	// domain, generation and token is there already.
	ErrKeyExists = errors.New("the domain key exists already")
	// ErrExhausted: the generation has sealed MaxSeals times.
	ErrExhausted = errors.New("the generation of the domain key has sealed as often as it may; rotate the key of the domain")
	// ErrNotEnrolled: the domain has keys, none of them for this token.
	ErrNotEnrolled = errors.New("the token is not enrolled for the domain; enrol it with a token that is, or connect that one")
)

// DomainKey is a wrapped domain key as it is kept.
type DomainKey struct {
	Domain     string
	Generation int32  // from 1
	Token      string // serial number of the token
	RootKey    string // identifier of the root key that wraps
	Wrapped    []byte
	Created    time.Time
}

// Keys is where wrapped domain keys are kept. Its content is not trusted.
type Keys interface {
	// DomainKeys returns the keys of a domain for all generations and tokens;
	// nothing when there are none.
	DomainKeys(ctx context.Context, domain string) ([]DomainKey, error)
	// AddDomainKey keeps one more. It returns an error that wraps ErrKeyExists
	// when the domain, generation and token are there already.
	AddDomainKey(ctx context.Context, k DomainKey) error
}

// Options are the choices of a Ring; the zero value is complete.
type Options struct {
	Now func() time.Time // nil means time.Now
}

// Ring opens and uses domain keys. It is safe for concurrent use.
type Ring struct {
	token hsm.Token
	keys  Keys
	now   func() time.Time

	opened  atomic.Pointer[table] // read without a lock; nil once closed
	mu      sync.Mutex            // guards the replacement of opened
	opening singleflight.Group    // by domain and generation
	maxSeal uint64
}

// table is never changed, only replaced.
type table struct {
	keys    map[ref]*domainKey
	current map[string]int32 // domain → generation
}

type ref struct {
	domain     string
	generation int32
}

// New makes a ring over one token. The token stays the caller's to close.
func New(token hsm.Token, keys Keys, opts Options) *Ring {
	r := &Ring{token: token, keys: keys, now: opts.Now, maxSeal: MaxSeals}
	if r.now == nil {
		r.now = time.Now
	}
	r.opened.Store(&table{})
	return r
}

// Prepare makes the root keys that the token lacks. It is safe to repeat.
// Returns hsm.ErrExtractable if the token has root keys but none is fit.
func (r *Ring) Prepare(ctx context.Context) error {
	caps, err := r.token.Capabilities(ctx)
	if err != nil {
		return fmt.Errorf("prepare token: %w", err)
	}
	if !caps.GCM || !caps.Generate {
		return fmt.Errorf("prepare token: it cannot generate AES keys or has no AES-GCM: %w", hsm.ErrUnsupported)
	}
	for _, purpose := range []hsm.Purpose{hsm.PurposeSeal, hsm.PurposeWrap} {
		_, err := r.rootKey(ctx, purpose)
		if errors.Is(err, hsm.ErrNotFound) {
			_, err = r.token.Generate(ctx, hsm.KeySpec{Purpose: purpose})
		}
		if err != nil {
			return fmt.Errorf("prepare token: root key for %s: %w", purpose, err)
		}
	}
	return nil
}

// rootKey returns the fit root key with the lowest identifier, so that nodes
// that prepared a token at the same time agree.
func (r *Ring) rootKey(ctx context.Context, purpose hsm.Purpose) (hsm.Key, error) {
	keys, err := r.token.Keys(ctx, purpose)
	if err != nil {
		return hsm.Key{}, err
	}
	var unfit error
	for _, k := range keys {
		err := k.Fit()
		if err == nil {
			return k, nil
		}
		unfit = errors.Join(unfit, err)
	}
	if unfit != nil {
		return hsm.Key{}, unfit
	}
	return hsm.Key{}, fmt.Errorf("the token has no root key for %s; initialise it: %w", purpose, hsm.ErrNotFound)
}

// Check asks the token whether it is well and still has a fit root key.
func (r *Ring) Check(ctx context.Context) error {
	if r.opened.Load() == nil {
		return hsm.ErrClosed
	}
	if err := r.token.Check(ctx); err != nil {
		return fmt.Errorf("check token: %w", err)
	}
	if _, err := r.rootKey(ctx, hsm.PurposeSeal); err != nil {
		return fmt.Errorf("check token: %w", err)
	}
	return nil
}

// Info describes the token.
func (r *Ring) Info(ctx context.Context) (hsm.Info, error) { return r.token.Info(ctx) }

// Random returns bytes of the token's generator, asked for in pieces when n is
// more than one call gives.
func (r *Ring) Random(ctx context.Context, n int) ([]byte, error) {
	if n <= hsm.MaxRandomBytes {
		return r.token.Random(ctx, n)
	}
	out := make([]byte, 0, n)
	for len(out) < n {
		piece, err := r.token.Random(ctx, min(n-len(out), hsm.MaxRandomBytes))
		if err != nil {
			return nil, err
		}
		out = append(out, piece...)
	}
	return out, nil
}

// Close drops the opened keys. Every call after it returns hsm.ErrClosed.
func (r *Ring) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t := r.opened.Swap(nil); t != nil {
		for _, k := range t.keys {
			k.destroy()
		}
	}
}

// remember adds an opened key, or returns the one that another call added.
func (r *Ring) remember(at ref, k *domainKey) (*domainKey, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.opened.Load()
	if old == nil {
		k.destroy()
		return nil, hsm.ErrClosed
	}
	if have, ok := old.keys[at]; ok {
		k.destroy()
		return have, nil
	}
	next := &table{keys: maps.Clone(old.keys), current: old.current}
	if next.keys == nil {
		next.keys = map[ref]*domainKey{}
	}
	next.keys[at] = k
	r.opened.Store(next)
	return k, nil
}

// setCurrent remembers the newest generation of a domain; it never goes back.
func (r *Ring) setCurrent(domain string, generation int32) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.opened.Load()
	if old == nil {
		return hsm.ErrClosed
	}
	if old.current[domain] >= generation {
		return nil
	}
	next := &table{keys: old.keys, current: maps.Clone(old.current)}
	if next.current == nil {
		next.current = map[string]int32{}
	}
	next.current[domain] = generation
	r.opened.Store(next)
	return nil
}
