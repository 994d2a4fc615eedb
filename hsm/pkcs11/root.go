//go:build cgo

package pkcs11

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/miekg/pkcs11"

	"github.com/claviger/claviger/hsm"
)

// rootKey is a key that was found on a connection. It is never changed.
type rootKey struct {
	conn   *connection
	handle pkcs11.ObjectHandle
	mac    pkcs11.ObjectHandle // the partner of a seal key; 0 if it has none
	key    hsm.Key
	check  []byte // CKA_CHECK_VALUE, where the token has it
	// witness is what the key made of value at its first use: a ciphertext, or
	// the wrapped form of a throw-away key.
	witness, value []byte
}

// root returns a fit root key for a purpose that has proven itself: each key does
// so when it is used for the first time, and on each new connection.
func (t *Token) root(ctx context.Context, s *session, keyID string, purpose hsm.Purpose) (*rootKey, error) {
	k, err := t.resolve(ctx, s, keyID)
	switch {
	case err != nil:
		return nil, err
	case k.key.Purpose != purpose:
		return nil, fmt.Errorf("root key %s is for %s: %w", keyID, k.key.Purpose, hsm.ErrUnsupported)
	case k.witness != nil:
		return k, nil
	}
	if err := t.fit(k.key); err != nil {
		return nil, err
	}
	if k.mac != 0 {
		if err := t.macFit(s, k.mac); err != nil {
			return nil, err
		}
	}
	proven := *k
	if proven.witness, proven.value, err = t.testify(s, k); err == nil {
		err = t.prove(s, &proven)
	}
	if err != nil {
		return nil, fmt.Errorf("first use of root key %s: %w", keyID, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.keys[keyID] = &proven
	return &proven, nil
}

// resolve returns a key for the session's connection, finding it again if it
// was found on another one. What was used before must prove to be the same.
func (t *Token) resolve(_ context.Context, s *session, keyID string) (*rootKey, error) {
	t.mu.Lock()
	before := t.keys[keyID]
	t.mu.Unlock()
	if before != nil && before.conn == s.conn {
		return before, nil
	}
	found, err := t.byID(s, keyID)
	if err != nil {
		return nil, err
	}
	if before != nil {
		if len(before.check) > 0 && len(found.check) > 0 && !bytes.Equal(before.check, found.check) {
			return nil, fmt.Errorf("root key %s: %w", keyID, errOtherKey)
		}
		found.witness, found.value = before.witness, before.value
		if err := t.prove(s, found); err != nil {
			return nil, err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.keys[keyID] = found
	return found, nil
}

// witnessed returns the identifiers of the keys that were used, sorted.
func (t *Token) witnessed() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Sorted(maps.Keys(t.keys))
}

// testify makes a witness of a random value.
func (t *Token) testify(s *session, k *rootKey) (witness, value []byte, err error) {
	if k.key.Purpose == hsm.PurposeWrap {
		return t.testifyWrap(s, k)
	}
	value = randomID()
	witness, err = t.seal(s, k.cipher(), value, witnessAAD)
	return witness, value, err
}

// prove returns nil if the key opens its witness, errOtherKey if it does not
// although the token is well, and else the token's error or errIll.
func (t *Token) prove(s *session, k *rootKey) error {
	var err error
	switch {
	case k.witness == nil:
	case k.key.Purpose == hsm.PurposeWrap:
		err = t.proveWrap(s, k)
	default:
		err = t.proveCipher(s, k.cipher(), k.witness, k.value)
	}
	if err != nil {
		return fmt.Errorf("root key %s: %w", k.key.ID, err)
	}
	return nil
}

// probe is prove on a session that did not just fail.
func (t *Token) probe(k *rootKey) error {
	return t.onAnother(k.conn, func(s *session) error { return t.prove(s, k) })
}

// onAnother does something on a fresh session of the connection. The caller has
// entered the module.
func (t *Token) onAnother(conn *connection, do func(*session) error) error {
	s, err := t.newSession(conn)
	if err != nil {
		return err
	}
	err = do(s)
	t.giveBack(s, err == nil)
	return err
}
