//go:build cgo

package pkcs11

import (
	"errors"
	"fmt"
	"strings"

	"github.com/miekg/pkcs11"

	"github.com/claviger/claviger/hsm"
)

var (
	// errIll: the token failed a probe that a well one passes.
	errIll = fmt.Errorf("the token also fails with known data: %w", hsm.ErrUnavailable)
	// errOtherKey: what has the key's handle or identifier is another key.
	errOtherKey = fmt.Errorf("the key with this identifier is not the one that was used before: %w", hsm.ErrIntegrity)
	// errVoid: the module was initialised anew since the connection was made.
	errVoid = fmt.Errorf("the connection was lost: %w", hsm.ErrUnavailable)
	// errGone: no slot holds the token.
	errGone = fmt.Errorf("the token is not there: %w", hsm.ErrUnavailable)
)

// stale are the errors after which connecting anew may help.
var stale = map[pkcs11.Error]bool{
	pkcs11.CKR_GENERAL_ERROR:                 true,
	pkcs11.CKR_FUNCTION_FAILED:               true,
	pkcs11.CKR_CRYPTOKI_NOT_INITIALIZED:      true,
	pkcs11.CKR_TOKEN_NOT_RECOGNIZED:          true,
	pkcs11.CKR_WRAPPING_KEY_HANDLE_INVALID:   true,
	pkcs11.CKR_UNWRAPPING_KEY_HANDLE_INVALID: true,
	pkcs11.CKR_SESSION_HANDLE_INVALID:        true,
	pkcs11.CKR_SESSION_CLOSED:                true,
	pkcs11.CKR_DEVICE_REMOVED:                true,
	pkcs11.CKR_DEVICE_ERROR:                  true,
	pkcs11.CKR_TOKEN_NOT_PRESENT:             true,
	pkcs11.CKR_USER_NOT_LOGGED_IN:            true,
	pkcs11.CKR_OBJECT_HANDLE_INVALID:         true,
	pkcs11.CKR_KEY_HANDLE_INVALID:            true,
	pkcs11.CKR_SLOT_ID_INVALID:               true,
	pkcs11.CKR_OPERATION_ACTIVE:              true,
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
	pkcs11.CKR_ACTION_PROHIBITED:          hsm.ErrUnsupported,
	pkcs11.CKR_DATA_LEN_RANGE:             hsm.ErrUnsupported,
	pkcs11.CKR_DOMAIN_PARAMS_INVALID:      hsm.ErrUnsupported,
	pkcs11.CKR_CURVE_NOT_SUPPORTED:        hsm.ErrUnsupported,
}

// advice tells what to do about errors whose kind does not say it.
var advice = map[pkcs11.Error]string{
	pkcs11.CKR_PIN_LOCKED:               "its PIN is locked; the security officer must set a new one",
	pkcs11.CKR_PIN_EXPIRED:              "its PIN has expired; set a new one with the maker's tool",
	pkcs11.CKR_USER_PIN_NOT_INITIALIZED: "it has no user PIN yet; the security officer must set one",
	pkcs11.CKR_DEVICE_MEMORY:            "the token is full; destroy keys in it that nothing uses, or enlarge it",
	pkcs11.CKR_SESSION_COUNT:            "the token has no session left; lower the number of sessions in the configuration or stop its other users",
	pkcs11.CKR_MECHANISM_INVALID:        "the token does not have the mechanism; ask its maker which firmware or setting has it",
	pkcs11.CKR_TOKEN_WRITE_PROTECTED:    "the token is write-protected; allow changes with the maker's tool",
	pkcs11.CKR_HOST_MEMORY:              "this machine has no memory left for the PKCS#11 module",
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
	pkcs11.CKR_SIGNATURE_LEN_RANGE:      true,
	pkcs11.CKR_ARGUMENTS_BAD:            true,
	pkcs11.CKR_WRAPPED_KEY_INVALID:      true,
	pkcs11.CKR_WRAPPED_KEY_LEN_RANGE:    true,
	pkcs11.CKR_DATA_LEN_RANGE:           true,
}

func isStale(err error) bool {
	var code pkcs11.Error
	for _, known := range []error{errIll, errOtherKey, errVoid, errGone} {
		if errors.Is(err, known) {
			return true
		}
	}
	return errors.As(err, &code) && stale[code]
}

// isNoHandle says that an object has gone.
func isNoHandle(err error) bool {
	var code pkcs11.Error
	return errors.As(err, &code) &&
		(code == pkcs11.CKR_OBJECT_HANDLE_INVALID || code == pkcs11.CKR_KEY_HANDLE_INVALID)
}

func isDoubtful(err error) bool {
	var code pkcs11.Error
	return errors.As(err, &code) && doubtful[code] && !errors.Is(err, hsm.ErrUnsupported)
}

var sentinels = []error{
	hsm.ErrPIN, hsm.ErrNotFound, hsm.ErrIntegrity, hsm.ErrUnsupported, hsm.ErrExtractable, hsm.ErrUnavailable,
}

// explain says what failed, what to do about it and of which kind it is. The
// code of the module stays in the text and in the chain.
func explain(what string, err error) error {
	if err == nil {
		return nil
	}
	var code pkcs11.Error
	if errors.As(err, &code) && advice[code] != "" && !strings.Contains(err.Error(), advice[code]) {
		what += ": " + advice[code]
	}
	for _, s := range sentinels {
		if errors.Is(err, s) {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	if errors.As(err, &code) {
		if kind, ok := kinds[code]; ok {
			return fmt.Errorf("%s: %w: %w", what, err, kind)
		}
	}
	return fmt.Errorf("%s: %w: %w", what, err, hsm.ErrUnavailable)
}

// refusals are the errors that say that a key or a template does not suit. A
// module that loses its login or its objects between two calls says so as well,
// of objects that were fit a moment ago (SoftHSM does).
var refusals = map[pkcs11.Error]bool{
	pkcs11.CKR_TEMPLATE_INCONSISTENT:      true,
	pkcs11.CKR_ATTRIBUTE_VALUE_INVALID:    true,
	pkcs11.CKR_KEY_TYPE_INCONSISTENT:      true,
	pkcs11.CKR_KEY_FUNCTION_NOT_PERMITTED: true,
	pkcs11.CKR_KEY_SIZE_RANGE:             true,
	pkcs11.CKR_MECHANISM_INVALID:          true,
}

// refusedNow returns the error of a call that the token has done before for the
// same key: a refusal of it now means that the token is ill.
func refusedNow(err error) error {
	var code pkcs11.Error
	if errors.As(err, &code) && refusals[code] && !errors.Is(err, hsm.ErrUnsupported) {
		return fmt.Errorf("%w: %w", err, errIll)
	}
	return err
}

// isUntold says that the token has no such attribute or does not reveal it.
func isUntold(err error) bool {
	var code pkcs11.Error
	return errors.As(err, &code) &&
		(code == pkcs11.CKR_ATTRIBUTE_TYPE_INVALID || code == pkcs11.CKR_ATTRIBUTE_SENSITIVE)
}
