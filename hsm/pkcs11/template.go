//go:build cgo

package pkcs11

import (
	"crypto/rand"
	"slices"

	"github.com/miekg/pkcs11"

	"github.com/claviger/claviger/hsm"
)

// labels mark Claviger's root keys in the token.
var labels = map[hsm.Purpose]string{
	hsm.PurposeSeal: "claviger-seal",
	hsm.PurposeWrap: "claviger-wrap",
}

// macLabel marks the partner of a seal key that seals by AES-CBC and HMAC: it has
// the same CKA_ID.
const macLabel = "claviger-seal-mac"

const idBytes = 16

func attr(typ uint, value any) *pkcs11.Attribute { return pkcs11.NewAttribute(typ, value) }

func randomID() []byte {
	id := make([]byte, idBytes)
	_, _ = rand.Read(id) // never fails
	return id
}

// secretTemplate is what a secret key is generated with that stays in the token.
func secretTemplate(label string, id []byte, typ uint, bytes int, uses ...uint) []*pkcs11.Attribute {
	out := []*pkcs11.Attribute{
		attr(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY),
		attr(pkcs11.CKA_KEY_TYPE, typ),
		attr(pkcs11.CKA_VALUE_LEN, bytes),
		attr(pkcs11.CKA_ID, id),
		attr(pkcs11.CKA_LABEL, label),
		attr(pkcs11.CKA_TOKEN, true),
		attr(pkcs11.CKA_PRIVATE, true),
		attr(pkcs11.CKA_MODIFIABLE, false),
		attr(pkcs11.CKA_SENSITIVE, true),
		attr(pkcs11.CKA_EXTRACTABLE, false),
	}
	for _, use := range allUses {
		out = append(out, attr(use, slices.Contains(uses, use)))
	}
	return out
}

// allUses are the uses that a secret key may have.
var allUses = []uint{
	pkcs11.CKA_ENCRYPT, pkcs11.CKA_DECRYPT, pkcs11.CKA_WRAP, pkcs11.CKA_UNWRAP,
	pkcs11.CKA_SIGN, pkcs11.CKA_VERIFY, pkcs11.CKA_DERIVE,
}

// template is what a root key is generated with.
func template(purpose hsm.Purpose, id []byte) []*pkcs11.Attribute {
	uses := []uint{pkcs11.CKA_ENCRYPT, pkcs11.CKA_DECRYPT}
	if purpose == hsm.PurposeWrap {
		uses = []uint{pkcs11.CKA_WRAP, pkcs11.CKA_UNWRAP}
	}
	return secretTemplate(labels[purpose], id, pkcs11.CKK_AES, hsm.RootKeyBits/8, uses...)
}
