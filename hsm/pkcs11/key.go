//go:build cgo

package pkcs11

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/miekg/pkcs11"

	"github.com/claviger/claviger/hsm"
)

// Generate implements hsm.Token. The key that the token made is read back and
// refused, and destroyed, if it is not as it was asked for. Where the token has no
// AES-GCM, a seal key is made with a partner for the MAC.
func (t *Token) Generate(ctx context.Context, spec hsm.KeySpec) (hsm.Key, error) {
	if err := spec.Check(); err != nil {
		return hsm.Key{}, err
	}
	id, again := randomID(), false
	return runLong(ctx, t, "generate root key", func(_ context.Context, s *session) (hsm.Key, error) {
		if again { // the token may have done it and not said so
			if err := t.removeAll(s, id); err != nil {
				return hsm.Key{}, err
			}
		}
		again = true
		if spec.Purpose == hsm.PurposeSeal && s.conn.offer.seal == "" {
			return hsm.Key{}, fmt.Errorf("the token offers neither AES-GCM nor AES-CBC with HMAC-SHA-256 to seal by: %w", hsm.ErrUnsupported)
		}
		made := &rootKey{conn: s.conn}
		err := t.generate(s, made, spec.Purpose, id)
		if err != nil {
			_ = t.destroyRoot(s, made) // the first error tells more
			return hsm.Key{}, err
		}
		return made.key, nil
	})
}

// generate makes the objects of a root key and notes them in made, also if it
// fails at last.
func (t *Token) generate(s *session, made *rootKey, purpose hsm.Purpose, id []byte) error {
	var err error
	if made.handle, err = t.calls.GenerateKey(s.handle, mechanism(pkcs11.CKM_AES_KEY_GEN, nil), template(purpose, id)); err != nil {
		return err
	}
	if purpose == hsm.PurposeSeal && s.conn.offer.seal == sealEtM {
		partner := secretTemplate(macLabel, id, pkcs11.CKK_GENERIC_SECRET, macKeyBytes, pkcs11.CKA_SIGN, pkcs11.CKA_VERIFY)
		if made.mac, err = t.calls.GenerateKey(s.handle, mechanism(pkcs11.CKM_GENERIC_SECRET_KEY_GEN, nil), partner); err != nil {
			return fmt.Errorf("its key for the MAC: %w", err)
		}
		if err := t.macFit(s, made.mac); err != nil {
			return err
		}
	}
	if made.key, made.check, err = t.attributes(s, made.handle); err != nil {
		return err
	}
	return t.fit(made.key)
}

// fit is Key.Fit, unless the operator accepts an unfit key.
func (t *Token) fit(k hsm.Key) error {
	if t.cfg.AcceptUnfit && k.Bits == hsm.RootKeyBits && k.Purpose != hsm.AnyPurpose {
		return nil
	}
	return k.Fit()
}

// macFit returns hsm.ErrExtractable unless the key may be the partner of a seal
// key: sensitive, not extractable, and to sign and verify only.
func (t *Token) macFit(s *session, handle pkcs11.ObjectHandle) error {
	a, err := t.values(s, handle)
	if err != nil {
		return err
	}
	fit := a.yes(pkcs11.CKA_SENSITIVE) && a.no(pkcs11.CKA_EXTRACTABLE) &&
		a.yes(pkcs11.CKA_ALWAYS_SENSITIVE) && a.yes(pkcs11.CKA_NEVER_EXTRACTABLE) &&
		ulong(a[pkcs11.CKA_VALUE_LEN]) == macKeyBytes
	for _, use := range allUses {
		fit = fit && a.yes(use) == (use == pkcs11.CKA_SIGN || use == pkcs11.CKA_VERIFY)
	}
	if fit || t.cfg.AcceptUnfit {
		return nil
	}
	return fmt.Errorf("the key for the MAC of root key %x is not sensitive, or extractable, or allows more than to sign and verify: %w", a[pkcs11.CKA_ID], hsm.ErrExtractable)
}

// Keys implements hsm.Token.
func (t *Token) Keys(ctx context.Context, purpose hsm.Purpose) ([]hsm.Key, error) {
	return run(ctx, t, "list root keys", func(_ context.Context, s *session) ([]hsm.Key, error) {
		var out []hsm.Key
		for _, p := range slices.Sorted(maps.Keys(labels)) {
			if purpose != hsm.AnyPurpose && purpose != p {
				continue
			}
			handles, err := t.find(s, secretKeys, attr(pkcs11.CKA_LABEL, labels[p]))
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
		k, err := t.byID(s, keyID)
		if err != nil {
			return hsm.Key{}, err
		}
		return k.key, nil
	})
}

// Destroy implements hsm.Token.
func (t *Token) Destroy(ctx context.Context, keyID string) error {
	_, err := run(ctx, t, "destroy root key", func(_ context.Context, s *session) (struct{}, error) {
		k, err := t.byID(s, keyID)
		if err != nil {
			return struct{}{}, err
		}
		if err := t.destroyRoot(s, k); err != nil {
			return struct{}{}, err
		}
		t.forget(s, keyID)
		return struct{}{}, nil
	})
	return err
}

// destroyRoot removes the objects of a root key, the one that identifies it last.
func (t *Token) destroyRoot(s *session, k *rootKey) error {
	for _, handle := range []pkcs11.ObjectHandle{k.mac, k.handle} {
		if handle == 0 {
			continue
		}
		if err := t.calls.DestroyObject(s.handle, handle); err != nil {
			return err
		}
	}
	return nil
}

// removeAll destroys everything that has an identifier.
func (t *Token) removeAll(s *session, id []byte) error {
	handles, err := t.find(s, attr(pkcs11.CKA_ID, id))
	if err != nil {
		return err
	}
	for _, h := range handles {
		if err := t.calls.DestroyObject(s.handle, h); err != nil {
			return err
		}
	}
	return nil
}

// forget drops what is remembered of a root key and the keys wrapped under it.
func (t *Token) forget(s *session, keyID string) {
	t.mu.Lock()
	delete(t.keys, keyID)
	t.mu.Unlock()
	for _, handle := range s.conn.wrapped.drop(keyID) {
		_ = t.calls.DestroyObject(s.handle, handle) // it ends with the connection at the latest
	}
}

// find returns the handles of all objects of Claviger's user with the attributes.
func (t *Token) find(s *session, by ...*pkcs11.Attribute) ([]pkcs11.ObjectHandle, error) {
	err := t.calls.FindObjectsInit(s.handle, append(by, attr(pkcs11.CKA_TOKEN, true)))
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

var secretKeys = attr(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY)

// byID finds a root key of ours.
func (t *Token) byID(s *session, keyID string) (*rootKey, error) {
	none := fmt.Errorf("root key %q: %w", keyID, hsm.ErrNotFound)
	id, err := hex.DecodeString(keyID)
	if err != nil || len(id) == 0 {
		return nil, none
	}
	handles, err := t.find(s, secretKeys, attr(pkcs11.CKA_ID, id))
	if err != nil {
		return nil, err
	}
	found := &rootKey{conn: s.conn}
	var macs, others int
	for _, h := range handles {
		a, err := t.values(s, h)
		if err != nil {
			return nil, err
		}
		if string(a[pkcs11.CKA_LABEL]) == macLabel {
			found.mac = h
			macs++
			continue
		}
		found.handle, found.key, found.check = h, a.key(), bytes.Clone(a[pkcs11.CKA_CHECK_VALUE])
		others++
	}
	switch {
	case others > 1 || macs > 1:
		return nil, fmt.Errorf("%d keys have the identifier %s; remove the ones that Claviger did not make: %w", others+macs, keyID, hsm.ErrExtractable)
	case others == 0 || found.key.Purpose == hsm.AnyPurpose:
		return nil, t.absent(s, none)
	}
	return found, nil
}

// absent returns none, which says that something is not in the token, unless it
// is the token that is not there any more.
func (t *Token) absent(s *session, none error) error {
	info, err := t.calls.GetTokenInfo(s.conn.slot)
	if err != nil || strings.TrimSpace(info.SerialNumber) != s.conn.info.Serial {
		return errGone
	}
	return none
}
