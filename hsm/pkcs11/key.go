//go:build cgo

package pkcs11

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/miekg/pkcs11"

	"github.com/claviger/claviger/hsm"
)

// labels mark Claviger's root keys in the token.
var labels = map[hsm.Purpose]string{
	hsm.PurposeSeal: "claviger-seal",
	hsm.PurposeWrap: "claviger-wrap",
}

const idBytes = 16

func attr(typ uint, value any) *pkcs11.Attribute { return pkcs11.NewAttribute(typ, value) }

// template is what a root key is generated with.
func template(purpose hsm.Purpose, id []byte) []*pkcs11.Attribute {
	seal, wrap := purpose == hsm.PurposeSeal, purpose == hsm.PurposeWrap
	return []*pkcs11.Attribute{
		attr(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY),
		attr(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_AES),
		attr(pkcs11.CKA_VALUE_LEN, hsm.RootKeyBits/8),
		attr(pkcs11.CKA_ID, id),
		attr(pkcs11.CKA_LABEL, labels[purpose]),
		attr(pkcs11.CKA_TOKEN, true),
		attr(pkcs11.CKA_PRIVATE, true),
		attr(pkcs11.CKA_MODIFIABLE, false),
		attr(pkcs11.CKA_SENSITIVE, true),
		attr(pkcs11.CKA_EXTRACTABLE, false),
		attr(pkcs11.CKA_ENCRYPT, seal),
		attr(pkcs11.CKA_DECRYPT, seal),
		attr(pkcs11.CKA_WRAP, wrap),
		attr(pkcs11.CKA_UNWRAP, wrap),
		attr(pkcs11.CKA_SIGN, false),
		attr(pkcs11.CKA_VERIFY, false),
		attr(pkcs11.CKA_DERIVE, false),
	}
}

// Generate implements hsm.Token. The key that the token made is read back and
// refused, and destroyed, if it is not as it was asked for.
func (t *Token) Generate(ctx context.Context, spec hsm.KeySpec) (hsm.Key, error) {
	if err := spec.Check(); err != nil {
		return hsm.Key{}, err
	}
	return run(ctx, t, "generate root key", func(_ context.Context, s *session) (hsm.Key, error) {
		id := make([]byte, idBytes)
		_, _ = rand.Read(id) // never fails
		mechanism := []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_KEY_GEN, nil)}
		handle, err := t.calls.GenerateKey(s.handle, mechanism, template(spec.Purpose, id))
		if err != nil {
			return hsm.Key{}, err
		}
		key, _, err := t.attributes(s, handle)
		if err == nil {
			err = key.Fit()
		}
		if err != nil {
			_ = t.calls.DestroyObject(s.handle, handle) // the first error tells more
			return hsm.Key{}, err
		}
		return key, nil
	})
}

// Keys implements hsm.Token.
func (t *Token) Keys(ctx context.Context, purpose hsm.Purpose) ([]hsm.Key, error) {
	return run(ctx, t, "list root keys", func(_ context.Context, s *session) ([]hsm.Key, error) {
		var out []hsm.Key
		for _, p := range slices.Sorted(maps.Keys(labels)) {
			if purpose != hsm.AnyPurpose && purpose != p {
				continue
			}
			handles, err := t.find(s, attr(pkcs11.CKA_LABEL, labels[p]))
			if err != nil {
				return nil, err
			}
			for _, h := range handles {
				k, _, err := t.attributes(s, h)
				if err != nil {
					return nil, err
				}
				out = append(out, k)
			}
		}
		slices.SortFunc(out, func(a, b hsm.Key) int { return strings.Compare(a.ID, b.ID) })
		return out, nil
	})
}

// Find implements hsm.Token.
func (t *Token) Find(ctx context.Context, keyID string) (hsm.Key, error) {
	return run(ctx, t, "find root key", func(_ context.Context, s *session) (hsm.Key, error) {
		_, k, _, err := t.byID(s, keyID)
		return k, err
	})
}

// Destroy implements hsm.Token.
func (t *Token) Destroy(ctx context.Context, keyID string) error {
	_, err := run(ctx, t, "destroy root key", func(_ context.Context, s *session) (struct{}, error) {
		handle, _, _, err := t.byID(s, keyID)
		if err != nil {
			return struct{}{}, err
		}
		if err := t.calls.DestroyObject(s.handle, handle); err != nil {
			return struct{}{}, err
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.keys, keyID)
		return struct{}{}, nil
	})
	return err
}

// find returns the handles of all secret keys with an attribute.
func (t *Token) find(s *session, by *pkcs11.Attribute) ([]pkcs11.ObjectHandle, error) {
	err := t.calls.FindObjectsInit(s.handle, []*pkcs11.Attribute{
		attr(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY), attr(pkcs11.CKA_TOKEN, true), by,
	})
	if err != nil {
		return nil, fmt.Errorf("find keys: %w", err)
	}
	var out []pkcs11.ObjectHandle
	for {
		found, _, err := t.calls.FindObjects(s.handle, 64)
		if err != nil {
			_ = t.calls.FindObjectsFinal(s.handle) // the session is closed anyway
			return nil, fmt.Errorf("find keys: %w", err)
		}
		if out = append(out, found...); len(found) == 0 {
			break
		}
	}
	if err := t.calls.FindObjectsFinal(s.handle); err != nil {
		return nil, fmt.Errorf("find keys: %w", err)
	}
	return out, nil
}

// byID returns handle, description and check value of a root key of ours.
func (t *Token) byID(s *session, keyID string) (pkcs11.ObjectHandle, hsm.Key, []byte, error) {
	none := fmt.Errorf("root key %q: %w", keyID, hsm.ErrNotFound)
	id, err := hex.DecodeString(keyID)
	if err != nil || len(id) == 0 {
		return 0, hsm.Key{}, nil, none
	}
	handles, err := t.find(s, attr(pkcs11.CKA_ID, id))
	switch {
	case err != nil:
		return 0, hsm.Key{}, nil, err
	case len(handles) == 0:
		return 0, hsm.Key{}, nil, none
	case len(handles) > 1:
		return 0, hsm.Key{}, nil, fmt.Errorf("%d keys have the identifier %s; remove the ones that Claviger did not make: %w", len(handles), keyID, hsm.ErrExtractable)
	}
	k, check, err := t.attributes(s, handles[0])
	if err == nil && k.Purpose == hsm.AnyPurpose {
		err = none
	}
	return handles[0], k, check, err
}

// attributes describes a key. An attribute that the token does not tell counts
// against the key.
func (t *Token) attributes(s *session, handle pkcs11.ObjectHandle) (hsm.Key, []byte, error) {
	get := func(typ uint) ([]byte, error) {
		got, err := t.calls.GetAttributeValue(s.handle, handle, []*pkcs11.Attribute{attr(typ, nil)})
		switch {
		case err == nil && len(got) == 1:
			return got[0].Value, nil
		case err == nil || isUntold(err):
			return nil, nil
		}
		return nil, fmt.Errorf("attributes of a key: %w", err)
	}
	values := map[uint][]byte{}
	for _, typ := range []uint{
		pkcs11.CKA_ID, pkcs11.CKA_LABEL, pkcs11.CKA_KEY_TYPE, pkcs11.CKA_VALUE_LEN, pkcs11.CKA_CHECK_VALUE,
		pkcs11.CKA_SENSITIVE, pkcs11.CKA_EXTRACTABLE, pkcs11.CKA_ALWAYS_SENSITIVE, pkcs11.CKA_NEVER_EXTRACTABLE,
		pkcs11.CKA_ENCRYPT, pkcs11.CKA_DECRYPT, pkcs11.CKA_WRAP, pkcs11.CKA_UNWRAP,
		pkcs11.CKA_SIGN, pkcs11.CKA_VERIFY, pkcs11.CKA_DERIVE,
	} {
		v, err := get(typ)
		if err != nil {
			return hsm.Key{}, nil, err
		}
		values[typ] = v
	}
	yes := func(typ uint) bool { return len(values[typ]) == 1 && values[typ][0] == 1 }
	notNo := func(typ uint) bool { return len(values[typ]) != 1 || values[typ][0] != 0 }
	k := hsm.Key{
		ID: hex.EncodeToString(values[pkcs11.CKA_ID]), Bits: 8 * int(ulong(values[pkcs11.CKA_VALUE_LEN])), //nolint:gosec // keys are short
		Sensitive: yes(pkcs11.CKA_SENSITIVE), Extractable: notNo(pkcs11.CKA_EXTRACTABLE),
		AlwaysSensitive: yes(pkcs11.CKA_ALWAYS_SENSITIVE), NeverExtractable: yes(pkcs11.CKA_NEVER_EXTRACTABLE),
		Encrypt: yes(pkcs11.CKA_ENCRYPT), Decrypt: yes(pkcs11.CKA_DECRYPT),
		Wrap: yes(pkcs11.CKA_WRAP), Unwrap: yes(pkcs11.CKA_UNWRAP),
	}
	for p, label := range labels {
		if string(values[pkcs11.CKA_LABEL]) == label {
			k.Purpose = p
		}
	}
	if ulong(values[pkcs11.CKA_KEY_TYPE]) != pkcs11.CKK_AES || len(values[pkcs11.CKA_KEY_TYPE]) == 0 {
		k.Bits = 0 // not an AES key at all
	}
	for _, other := range []struct {
		typ  uint
		name string
	}{{pkcs11.CKA_SIGN, "sign"}, {pkcs11.CKA_VERIFY, "verify"}, {pkcs11.CKA_DERIVE, "derive"}} {
		if yes(other.typ) {
			k.Other = append(k.Other, other.name)
		}
	}
	return k, bytes.Clone(values[pkcs11.CKA_CHECK_VALUE]), nil
}

// rootKey is a key that was found on a connection. It is never changed.
type rootKey struct {
	conn   *connection
	handle pkcs11.ObjectHandle
	key    hsm.Key
	check  []byte // CKA_CHECK_VALUE, where the token has it
	// witness is a ciphertext of value that the key made at its first use.
	witness, value []byte
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
	handle, k, check, err := t.byID(s, keyID)
	if err != nil {
		return nil, err
	}
	found := &rootKey{conn: s.conn, handle: handle, key: k, check: check}
	if before != nil {
		if len(before.check) > 0 && len(check) > 0 && !bytes.Equal(before.check, check) {
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

// witnessed returns the identifiers of the keys that were used.
func (t *Token) witnessed() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Collect(maps.Keys(t.keys))
}
