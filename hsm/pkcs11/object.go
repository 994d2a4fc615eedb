//go:build cgo

package pkcs11

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/miekg/pkcs11"

	"github.com/claviger/claviger/hsm"
)

// objectLabel marks resident objects. Root keys have other labels, so that
// neither can be found as the other.
const objectLabel = "claviger-object"

// objectKind is how a kind of resident object is made.
type objectKind struct {
	keyType   uint
	generate  uint // mechanism
	pair      bool
	bits      func(int) bool
	encrypts  bool // and decrypts
	signs     bool
	parameter func(bits int) []*pkcs11.Attribute // of the public half, or the secret key
}

var objectKinds = map[hsm.ObjectKind]objectKind{
	hsm.ObjectAES: {
		keyType: pkcs11.CKK_AES, generate: pkcs11.CKM_AES_KEY_GEN, encrypts: true, signs: true,
		bits: func(n int) bool { return n == 128 || n == 192 || n == 256 },
	},
	hsm.ObjectHMAC: {
		keyType: pkcs11.CKK_GENERIC_SECRET, generate: pkcs11.CKM_GENERIC_SECRET_KEY_GEN, signs: true,
		bits: func(n int) bool { return n >= 8 && n <= maxSecretBits && n%8 == 0 },
	},
	hsm.ObjectRSA: {
		keyType: pkcs11.CKK_RSA, generate: pkcs11.CKM_RSA_PKCS_KEY_PAIR_GEN, pair: true, encrypts: true, signs: true,
		bits: func(n int) bool { return n == 2048 || n == 3072 || n == 4096 },
		parameter: func(bits int) []*pkcs11.Attribute {
			return []*pkcs11.Attribute{attr(pkcs11.CKA_MODULUS_BITS, bits), attr(pkcs11.CKA_PUBLIC_EXPONENT, []byte{1, 0, 1})}
		},
	},
	hsm.ObjectEC: {
		keyType: pkcs11.CKK_EC, generate: pkcs11.CKM_EC_KEY_PAIR_GEN, pair: true, signs: true,
		bits: func(n int) bool { return curves[n].parameters != nil },
		parameter: func(bits int) []*pkcs11.Attribute {
			return []*pkcs11.Attribute{attr(pkcs11.CKA_EC_PARAMS, curves[bits].parameters)}
		},
	},
}

// maxSecretBits bounds generic secrets.
const maxSecretBits = 4096

// checkObject returns hsm.ErrUnsupported unless objects of this kind exist, with
// this size and these uses.
func checkObject(spec hsm.ObjectSpec) (objectKind, error) {
	k, ok := objectKinds[spec.Kind]
	switch {
	case !ok:
		return k, fmt.Errorf("object of kind %q: %w", spec.Kind, hsm.ErrUnsupported)
	case !k.bits(spec.Bits):
		return k, fmt.Errorf("object of kind %s with %d bits: %w", spec.Kind, spec.Bits, hsm.ErrUnsupported)
	case !spec.Encrypt && !spec.Decrypt && !spec.Sign:
		return k, fmt.Errorf("object without a use: %w", hsm.ErrUnsupported)
	case (spec.Encrypt || spec.Decrypt) && !k.encrypts, spec.Sign && !k.signs:
		return k, fmt.Errorf("object of kind %s for that use: %w", spec.Kind, hsm.ErrUnsupported)
	}
	return k, nil
}

// privateUses are the uses that a private key may have.
var privateUses = []uint{pkcs11.CKA_DECRYPT, pkcs11.CKA_SIGN, pkcs11.CKA_UNWRAP, pkcs11.CKA_DERIVE}

// GenerateObject implements hsm.Token. What the token made is read back and
// destroyed if it is not as it was asked for.
func (t *Token) GenerateObject(ctx context.Context, spec hsm.ObjectSpec) (hsm.Object, error) {
	kind, err := checkObject(spec)
	if err != nil {
		return hsm.Object{}, err
	}
	id, again := randomID(), false
	if spec.ID != "" {
		if id, err = hex.DecodeString(spec.ID); err != nil || len(id) != idBytes {
			return hsm.Object{}, fmt.Errorf("identifier %q of an object: %w", spec.ID, hsm.ErrUnsupported)
		}
	}
	return runLong(ctx, t, "generate object", func(_ context.Context, s *session) (hsm.Object, error) {
		if again { // the token may have done it and not said so
			if err := t.removeAll(s, id); err != nil {
				return hsm.Object{}, err
			}
		}
		again = true
		made := &object{conn: s.conn, kind: spec.Kind, bits: spec.Bits, id: hex.EncodeToString(id)}
		err := t.makeObject(s, made, kind, spec, id)
		if err != nil {
			_ = t.destroyHalves(s, made.handle, made.public) // the first error tells more
			return hsm.Object{}, err
		}
		return hsm.Object{ID: made.id, Kind: made.kind, Bits: made.bits, Public: made.spki}, nil
	})
}

// makeObject has the token make an object, and notes its halves in made also if
// it fails at last.
func (t *Token) makeObject(s *session, made *object, kind objectKind, spec hsm.ObjectSpec, id []byte) error {
	var uses []uint
	for use, asked := range map[uint]bool{
		pkcs11.CKA_ENCRYPT: spec.Encrypt && !kind.pair, pkcs11.CKA_DECRYPT: spec.Decrypt, pkcs11.CKA_SIGN: spec.Sign,
	} {
		if asked {
			uses = append(uses, use)
		}
	}
	var err error
	if kind.pair {
		public, private := pairTemplates(kind, spec, id, uses)
		made.public, made.handle, err = t.calls.GenerateKeyPair(s.handle, mechanism(kind.generate, nil), public, private)
	} else {
		made.handle, err = t.calls.GenerateKey(s.handle, mechanism(kind.generate, nil),
			secretTemplate(objectLabel, id, kind.keyType, spec.Bits/8, uses...))
	}
	if err != nil {
		return err
	}
	a, err := t.values(s, made.handle, objectAttributes...)
	if err != nil {
		return err
	}
	fit := a.yes(pkcs11.CKA_SENSITIVE) && a.no(pkcs11.CKA_EXTRACTABLE) && string(a[pkcs11.CKA_ID]) == string(id)
	for _, use := range []uint{pkcs11.CKA_ENCRYPT, pkcs11.CKA_DECRYPT, pkcs11.CKA_SIGN, pkcs11.CKA_UNWRAP, pkcs11.CKA_WRAP, pkcs11.CKA_DERIVE} {
		fit = fit && a.yes(use) == slices.Contains(uses, use)
	}
	if !fit && !t.cfg.AcceptUnfit {
		return fmt.Errorf("the token made an object that is not sensitive, or extractable, or with other uses than asked for: %w", hsm.ErrExtractable)
	}
	if kind.pair {
		made.spki, err = t.publicKey(s, made)
	}
	return err
}

func pairTemplates(kind objectKind, spec hsm.ObjectSpec, id []byte, uses []uint) (public, private []*pkcs11.Attribute) {
	public = append([]*pkcs11.Attribute{
		attr(pkcs11.CKA_CLASS, pkcs11.CKO_PUBLIC_KEY), attr(pkcs11.CKA_KEY_TYPE, kind.keyType),
		attr(pkcs11.CKA_TOKEN, true), attr(pkcs11.CKA_ID, id), attr(pkcs11.CKA_LABEL, objectLabel),
		attr(pkcs11.CKA_ENCRYPT, spec.Encrypt), attr(pkcs11.CKA_VERIFY, spec.Sign), attr(pkcs11.CKA_WRAP, false),
	}, kind.parameter(spec.Bits)...)
	private = []*pkcs11.Attribute{
		attr(pkcs11.CKA_CLASS, pkcs11.CKO_PRIVATE_KEY), attr(pkcs11.CKA_KEY_TYPE, kind.keyType),
		attr(pkcs11.CKA_TOKEN, true), attr(pkcs11.CKA_ID, id), attr(pkcs11.CKA_LABEL, objectLabel),
		attr(pkcs11.CKA_PRIVATE, true), attr(pkcs11.CKA_SENSITIVE, true), attr(pkcs11.CKA_EXTRACTABLE, false),
	}
	for _, use := range privateUses {
		private = append(private, attr(use, slices.Contains(uses, use)))
	}
	return public, private
}

// Objects implements hsm.Token.
func (t *Token) Objects(ctx context.Context) ([]string, error) {
	return run(ctx, t, "list objects", func(_ context.Context, s *session) ([]string, error) {
		var out []string
		for _, class := range []uint{pkcs11.CKO_SECRET_KEY, pkcs11.CKO_PRIVATE_KEY} {
			handles, err := t.find(s, attr(pkcs11.CKA_CLASS, class), attr(pkcs11.CKA_LABEL, objectLabel))
			if err != nil {
				return nil, err
			}
			for _, h := range handles {
				a, err := t.values(s, h, pkcs11.CKA_ID)
				if err != nil {
					return nil, err
				}
				out = append(out, hex.EncodeToString(a[pkcs11.CKA_ID]))
			}
		}
		slices.Sort(out)
		return slices.Compact(out), nil
	})
}

// DestroyObject implements hsm.Token. Of a pair both halves go, the private one
// first.
func (t *Token) DestroyObject(ctx context.Context, id string) error {
	_, err := run(ctx, t, "destroy object", func(_ context.Context, s *session) (struct{}, error) {
		o, err := t.findObject(s, id)
		if err != nil {
			return struct{}{}, err
		}
		s.conn.objects.Delete(id)
		return struct{}{}, t.destroyHalves(s, o.handle, o.public)
	})
	return err
}

func (t *Token) destroyHalves(s *session, halves ...pkcs11.ObjectHandle) error {
	for _, h := range halves {
		if h == 0 {
			continue
		}
		if err := t.calls.DestroyObject(s.handle, h); err != nil {
			return err
		}
	}
	return nil
}
