// Package seal is the key hierarchy: root keys in tokens protect domain keys,
// domain keys protect key material and authenticate records.
//
// A domain key is AES-256, one for each domain and generation, made in this
// process and kept by Keys in one copy for each token, under that token's root
// keys. Two keys are derived from it by HKDF-SHA-256: one for material
// (AES-256-GCM), one for MACs (HMAC-SHA-256). How it is used is the mode of the
// generation:
//
//	envelope  it is opened when first needed, and what is derived is held in the
//	          process
//	direct    the key for material is unwrapped in the token, where it is
//	          sensitive; each use of material is a call to the token. The key for
//	          MACs is in the process in this mode too.
//
// Every copy of a domain key is also sealed as a whole, so that it can be wrapped
// for another token or root key; in mode direct it is opened for that only.
//
// Any token that is well serves: one that fails is passed over until it is well
// again. Every sealed blob starts with a version byte and is bound to its domain,
// its generation and its Binding, so that it opens nowhere else.
//
// The number of seals under one generation is bounded by MaxSeals in each process,
// far below the 2^32 where random nonces of 96 bits begin to repeat with a chance
// that matters. The count is in memory: nodes do not add theirs up, and it starts
// anew with the process. Half of it is logged; nothing rotates by itself.
//
// Close drops the opened keys and overwrites those that this package holds
// itself; the expanded keys inside Go's ciphers are beyond its reach.
//
// The package imports nothing of Claviger but hsm and kmip/secret.
package seal

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
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

// DefaultPatience is how long a token is waited for while there is another.
const DefaultPatience = 1500 * time.Millisecond

var (
	// ErrKeyExists is wrapped by Keys.AddGeneration and Keys.AddCopy when it is
	// there already.
	ErrKeyExists = errors.New("the domain key exists already")
	// ErrKeyChanged is wrapped by Keys.ReplaceCopy when the copy is no longer
	// wrapped by the root key that it was.
	ErrKeyChanged = errors.New("the copy of the domain key was changed meanwhile")
	// ErrExhausted: the generation has sealed MaxSeals times.
	ErrExhausted = errors.New("the generation of the domain key has sealed as often as it may; rotate it with claviger domain rotate-key")
	// ErrNotEnrolled: the domain has keys, none of them for a token that is here.
	ErrNotEnrolled = errors.New("no token that is here is enrolled for the domain; enrol it with a token that is, or connect that one")
)

// Mode is how a generation of a domain's key is used.
type Mode string

// The modes.
const (
	ModeEnvelope Mode = "envelope"
	ModeDirect   Mode = "direct"
)

// DomainKey is a wrapped copy of a domain key as it is kept.
type DomainKey struct {
	Domain     string
	Generation int32  // from 1
	Token      string // serial number of the token
	RootKey    string // identifiers of the root keys that wrap: "seal" or "seal:wrap"
	Wrapped    []byte
	Created    time.Time
}

// Generation is what is known of a generation of a domain's key.
type Generation struct {
	Domain string
	Number int32
	Closed bool // nothing new is sealed under it
	Gone   bool // no copy is left
}

// Keys is where wrapped domain keys are kept. Its content is not trusted.
type Keys interface {
	// DomainKeys returns the copies of a domain's key of all generations and
	// tokens; of all domains when domain is "".
	DomainKeys(ctx context.Context, domain string) ([]DomainKey, error)
	// Generations lists the generations of all domains.
	Generations(ctx context.Context) ([]Generation, error)
	// AddGeneration keeps a new generation, its check value and its first copies,
	// or nothing: ErrKeyExists when the generation is there already.
	AddGeneration(ctx context.Context, check []byte, copies []DomainKey) error
	// CheckValue returns the check value of a generation; nil when there is none.
	CheckValue(ctx context.Context, domain string, generation int32) ([]byte, error)
	// AddCopy keeps one more copy of a generation; ErrKeyExists.
	AddCopy(ctx context.Context, k DomainKey) error
	// ReplaceCopy replaces a copy that is still under the root keys from;
	// ErrKeyChanged.
	ReplaceCopy(ctx context.Context, k DomainKey, from string) error
	// NoteRoot remembers that the installation has made a root key in a token, and
	// KnowsRoot tells whether it has.
	NoteRoot(ctx context.Context, token, rootKey string) error
	KnowsRoot(ctx context.Context, token, rootKey string) (bool, error)
	// Retired lists the serial numbers of tokens that are not to be used.
	Retired(ctx context.Context) ([]string, error)
}

// Options are the choices of a Ring; the zero value is complete.
type Options struct {
	Now func() time.Time // nil means time.Now
	Log *slog.Logger     // nil means nothing is logged
	// Mode of new generations; ModeEnvelope when empty.
	Mode Mode
	// Patience is how long a token is waited for while there is another;
	// DefaultPatience when 0.
	Patience time.Duration
	// AcceptUnfit uses root keys that are unfit (see hsm.Key.Fit).
	AcceptUnfit bool
	// Adopt uses root keys that are in a token already instead of making new ones,
	// for an installation that has none in it.
	Adopt bool
	// Random makes domain keys; crypto/rand when nil.
	Random io.Reader
}

// Ring opens and uses domain keys. It is safe for concurrent use.
type Ring struct {
	members     []*member // in order of preference
	keys        Keys
	now         func() time.Time
	log         *slog.Logger
	mode        Mode
	patience    time.Duration
	acceptUnfit bool
	adopt       bool
	random      io.Reader
	maxSeal     uint64

	retired atomic.Pointer[map[string]bool] // serial numbers; never nil
	opened  atomic.Pointer[table]           // read without a lock; nil once closed
	mu      sync.Mutex                      // guards the replacement of opened
	opening singleflight.Group              // by domain and generation
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

// New makes a ring over tokens, in order of preference. Tend or Watch opens
// those that are not.
func New(members []Member, keys Keys, opts Options) *Ring {
	r := &Ring{
		keys: keys, now: opts.Now, log: opts.Log, mode: opts.Mode, patience: opts.Patience,
		acceptUnfit: opts.AcceptUnfit, adopt: opts.Adopt, random: opts.Random, maxSeal: MaxSeals,
	}
	if r.now == nil {
		r.now = time.Now
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.mode == "" {
		r.mode = ModeEnvelope
	}
	if r.patience == 0 {
		r.patience = DefaultPatience
	}
	if r.random == nil {
		r.random = rand.Reader
	}
	for _, m := range members {
		own := &member{Member: m}
		if m.opened {
			_ = own.open(context.Background(), r.now()) // a failure shows in the state of the token
		}
		r.members = append(r.members, own)
	}
	r.retired.Store(&map[string]bool{})
	r.opened.Store(&table{})
	return r
}

// Check returns nil if a token is well.
func (r *Ring) Check() error {
	if r.opened.Load() == nil {
		return hsm.ErrClosed
	}
	for _, h := range r.handles(nil) {
		if _, _, ill := h.get(); ill == nil {
			return nil
		}
	}
	return r.away()
}

// Serves returns nil if the keys of the domains can be used: a token is well, or
// everything that was used is in the process.
func (r *Ring) Serves() error {
	err := r.Check()
	if err == nil || errors.Is(err, hsm.ErrClosed) {
		return err
	}
	t := r.opened.Load()
	if t == nil || t.keys[ref{System, t.current[System]}] == nil {
		return err
	}
	for _, k := range t.keys {
		if k.direct != nil {
			return err
		}
	}
	return nil
}

// Close drops the opened keys and closes the tokens. Every call after it returns
// hsm.ErrClosed.
func (r *Ring) Close() {
	r.mu.Lock()
	t := r.opened.Swap(nil)
	r.mu.Unlock()
	if t == nil {
		return
	}
	for _, k := range t.keys {
		k.destroy()
	}
	for _, m := range r.members {
		m.close()
	}
}

// change replaces the table by what edit makes of a copy of it.
func (r *Ring) change(edit func(*table)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.opened.Load()
	if old == nil {
		return hsm.ErrClosed
	}
	next := &table{keys: maps.Clone(old.keys), current: maps.Clone(old.current)}
	if next.keys == nil {
		next.keys = map[ref]*domainKey{}
	}
	if next.current == nil {
		next.current = map[string]int32{}
	}
	edit(next)
	r.opened.Store(next)
	return nil
}

// remember adds an opened key, or returns the one that another call added.
func (r *Ring) remember(at ref, k *domainKey) (*domainKey, error) {
	err := r.change(func(t *table) {
		if have, ok := t.keys[at]; ok {
			k.destroy()
			k = have
		}
		t.keys[at] = k
	})
	if err != nil {
		k.destroy()
		return nil, err
	}
	return k, nil
}

// forget drops an opened key, which is opened anew when it is needed.
func (r *Ring) forget(at ref) {
	_ = r.change(func(t *table) { // a ring that is closed has forgotten it
		if k, ok := t.keys[at]; ok {
			k.destroy()
			delete(t.keys, at)
		}
	})
}
