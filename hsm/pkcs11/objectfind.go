//go:build cgo

package pkcs11

import (
	"encoding/hex"
	"fmt"

	"github.com/miekg/pkcs11"

	"github.com/claviger/claviger/hsm"
)

// object is a resident object that was found on a connection. It is never
// changed.
type object struct {
	conn           *connection
	id             string
	kind           hsm.ObjectKind
	bits           int
	handle, public pkcs11.ObjectHandle // of a pair the private and the public half
	encrypts       bool
	spki           []byte // of a pair
}

var objectAttributes = []uint{
	pkcs11.CKA_ID, pkcs11.CKA_LABEL, pkcs11.CKA_KEY_TYPE, pkcs11.CKA_VALUE_LEN,
	pkcs11.CKA_SENSITIVE, pkcs11.CKA_EXTRACTABLE, pkcs11.CKA_ENCRYPT, pkcs11.CKA_DECRYPT, pkcs11.CKA_SIGN,
	pkcs11.CKA_WRAP, pkcs11.CKA_UNWRAP, pkcs11.CKA_DERIVE,
}

// withObject does something with an object, remembered from its last use on the
// connection or found. If it is not there any more, it is looked for once: another
// process may have destroyed it.
func (t *Token) withObject(s *session, id string, do func(*object) ([]byte, error)) ([]byte, error) {
	known, remembered := s.conn.objects.Load(id)
	if remembered {
		out, err := do(known.(*object)) //nolint:forcetypeassert // the map has nothing else
		if !isNoHandle(err) {
			return out, err
		}
		s.conn.objects.Delete(id)
	}
	o, err := t.findObject(s, id)
	if err != nil {
		return nil, err
	}
	s.conn.objects.Store(id, o)
	return do(o)
}

// findObject looks for an object in the token.
func (t *Token) findObject(s *session, id string) (*object, error) {
	none := fmt.Errorf("object %q: %w", id, hsm.ErrNotFound)
	raw, err := hex.DecodeString(id)
	if err != nil || len(raw) == 0 {
		return nil, none
	}
	handles, err := t.find(s, attr(pkcs11.CKA_ID, raw), attr(pkcs11.CKA_LABEL, objectLabel))
	if err != nil {
		return nil, err
	}
	o := &object{conn: s.conn, id: id}
	for _, h := range handles {
		a, err := t.values(s, h, pkcs11.CKA_CLASS, pkcs11.CKA_KEY_TYPE, pkcs11.CKA_VALUE_LEN, pkcs11.CKA_ENCRYPT)
		if err != nil {
			return nil, err
		}
		for name, kind := range objectKinds {
			if ulong(a[pkcs11.CKA_KEY_TYPE]) == uint64(kind.keyType) {
				o.kind = name
			}
		}
		half := &o.handle
		if ulong(a[pkcs11.CKA_CLASS]) == pkcs11.CKO_PUBLIC_KEY {
			half = &o.public
			o.encrypts = a.yes(pkcs11.CKA_ENCRYPT)
		}
		if *half != 0 {
			return nil, fmt.Errorf("several objects have the identifier %s; remove the ones that Claviger did not make: %w", id, hsm.ErrExtractable)
		}
		*half = h
		if !objectKinds[o.kind].pair {
			o.bits, o.encrypts = 8*int(ulong(a[pkcs11.CKA_VALUE_LEN])), a.yes(pkcs11.CKA_ENCRYPT) //nolint:gosec // keys are short
		}
	}
	if o.handle == 0 && o.public == 0 || o.kind == "" {
		return nil, t.absent(s, none)
	}
	if o.public != 0 {
		if o.spki, err = t.publicKey(s, o); err != nil {
			return nil, err
		}
	}
	return o, nil
}
