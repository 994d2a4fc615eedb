package hsm

import (
	"errors"
	"fmt"
)

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
