//go:build cgo

package pkcs11

import (
	"crypto"
	_ "crypto/sha1" //nolint:gosec // what it may be used for is not decided here
	_ "crypto/sha256"
	_ "crypto/sha512"

	"github.com/miekg/pkcs11"
)

// hashMechanisms are the mechanisms of PKCS#11 that go with a hash.
var hashMechanisms = map[crypto.Hash]struct{ digest, hmac, mgf uint }{
	crypto.SHA1:   {pkcs11.CKM_SHA_1, pkcs11.CKM_SHA_1_HMAC, pkcs11.CKG_MGF1_SHA1},
	crypto.SHA224: {pkcs11.CKM_SHA224, pkcs11.CKM_SHA224_HMAC, pkcs11.CKG_MGF1_SHA224},
	crypto.SHA256: {pkcs11.CKM_SHA256, pkcs11.CKM_SHA256_HMAC, pkcs11.CKG_MGF1_SHA256},
	crypto.SHA384: {pkcs11.CKM_SHA384, pkcs11.CKM_SHA384_HMAC, pkcs11.CKG_MGF1_SHA384},
	crypto.SHA512: {pkcs11.CKM_SHA512, pkcs11.CKM_SHA512_HMAC, pkcs11.CKG_MGF1_SHA512},
}

// oaep are the parameters of OAEP with one hash.
func oaep(h crypto.Hash) *pkcs11.OAEPParams {
	m := hashMechanisms[h]
	return pkcs11.NewOAEPParams(m.digest, m.mgf, pkcs11.CKZ_DATA_SPECIFIED, nil)
}
