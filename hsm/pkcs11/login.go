//go:build cgo

package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"github.com/miekg/pkcs11"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip/secret"
)

// Session states in which the user is logged in.
var userStates = []uint{1, 3} // CKS_RO_USER_FUNCTIONS, CKS_RW_USER_FUNCTIONS

// login logs in unless the token is logged in to already. A refusal is
// remembered: there is no second attempt.
func (t *Token) login(ctx context.Context, anchor pkcs11.SessionHandle, flags uint) error {
	state, err := t.calls.GetSessionInfo(anchor)
	if err != nil {
		return fmt.Errorf("session state: %w", err)
	}
	if flags&pkcs11.CKF_LOGIN_REQUIRED == 0 || slices.Contains(userStates, state.State) {
		return nil
	}
	if flags&pkcs11.CKF_USER_PIN_LOCKED != 0 {
		return t.stop(fmt.Errorf("its PIN is locked; the security officer must set a new one: %w", hsm.ErrPIN))
	}
	if flags&pkcs11.CKF_USER_PIN_FINAL_TRY != 0 {
		return t.stop(fmt.Errorf("one more wrong PIN would lock it; log in once with the maker's tool: %w", hsm.ErrPIN))
	}
	pin, err := t.cfg.PIN(ctx)
	if err != nil {
		return fmt.Errorf("get the PIN: %w: %w", err, hsm.ErrUnavailable)
	}
	defer pin.Destroy()
	if pin.Len() == 0 || slices.Contains(pin.Reveal(), 0) {
		return t.stop(fmt.Errorf("the PIN is empty or has a zero byte: %w", hsm.ErrPIN))
	}
	if err := ctx.Err(); err != nil {
		return err // nobody waits any more: spend no attempt
	}
	t.loggingIn.Store(true)
	err = t.calls.Login(anchor, pkcs11.CKU_USER, pinText(pin))
	t.loggingIn.Store(false)
	if err == nil || errors.Is(err, pkcs11.Error(pkcs11.CKR_USER_ALREADY_LOGGED_IN)) {
		return nil
	}
	err = explain("log in", err)
	if errors.Is(err, hsm.ErrPIN) {
		return t.stop(err)
	}
	return err
}

// pinText is the PIN's own memory as a string, without the copy that could
// not be overwritten. It lives for the call of Login only.
func pinText(pin *secret.Bytes) string {
	return unsafe.String(unsafe.SliceData(pin.Reveal()), pin.Len()) //nolint:gosec // the binding wants a string; the PIN is destroyed after it
}

func (t *Token) stop(err error) error {
	if t.cfg.Refused != nil {
		t.cfg.Refused()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pinErr = err
	return err
}

// Retry is an operator's act: after hsm.ErrPIN the token may be logged in to once
// more. It does nothing to a token that is well.
func (t *Token) Retry(ctx context.Context) error {
	t.mu.Lock()
	t.pinErr = nil
	t.mu.Unlock()
	return t.Check(ctx)
}
