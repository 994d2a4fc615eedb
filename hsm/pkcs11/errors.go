//go:build cgo

package pkcs11

import (
	"errors"
	"fmt"

	"github.com/miekg/pkcs11"

	"github.com/claviger/claviger/hsm"
)

var (
	// errIll: the token failed a probe that a well one passes.
	errIll = fmt.Errorf("the token also fails with known data: %w", hsm.ErrUnavailable)
	// errOtherKey: what has the key's handle or identifier is another key.
	errOtherKey = fmt.Errorf("the key with this identifier is not the one that was used before: %w", hsm.ErrIntegrity)
)

// stale are the errors after which connecting anew may help.
var stale = map[pkcs11.Error]bool{
	pkcs11.CKR_SESSION_HANDLE_INVALID: true,
	pkcs11.CKR_SESSION_CLOSED:         true,
	pkcs11.CKR_DEVICE_REMOVED:         true,
	pkcs11.CKR_DEVICE_ERROR:           true,
	pkcs11.CKR_TOKEN_NOT_PRESENT:      true,
	pkcs11.CKR_USER_NOT_LOGGED_IN:     true,
	pkcs11.CKR_OBJECT_HANDLE_INVALID:  true,
	pkcs11.CKR_KEY_HANDLE_INVALID:     true,
	pkcs11.CKR_SLOT_ID_INVALID:        true,
	pkcs11.CKR_OPERATION_ACTIVE:       true,
}

// kinds are the errors that mean something else than ErrUnavailable.
var kinds = map[pkcs11.Error]error{
	pkcs11.CKR_PIN_INCORRECT:              hsm.ErrPIN,
	pkcs11.CKR_PIN_INVALID:                hsm.ErrPIN,
	pkcs11.CKR_PIN_LEN_RANGE:              hsm.ErrPIN,
	pkcs11.CKR_PIN_EXPIRED:                hsm.ErrPIN,
	pkcs11.CKR_PIN_LOCKED:                 hsm.ErrPIN,
	pkcs11.CKR_USER_PIN_NOT_INITIALIZED:   hsm.ErrPIN,
	pkcs11.CKR_MECHANISM_INVALID:          hsm.ErrUnsupported,
	pkcs11.CKR_MECHANISM_PARAM_INVALID:    hsm.ErrUnsupported,
	pkcs11.CKR_FUNCTION_NOT_SUPPORTED:     hsm.ErrUnsupported,
	pkcs11.CKR_TEMPLATE_INCONSISTENT:      hsm.ErrUnsupported,
	pkcs11.CKR_TEMPLATE_INCOMPLETE:        hsm.ErrUnsupported,
	pkcs11.CKR_ATTRIBUTE_TYPE_INVALID:     hsm.ErrUnsupported,
	pkcs11.CKR_ATTRIBUTE_VALUE_INVALID:    hsm.ErrUnsupported,
	pkcs11.CKR_KEY_SIZE_RANGE:             hsm.ErrUnsupported,
	pkcs11.CKR_KEY_TYPE_INCONSISTENT:      hsm.ErrUnsupported,
	pkcs11.CKR_KEY_FUNCTION_NOT_PERMITTED: hsm.ErrUnsupported,
	pkcs11.CKR_TOKEN_WRITE_PROTECTED:      hsm.ErrUnsupported,
}

// doubtful are the errors of C_Decrypt that a changed ciphertext causes, but
// an ill token as well.
var doubtful = map[pkcs11.Error]bool{
	pkcs11.CKR_GENERAL_ERROR:            true,
	pkcs11.CKR_FUNCTION_FAILED:          true,
	pkcs11.CKR_ENCRYPTED_DATA_INVALID:   true,
	pkcs11.CKR_ENCRYPTED_DATA_LEN_RANGE: true,
	pkcs11.CKR_DATA_INVALID:             true,
	pkcs11.CKR_SIGNATURE_INVALID:        true,
	pkcs11.CKR_ARGUMENTS_BAD:            true,
}

func isStale(err error) bool {
	var code pkcs11.Error
	return errors.Is(err, errIll) || errors.Is(err, errOtherKey) || errors.As(err, &code) && stale[code]
}

func isDoubtful(err error) bool {
	var code pkcs11.Error
	return errors.As(err, &code) && doubtful[code]
}

var sentinels = []error{
	hsm.ErrPIN, hsm.ErrNotFound, hsm.ErrIntegrity, hsm.ErrUnsupported, hsm.ErrExtractable, hsm.ErrUnavailable,
}

// explain says what failed and of which kind it is. The code of the module
// stays in the text and in the chain.
func explain(what string, err error) error {
	if err == nil {
		return nil
	}
	for _, s := range sentinels {
		if errors.Is(err, s) {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	var code pkcs11.Error
	if errors.As(err, &code) {
		if kind, ok := kinds[code]; ok {
			return fmt.Errorf("%s: %w: %w", what, err, kind)
		}
	}
	return fmt.Errorf("%s: %w: %w", what, err, hsm.ErrUnavailable)
}

// isUntold says that the token has no such attribute or does not reveal it.
func isUntold(err error) bool {
	var code pkcs11.Error
	return errors.As(err, &code) &&
		(code == pkcs11.CKR_ATTRIBUTE_TYPE_INVALID || code == pkcs11.CKR_ATTRIBUTE_SENSITIVE)
}
