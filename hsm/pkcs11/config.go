// Package pkcs11 is a token behind a PKCS#11 module, by github.com/miekg/pkcs11.
// It is the only package that imports it, and needs cgo; built without cgo,
// Open returns an error that says so.
//
// A module is foreign code: it can hang, lose its sessions, forget a login and
// give one object's handle to another. So every operation runs in a goroutine
// of its own with a deadline, on a session from a bounded pool; an operation
// that hangs is written off with its session. After an error that a lost
// session, login, handle or device explains, the token is connected anew once,
// logged in at most once, and a root key is found again by CKA_ID and must
// prove that it is the same key before it is used. If that does not help, the
// module itself is initialised anew, when no call hangs in it: some find the
// tokens that there are only then. A token of another serial number than the one
// that was opened is never used.
//
// One refused PIN stops all further attempts of a Token. A token that says
// that the next wrong PIN locks it is not logged in to at all.
//
// Sealing is by AES-GCM, or AES-CBC and HMAC-SHA-256 under a pair of keys where the
// token has no AES-GCM; wrapping by AES-KW, AES-KWP or AES-KW-PAD, whichever the token
// offers first. A token that refuses our nonce for AES-GCM with its first seal makes
// the nonce itself, in a buffer of zeros; resident objects, whose callers bring the
// nonce, then encrypt by other modes only. That is tested with an emulation and not
// on such an HSM. Wrapped keys are objects of a session that stays open as long as the
// connection does. Resident objects have a label of their own. An object is found by
// label and CKA_ID, and that it then works as the same one is proven of root keys and
// wrapped keys, not of resident objects.
//
// Key check values made by encrypting zeros are not used: under GCM that block
// is the authentication key. A key proves itself by opening a ciphertext of a
// random value (the witness) that it made when it was first used.
//
// What cannot be overwritten: copies of PIN and plaintext that the binding and
// the module make in C memory.
package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip/secret"
)

// The bounds of calls whose context has no earlier deadline.
const (
	DefaultTimeout         = 2 * time.Second
	DefaultGenerateTimeout = 60 * time.Second
)

// PINSource gives the PIN for one login. What it returns is destroyed after
// it.
type PINSource func(context.Context) (*secret.Bytes, error)

// StaticPIN is the source of a PIN that the caller keeps (and destroys when
// the token is closed).
func StaticPIN(pin *secret.Bytes) PINSource {
	return func(context.Context) (*secret.Bytes, error) { return pin.Clone(), nil }
}

// Config says which token to open and how to use it.
type Config struct {
	// Module is the path of the PKCS#11 library.
	Module string
	// Label and Serial select the token; one of them suffices. The label must
	// be unambiguous.
	Label, Serial string
	// PIN is asked at every login: when the token is opened, and again when it
	// has lost its login.
	PIN PINSource
	// Refused is told of each PIN that the token refused; nil for nobody.
	Refused func()
	// Sessions bounds the sessions in use; 0 means one for each core, which
	// suits SoftHSM.
	Sessions int
	// Timeout bounds each use of a key; 0 means DefaultTimeout.
	Timeout time.Duration
	// GenerateTimeout bounds what may take a token long: making keys, bringing
	// one in by Wrap, and opening the token. 0 means DefaultGenerateTimeout.
	GenerateTimeout time.Duration
	// AcceptUnfit uses AES-256 root keys although hsm.Key.Fit refuses them, for
	// tokens that make no better ones. What it says is then the operator's risk.
	AcceptUnfit bool
	// Hardware tells that the operator vouches for the token to be hardware.
	Hardware bool
}

func (c Config) withDefaults() (Config, error) {
	switch {
	case c.Module == "":
		return c, fmt.Errorf("no PKCS#11 module is configured; give the path of the library: %w", hsm.ErrUnsupported)
	case c.Label == "" && c.Serial == "":
		return c, fmt.Errorf("no token is configured; give its label or its serial number: %w", hsm.ErrUnsupported)
	case c.PIN == nil:
		return c, fmt.Errorf("no PIN is configured: %w", hsm.ErrPIN)
	case c.Sessions < 0 || c.Timeout < 0 || c.GenerateTimeout < 0:
		return c, errors.New("sessions and timeouts of a PKCS#11 token cannot be negative")
	}
	if c.Sessions == 0 {
		c.Sessions = runtime.NumCPU()
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.GenerateTimeout == 0 {
		c.GenerateTimeout = max(DefaultGenerateTimeout, c.Timeout)
	}
	return c, nil
}

// name is how errors call the token.
func (c Config) name() string {
	if c.Label == "" {
		return "token with serial number " + c.Serial
	}
	return fmt.Sprintf("token %q", c.Label)
}
