package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"hash"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip/secret"
)

// domainKey is an opened domain key: only what is derived from it is kept, and in
// mode direct only what MACs are made with.
type domainKey struct {
	at       ref
	check    [sha256.Size]byte
	material cipher.AEAD   // mode envelope, else nil
	direct   *directCopies // mode direct, else nil
	seals    atomic.Uint64

	use    sync.RWMutex  // held for reading while mac is read; see destroy
	mac    *secret.Bytes // guarded by use
	hashes sync.Pool     // of hash.Hash keyed with mac
}

// newDomainKey makes a key of mode envelope.
func newDomainKey(at ref, value *secret.Bytes) (*domainKey, error) {
	if value.Len() != domainKeyBytes {
		return nil, fmt.Errorf("domain key of %d bytes: %w", value.Len(), hsm.ErrIntegrity)
	}
	sub, err := derive(at, value, "material")
	if err != nil {
		return nil, err
	}
	defer sub.Destroy()
	block, err := aes.NewCipher(sub.Reveal())
	if err != nil {
		return nil, fmt.Errorf("key for material: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("key for material: %w", err)
	}
	check, err := derive(at, value, "check")
	if err != nil {
		return nil, err
	}
	mac, err := derive(at, value, "mac")
	if err != nil {
		return nil, err
	}
	return &domainKey{at: at, material: aead, mac: mac, check: [sha256.Size]byte(check.Reveal())}, nil
}

func derive(at ref, value *secret.Bytes, purpose string) (*secret.Bytes, error) {
	info := appendText(appendUint32([]byte("claviger/1 "+purpose+"\x00"), uint32(at.generation)), at.domain) //nolint:gosec // bits, not a number
	sub, err := hkdf.Key(sha256.New, value.Reveal(), nil, string(info), sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("derive the key for %s: %w", purpose, err)
	}
	return secret.New(sub), nil
}

// sum writes the MAC of message to out. Each keyed hash serves one caller at a
// time; Reset puts it back to its keyed state.
func (k *domainKey) sum(out *[sha256.Size]byte, message []byte) error {
	h, ok := k.hashes.Get().(hash.Hash)
	if !ok {
		k.use.RLock()
		defer k.use.RUnlock()
		if k.mac.Len() == 0 {
			return hsm.ErrClosed
		}
		h = hmac.New(sha256.New, k.mac.Reveal())
	}
	h.Reset()
	_, _ = h.Write(message) // never fails
	h.Sum(out[:0])
	k.hashes.Put(h)
	return nil
}

// destroy overwrites what this package holds of the key.
func (k *domainKey) destroy() {
	k.use.Lock()
	defer k.use.Unlock()
	k.mac.Destroy()
}

// directCopies are the copies of a key of mode direct. Each is proved by its
// token before it is used there.
type directCopies struct {
	rows map[string]DomainKey // by token; never changed

	mu   sync.RWMutex
	well map[string]hsm.WrappedKey // by token; guarded by mu
	last map[string]bool           // tokens that are asked after the others; guarded by mu
}

func newDirectCopies(rows map[string]DomainKey) *directCopies {
	return &directCopies{rows: maps.Clone(rows), well: map[string]hsm.WrappedKey{}, last: map[string]bool{}}
}

// passOver notes whether a token is asked only after the others: its copy is
// damaged, or it cannot do what is needed.
func (d *directCopies) passOver(serial string, yes bool) {
	d.mu.RLock()
	same := d.last[serial] == yes
	d.mu.RUnlock()
	if same {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if yes {
		d.last[serial] = true
	} else {
		delete(d.last, serial)
	}
}

// order puts the tokens that are passed over behind the others.
func (d *directCopies) order(list []handle) []handle {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if len(d.last) == 0 {
		return list
	}
	slices.SortStableFunc(list, func(a, b handle) int {
		switch {
		case d.last[a.serial] == d.last[b.serial]:
			return 0
		case d.last[b.serial]:
			return -1
		}
		return 1
	})
	return list
}

func (d *directCopies) proved(serial string, k hsm.WrappedKey) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.well[serial] = k
}

func (d *directCopies) get(serial string) (hsm.WrappedKey, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	k, ok := d.well[serial]
	return k, ok
}
