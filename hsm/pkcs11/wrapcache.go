//go:build cgo

package pkcs11

import (
	"sync"
	"sync/atomic"

	"github.com/miekg/pkcs11"
)

// maxWrappedKeys bounds the wrapped keys that a connection keeps in the token; the
// oldest is removed for a new one.
const maxWrappedKeys = 4096

// wrappedKey is a wrapped key that is unwrapped in the token.
type wrappedKey struct {
	root    string
	handle  pkcs11.ObjectHandle
	witness []byte // a ciphertext of value
	value   []byte
	users   int  // guarded by the mutex of wrappedKeys
	dropped bool // guarded by it; whoever uses it last destroys the object
}

// wrappedKeys are the wrapped keys of one connection, as objects of its anchor
// session.
type wrappedKeys struct {
	anchor chan struct{} // holds one while the anchor session is at work
	since  atomic.Int64  // when that began, in Unix nanoseconds
	stuck  atomic.Bool   // the anchor session does not come back

	mu    sync.Mutex // guards what follows
	most  int
	keys  map[string]*wrappedKey // by wrappedID
	order []string               // the oldest first
}

func newWrappedKeys() *wrappedKeys {
	return &wrappedKeys{anchor: make(chan struct{}, 1), most: maxWrappedKeys, keys: map[string]*wrappedKey{}}
}

// get returns a key to be used and released, or nil.
func (c *wrappedKeys) get(id string) *wrappedKey {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.keys[id]
	if w != nil {
		w.users++
	}
	return w
}

// put keeps a key, and returns the objects that are to be destroyed for it.
func (c *wrappedKeys) put(id string, w *wrappedKey) (gone []pkcs11.ObjectHandle) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys[id] = w
	c.order = append(c.order, id)
	for len(c.order) > c.most {
		gone = append(gone, c.remove(c.order[0])...)
		c.order = c.order[1:]
	}
	return gone
}

// drop forgets the keys under a root key, and returns the objects that are to be
// destroyed.
func (c *wrappedKeys) drop(root string) (gone []pkcs11.ObjectHandle) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var kept []string
	for _, id := range c.order {
		if c.keys[id].root == root {
			gone = append(gone, c.remove(id)...)
		} else {
			kept = append(kept, id)
		}
	}
	c.order = kept
	return gone
}

// remove takes a key out of the map. The caller holds mu.
func (c *wrappedKeys) remove(id string) []pkcs11.ObjectHandle {
	w := c.keys[id]
	delete(c.keys, id)
	w.dropped = true
	if w.users > 0 {
		return nil
	}
	return []pkcs11.ObjectHandle{w.handle}
}

// release ends a use, and tells whether the object is to be destroyed.
func (c *wrappedKeys) release(w *wrappedKey) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	w.users--
	return w.dropped && w.users == 0
}
