package hsm

import (
	"errors"
	"fmt"
)

// MaxLogins are the logins in a row that a token may leave without an answer.
const MaxLogins = 3

// The kinds of error. Their texts tell an operator what to do next; what
// wraps them says which token, key and call it was.
var (
	// ErrUnavailable: the token did not answer as a well token does. Trying
	// again is right.
	ErrUnavailable = errors.New("the token is not available; check that the HSM is reachable and its client service runs, then try again")
	// ErrPIN: the token refused the PIN or passphrase, or has locked it. No
	// further attempt is made until the token is opened anew, because each one
	// brings the PIN nearer to being locked.
	ErrPIN = errors.New("the token refused the PIN; correct or unlock it, then let the server try again (claviger unseal, or claviger root retry); no further attempt is made until then")
	// ErrLogin: the token did not answer a login, which may have cost an attempt. It
	// comes with ErrUnavailable or the error of the context. After MaxLogins of them
	// in a row no other is made until an operator asks for it.
	ErrLogin = errors.New("a login was not answered and may have cost an attempt at the PIN")
	// ErrNotFound: there is no such key.
	ErrNotFound = errors.New("no such key; check that the token is the one that was enrolled and restore it from its backup if the key is gone")
	// ErrIntegrity: authentication failed. The data was changed, belongs
	// elsewhere or was made under another key. Trying again is no use.
	ErrIntegrity = errors.New("authentication failed: the data was changed or belongs to another key; restore it from a backup and find out who changed it")
	// ErrUnsupported: the token or the key cannot do that.
	ErrUnsupported = errors.New("not supported; compare what was asked with the capabilities of the token and the purpose of the key")
	// ErrExtractable: the root key is unfit to be one.
	ErrExtractable = errors.New("unfit as a root key; make a new root key in the token and do not use this one")
	errNoObjects   = fmt.Errorf("the token keeps no resident objects: %w", ErrUnsupported)
	// ErrClosed: the token was closed. It is an ErrUnavailable.
	ErrClosed = fmt.Errorf("the token is closed: %w", ErrUnavailable)
)
