// Package hsm is the contract between Claviger and a cryptographic token: a
// hardware security module, a network HSM, SoftHSM or the software token.
//
// A token holds root keys, AES-256 keys that are made in it and never leave
// it. They protect the domain keys of package hsm/seal, which protect the key
// material. A root key has one purpose; a key that serves two, or that can be
// extracted, is refused (see Key.Fit).
//
// Everything a backend reports is a claim of the token: Info.Hardware is true
// only where the token says that it is hardware and nothing tells otherwise.
//
// The package imports nothing of Claviger but kmip/secret. Backends are in
// hsm/soft and hsm/pkcs11; hsm/hsmtest is the suite that they all pass.
package hsm

import (
	"context"

	"github.com/claviger/claviger/kmip/secret"
)

// Limits that every backend keeps.
const (
	// MaxPlaintextBytes bounds what Encrypt takes: root keys protect keys.
	MaxPlaintextBytes = 4096
	// MaxRandomBytes bounds one call of Random.
	MaxRandomBytes = 64 << 10
	// OverheadBytes is what AES-256-GCM adds: a nonce of 12 bytes in front and a
	// tag of 16 bytes behind.
	OverheadBytes = 12 + 16
	// MaxOverheadBytes is what Encrypt adds at most, by whatever mechanism: a
	// version, an IV, padding and a MAC.
	MaxOverheadBytes = 1 + 16 + 16 + 32
)

// Kind says what a token is made of.
type Kind string

// The kinds of token.
const (
	// KindSoftware keeps its keys in a file and in this process.
	KindSoftware Kind = "software"
	// KindPKCS11 is reached through a PKCS#11 module. That alone does not make
	// it hardware.
	KindPKCS11 Kind = "pkcs11"
)

// Info describes a token to an operator.
type Info struct {
	Kind         Kind
	Label        string
	Serial       string // never empty: domain keys are kept by it
	Model        string
	Manufacturer string
	Firmware     string // "major.minor", empty when not reported
	// Hardware is what the token claims; false when in doubt.
	Hardware bool
	// Vouched tells that the operator declares the token hardware, which the
	// token itself does not. Reports name whose word it is.
	Vouched bool
}

// Capabilities is what a token can do of what Claviger would use.
type Capabilities struct {
	Generate bool // AES-256 keys
	Random   bool
	// Seal names the mechanism that Encrypt and Decrypt use, picked from what the
	// token offers in the order that docs/hsm.md gives; empty when it has none.
	Seal string
	// Wrap names the mechanism of Wrap, EncryptWrapped and DecryptWrapped; empty
	// when the token has none, and domain keys of mode direct cannot be used.
	Wrap string
	// Objects are the kinds of resident object that the token makes; none for a
	// software token, in which nothing is resident.
	Objects []ObjectKind
}

// Token is an opened token.
//
// A call returns by the deadline of its context, also when the token hangs;
// the error then is ErrUnavailable and context.DeadlineExceeded, or
// context.Canceled when the caller gave up. All methods are safe for
// concurrent use. After Close they return ErrClosed.
type Token interface {
	// Info describes the token as it was when last connected.
	Info(ctx context.Context) (Info, error)
	// Capabilities asks the token what it can do.
	Capabilities(ctx context.Context) (Capabilities, error)

	// Generate makes a root key in the token. Returns ErrUnsupported for a
	// purpose or size that the token cannot make.
	Generate(ctx context.Context, spec KeySpec) (Key, error)
	// Keys lists Claviger's root keys for a purpose, or all of them for
	// AnyPurpose, sorted by ID. Unfit keys are listed too: see Key.Fit.
	Keys(ctx context.Context, purpose Purpose) ([]Key, error)
	// Find returns one root key. Returns ErrNotFound if there is none.
	Find(ctx context.Context, keyID string) (Key, error)
	// Destroy removes a root key for ever. Whatever it protects is lost unless
	// another token holds it too. Returns ErrNotFound if there is none.
	Destroy(ctx context.Context, keyID string) error

	// Encrypt seals 1 to MaxPlaintextBytes bytes by AES-256-GCM under a root
	// key for PurposeSeal, with a random nonce. The result is nonce, ciphertext
	// and tag. A token without it seals by the mechanism that Capabilities.Seal
	// names, to at most MaxOverheadBytes more. Returns ErrNotFound, ErrExtractable
	// if the key is unfit, or ErrUnsupported if it has another purpose.
	Encrypt(ctx context.Context, keyID string, plaintext *secret.Bytes, aad []byte) ([]byte, error)
	// Decrypt opens what Encrypt made. Returns ErrIntegrity if ciphertext, key
	// or associated data are not the ones of Encrypt; else as Encrypt. The
	// caller destroys the result.
	Decrypt(ctx context.Context, keyID string, ciphertext, aad []byte) (*secret.Bytes, error)

	// Wrap gives an AES-256 key to the token and returns it wrapped under a root
	// key for PurposeWrap. The value stays the caller's. Returns ErrUnsupported if
	// the root key has another purpose, the value another size, or the token
	// cannot wrap; ErrNotFound and ErrExtractable as Encrypt.
	Wrap(ctx context.Context, keyID string, value *secret.Bytes) (WrappedKey, error)
	// EncryptWrapped is Encrypt under a wrapped key, which is unwrapped in the
	// token, sensitive and not extractable, and kept there as long as the
	// connection lasts. Always AES-256-GCM. Returns ErrIntegrity if the root key
	// does not unwrap it.
	EncryptWrapped(ctx context.Context, k WrappedKey, plaintext *secret.Bytes, aad []byte) ([]byte, error)
	// DecryptWrapped opens what EncryptWrapped made, or what AES-256-GCM under the
	// same key made elsewhere: nonce, ciphertext, tag. Returns ErrIntegrity if
	// ciphertext, key or associated data are not the ones.
	DecryptWrapped(ctx context.Context, k WrappedKey, ciphertext, aad []byte) (*secret.Bytes, error)

	ObjectToken

	// Random returns 1 to MaxRandomBytes bytes of the token's generator.
	Random(ctx context.Context, n int) ([]byte, error)

	// Check asks the token to do something that needs it to be well and logged
	// in. It does not change the token. Returns ErrNotFound, with the identifiers of
	// all of them, if root keys that were used are gone and nothing else is wrong:
	// who knows whether something needs them judges what that means.
	Check(ctx context.Context) error
	// Close gives the token back. It does not wait for a hanging call.
	Close() error
}
