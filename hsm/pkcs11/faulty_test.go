//go:build cgo

package pkcs11

import (
	"errors"
	"sync"

	"github.com/miekg/pkcs11"
)

// faulty is a module with a fault before one of its functions.
type faulty struct {
	calls
	mu     sync.Mutex
	before func(call string) error // guarded by mu; nil when well
	count  map[string]int          // guarded by mu
	// handle changes the handle that Encrypt and Decrypt work with.
	handle func(pkcs11.ObjectHandle) pkcs11.ObjectHandle // guarded by mu
}

func (f *faulty) set(before func(string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before, f.count = before, map[string]int{}
}

func (f *faulty) calledTimes(call string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count[call]
}

func (f *faulty) on(call string) error {
	f.mu.Lock()
	before := f.before
	if f.count != nil {
		f.count[call]++
	}
	f.mu.Unlock()
	if before == nil {
		return nil
	}
	return before(call)
}

func (f *faulty) change(o pkcs11.ObjectHandle) pkcs11.ObjectHandle {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.handle == nil {
		return o
	}
	return f.handle(o)
}

func (f *faulty) OpenSession(slot, flags uint) (pkcs11.SessionHandle, error) {
	if err := f.on("OpenSession"); err != nil {
		return 0, err
	}
	return f.calls.OpenSession(slot, flags)
}

func (f *faulty) GetSessionInfo(sh pkcs11.SessionHandle) (pkcs11.SessionInfo, error) {
	err := f.on("GetSessionInfo")
	if errors.Is(err, errLoggedOut) {
		return pkcs11.SessionInfo{State: 2}, nil
	} else if err != nil {
		return pkcs11.SessionInfo{}, err
	}
	return f.calls.GetSessionInfo(sh)
}

// errLoggedOut makes GetSessionInfo say that nobody is logged in.
var errLoggedOut = errors.New("logged out")

func (f *faulty) Login(sh pkcs11.SessionHandle, user uint, pin string) error {
	if err := f.on("Login"); err != nil {
		return err
	}
	return f.calls.Login(sh, user, pin)
}

func (f *faulty) GetTokenInfo(slot uint) (pkcs11.TokenInfo, error) {
	info, err := f.calls.GetTokenInfo(slot)
	if f.on("GetTokenInfo") != nil {
		info.Flags |= pkcs11.CKF_USER_PIN_FINAL_TRY
	}
	return info, err
}

func (f *faulty) EncryptInit(sh pkcs11.SessionHandle, m []*pkcs11.Mechanism, o pkcs11.ObjectHandle) error {
	if err := f.on("EncryptInit"); err != nil {
		return err
	}
	return f.calls.EncryptInit(sh, m, f.change(o))
}

func (f *faulty) DecryptInit(sh pkcs11.SessionHandle, m []*pkcs11.Mechanism, o pkcs11.ObjectHandle) error {
	if err := f.on("DecryptInit"); err != nil {
		return err
	}
	return f.calls.DecryptInit(sh, m, f.change(o))
}

func (f *faulty) Decrypt(sh pkcs11.SessionHandle, c []byte) ([]byte, error) {
	if err := f.on("Decrypt"); err != nil {
		return nil, err
	}
	return f.calls.Decrypt(sh, c)
}

func (f *faulty) GenerateRandom(sh pkcs11.SessionHandle, n int) ([]byte, error) {
	if err := f.on("GenerateRandom"); err != nil {
		return nil, err
	}
	return f.calls.GenerateRandom(sh, n)
}

func (f *faulty) FindObjectsInit(sh pkcs11.SessionHandle, a []*pkcs11.Attribute) error {
	if err := f.on("FindObjectsInit"); err != nil {
		return err
	}
	return f.calls.FindObjectsInit(sh, a)
}
