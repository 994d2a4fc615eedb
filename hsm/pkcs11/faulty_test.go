//go:build cgo

package pkcs11

import "github.com/miekg/pkcs11"

// faulty is a token that says that the next wrong PIN locks it, which SoftHSM
// never does.
type faulty struct {
	calls
	logins int
}

func (f *faulty) GetTokenInfo(slot uint) (pkcs11.TokenInfo, error) {
	info, err := f.calls.GetTokenInfo(slot)
	info.Flags |= pkcs11.CKF_USER_PIN_FINAL_TRY
	return info, err
}

func (f *faulty) Login(sh pkcs11.SessionHandle, user uint, pin string) error {
	f.logins++
	return f.calls.Login(sh, user, pin)
}
