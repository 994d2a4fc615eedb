//go:build cgo

package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unsafe"

	"github.com/miekg/pkcs11"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip/secret"
)

// session is an open session of one connection.
type session struct {
	handle pkcs11.SessionHandle
	conn   *connection
}

// connection is what holds from one connect to the next: slot, login and the
// validity of object handles.
type connection struct {
	slot   uint
	anchor pkcs11.SessionHandle // stays open so that the login lasts
	info   hsm.Info
}

// take returns a session of the current connection.
func (t *Token) take(ctx context.Context) (*session, error) {
	t.mu.Lock()
	conn, pinErr := t.conn, t.pinErr
	var idle *session
	if n := len(t.idle); n > 0 {
		idle, t.idle = t.idle[n-1], t.idle[:n-1]
	}
	t.mu.Unlock()
	switch {
	case pinErr != nil:
		return nil, pinErr
	case idle != nil:
		return idle, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	handle, err := t.calls.OpenSession(conn.slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	if err != nil {
		return nil, fmt.Errorf("open session: %w", err)
	}
	return &session{handle: handle, conn: conn}, nil
}

// giveBack keeps a session for the next operation, or closes it.
func (t *Token) giveBack(s *session, well bool) {
	t.mu.Lock()
	if well && !t.closed && s.conn == t.conn && len(t.idle) < t.cfg.Sessions {
		t.idle = append(t.idle, s)
		t.mu.Unlock()
		return
	}
	t.mu.Unlock()
	_ = t.calls.CloseSession(s.handle) // it may be gone already
}

// reconnect makes a new connection unless another operation has done so since
// failed was taken (nil: the session could not even be opened).
func (t *Token) reconnect(ctx context.Context, failed *session) error {
	t.mu.Lock()
	before := t.conn
	t.mu.Unlock()
	if failed != nil {
		before = failed.conn
	}
	select {
	case t.connecting <- struct{}{}:
		defer func() { <-t.connecting }()
	case <-ctx.Done():
		return ctx.Err()
	}
	t.mu.Lock()
	renewed := t.conn != before
	t.mu.Unlock()
	if renewed {
		return nil
	}
	return t.connect(ctx)
}

// connect finds the token, opens a session and logs in, at most once. The
// sessions of the connection before are closed after that, because closing the
// last one would end a login that still holds. The caller holds connecting.
func (t *Token) connect(ctx context.Context) error {
	if err := t.usable(); err != nil {
		return err
	}
	slot, token, err := t.findSlot()
	if err != nil {
		return err
	}
	conn := &connection{slot: slot, info: t.describe(slot, token)}
	conn.anchor, err = t.calls.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	if err != nil {
		return fmt.Errorf("open session: %w", err)
	}
	if err := t.login(ctx, conn.anchor, token.Flags); err != nil {
		_ = t.calls.CloseSession(conn.anchor)
		return err
	}
	t.mu.Lock()
	old, idle, closed := t.conn, t.idle, t.closed
	if !closed {
		t.conn, t.idle = conn, nil
	}
	t.mu.Unlock()
	if closed {
		_ = t.calls.CloseSession(conn.anchor)
		return hsm.ErrClosed
	}
	for _, s := range idle {
		_ = t.calls.CloseSession(s.handle)
	}
	if old != nil {
		_ = t.calls.CloseSession(old.anchor)
	}
	return nil
}

// findSlot looks for the token by serial number and label.
func (t *Token) findSlot() (uint, pkcs11.TokenInfo, error) {
	slots, err := t.calls.GetSlotList(true)
	if err != nil {
		return 0, pkcs11.TokenInfo{}, fmt.Errorf("list slots: %w", err)
	}
	var found []uint
	var token pkcs11.TokenInfo
	for _, slot := range slots {
		info, err := t.calls.GetTokenInfo(slot)
		if err != nil || info.Flags&pkcs11.CKF_TOKEN_INITIALIZED == 0 {
			continue // another slot's trouble is not ours
		}
		label, serial := strings.TrimSpace(info.Label), strings.TrimSpace(info.SerialNumber)
		if (t.cfg.Label == "" || t.cfg.Label == label) && (t.cfg.Serial == "" || t.cfg.Serial == serial) {
			found, token = append(found, slot), info
		}
	}
	switch len(found) {
	case 1:
		return found[0], token, nil
	case 0:
		return 0, token, fmt.Errorf("none of %d slots holds it; check its label and serial number and that it is plugged in: %w", len(slots), hsm.ErrUnavailable)
	}
	return 0, token, fmt.Errorf("%d slots hold a token of that name; select it by serial number: %w", len(found), hsm.ErrUnsupported)
}

func (t *Token) describe(slot uint, token pkcs11.TokenInfo) hsm.Info {
	info := hsm.Info{
		Kind: hsm.KindPKCS11, Label: strings.TrimSpace(token.Label), Serial: strings.TrimSpace(token.SerialNumber),
		Model: strings.TrimSpace(token.Model), Manufacturer: strings.TrimSpace(token.ManufacturerID),
		Firmware: fmt.Sprintf("%d.%d", token.FirmwareVersion.Major, token.FirmwareVersion.Minor),
	}
	s, err := t.calls.GetSlotInfo(slot)
	softHSM := strings.Contains(strings.ToLower(info.Model+" "+info.Manufacturer), "softhsm")
	info.Hardware = err == nil && s.Flags&pkcs11.CKF_HW_SLOT != 0 && !softHSM
	return info
}

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
		return fmt.Errorf("the PIN is empty or has a zero byte: %w", hsm.ErrPIN)
	}
	if err := ctx.Err(); err != nil {
		return err // nobody waits any more: spend no attempt
	}
	err = t.calls.Login(anchor, pkcs11.CKU_USER, pinText(pin))
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
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pinErr = err
	return err
}
