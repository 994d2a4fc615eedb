//go:build cgo

package pkcs11

import (
	"fmt"
	"strings"

	"github.com/miekg/pkcs11"

	"github.com/claviger/claviger/hsm"
)

// findSlot looks for the token by serial number and label.
func (t *Token) findSlot() (uint, pkcs11.TokenInfo, error) {
	slots, err := t.calls.GetSlotList(true)
	if err != nil {
		return 0, pkcs11.TokenInfo{}, fmt.Errorf("list slots: %w", err)
	}
	var found []uint
	var token pkcs11.TokenInfo
	var others []string
	for _, slot := range slots {
		info, err := t.calls.GetTokenInfo(slot)
		if err != nil || info.Flags&pkcs11.CKF_TOKEN_INITIALIZED == 0 {
			continue // another slot's trouble is not ours
		}
		label, serial := strings.TrimSpace(info.Label), strings.TrimSpace(info.SerialNumber)
		if (t.cfg.Label == "" || t.cfg.Label == label) && (t.cfg.Serial == "" || t.cfg.Serial == serial) {
			found, token = append(found, slot), info
		} else {
			others = append(others, fmt.Sprintf("%q (serial number %s)", label, serial))
		}
	}
	switch {
	case len(found) == 1:
		return found[0], token, nil
	case len(found) > 1:
		return 0, token, fmt.Errorf("%d slots hold a token of that name; select it by serial number: %w", len(found), hsm.ErrUnsupported)
	case len(others) == 0:
		return 0, token, fmt.Errorf("no slot of the module holds an initialised token; plug it in, or initialise it with the maker's tool: %w", errGone)
	}
	const most = 20
	if n := len(others) - most; n > 0 {
		others = append(others[:most], fmt.Sprintf("and %d more", n))
	}
	return 0, token, fmt.Errorf("there are only the tokens %s; correct its label or serial number, or plug it in: %w", strings.Join(others, ", "), errGone)
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
	info.Vouched = t.cfg.Hardware && !info.Hardware
	return info
}
