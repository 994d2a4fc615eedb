package hsm

import (
	"context"
	"crypto"
)

// ObjectKind is a kind of resident object.
type ObjectKind string

// The kinds of resident object.
const (
	ObjectAES  ObjectKind = "aes"  // 128, 192, 256 bits
	ObjectHMAC ObjectKind = "hmac" // generic secret, whole bytes
	ObjectRSA  ObjectKind = "rsa"  // 2048, 3072, 4096 bits
	ObjectEC   ObjectKind = "ec"   // P-256, P-384, P-521, by their bits
)

// ObjectSpec says what resident object to make: a secret key, or a key pair of
// which the private half stays in the token.
type ObjectSpec struct {
	// ID is the identifier of the object, 32 hexadecimal digits that the caller
	// has chosen and remembers, so that the object can be found and removed if
	// nobody learns that it was made; made at random when empty.
	ID   string
	Kind ObjectKind
	Bits int
	// What the key, or the private half, may be used for. A MAC is a signature by
	// a secret key.
	Encrypt, Decrypt, Sign bool
}

// Object is a resident object.
type Object struct {
	ID   string // lower-case hexadecimal
	Kind ObjectKind
	Bits int
	// Public is the public half as SubjectPublicKeyInfo in DER; nil for secret
	// keys.
	Public []byte
}

// CipherMode says how ObjectEncrypt and ObjectDecrypt work.
type CipherMode string

// The modes of ciphers. GCM takes its tag with the ciphertext, behind it.
const (
	ModeGCM    CipherMode = "aes-gcm"
	ModeCBC    CipherMode = "aes-cbc"     // whole blocks
	ModeCBCPad CipherMode = "aes-cbc-pad" // PKCS#7
	ModeCTR    CipherMode = "aes-ctr"     // IV is the first counter block
	ModeECB    CipherMode = "aes-ecb"     // whole blocks
	ModeOAEP   CipherMode = "rsa-oaep"    // Hash is also that of MGF1
	ModePKCS1  CipherMode = "rsa-pkcs1"   // encryption with PKCS#1 v1.5 padding
)

// CipherRequest is what a resident object encrypts or decrypts.
type CipherRequest struct {
	Mode    CipherMode
	Hash    crypto.Hash // OAEP
	IV, AAD []byte
	TagBits int // GCM
	Data    []byte
}

// SignatureScheme says how ObjectSign works.
type SignatureScheme string

// The schemes of signatures.
const (
	SchemePKCS1 SignatureScheme = "rsa-pkcs1"
	SchemePSS   SignatureScheme = "rsa-pss" // MGF1 with the same hash
	SchemeECDSA SignatureScheme = "ecdsa"   // the signature is the DER form
)

// SignRequest is a digest that a resident object signs.
type SignRequest struct {
	Scheme    SignatureScheme
	Hash      crypto.Hash // of Digest
	Digest    []byte
	SaltBytes int // PSS
}

// MACRequest is data over which a resident object computes a MAC: HMAC with Hash
// for ObjectHMAC, CMAC for ObjectAES (Hash is 0).
type MACRequest struct {
	Hash crypto.Hash
	Data []byte
}

// ObjectToken is the part of a Token that keeps resident objects: managed
// objects whose secret half never leaves the token. They are apart from root
// keys: neither can be used as the other. A token that keeps none returns
// ErrUnsupported from all of its methods; Capabilities.Objects says so before.
type ObjectToken interface {
	// GenerateObject makes an object in the token, sensitive, never extractable,
	// and allowed exactly the uses that were asked for.
	GenerateObject(ctx context.Context, spec ObjectSpec) (Object, error)
	// Objects lists the identifiers of Claviger's resident objects, sorted.
	Objects(ctx context.Context) ([]string, error)
	// DestroyObject removes an object for ever. Returns ErrNotFound if there is
	// none.
	DestroyObject(ctx context.Context, id string) error
	// ObjectEncrypt and ObjectDecrypt return ErrNotFound if there is no such
	// object, ErrUnsupported if the token or the object cannot do what is asked,
	// and ErrIntegrity if a tag or padding is wrong.
	ObjectEncrypt(ctx context.Context, id string, r CipherRequest) ([]byte, error)
	ObjectDecrypt(ctx context.Context, id string, r CipherRequest) ([]byte, error)
	ObjectSign(ctx context.Context, id string, r SignRequest) ([]byte, error)
	ObjectMAC(ctx context.Context, id string, r MACRequest) ([]byte, error)
}

// NoObjects is the ObjectToken of a token that keeps no resident objects.
type NoObjects struct{}

func (NoObjects) GenerateObject(context.Context, ObjectSpec) (Object, error) {
	return Object{}, errNoObjects
}
func (NoObjects) Objects(context.Context) ([]string, error)   { return nil, errNoObjects }
func (NoObjects) DestroyObject(context.Context, string) error { return errNoObjects }
func (NoObjects) ObjectEncrypt(context.Context, string, CipherRequest) ([]byte, error) {
	return nil, errNoObjects
}

func (NoObjects) ObjectDecrypt(context.Context, string, CipherRequest) ([]byte, error) {
	return nil, errNoObjects
}

func (NoObjects) ObjectSign(context.Context, string, SignRequest) ([]byte, error) {
	return nil, errNoObjects
}

func (NoObjects) ObjectMAC(context.Context, string, MACRequest) ([]byte, error) {
	return nil, errNoObjects
}
