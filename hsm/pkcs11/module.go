//go:build cgo

package pkcs11

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/miekg/pkcs11"

	"github.com/claviger/claviger/hsm"
)

// calls are the functions of a module that are used. *pkcs11.Ctx has them;
// tests put a faulty one in its place.
type calls interface {
	GetSlotList(tokenPresent bool) ([]uint, error)
	GetSlotInfo(slot uint) (pkcs11.SlotInfo, error)
	GetTokenInfo(slot uint) (pkcs11.TokenInfo, error)
	GetMechanismInfo(slot uint, m []*pkcs11.Mechanism) (pkcs11.MechanismInfo, error)
	OpenSession(slot, flags uint) (pkcs11.SessionHandle, error)
	CloseSession(sh pkcs11.SessionHandle) error
	GetSessionInfo(sh pkcs11.SessionHandle) (pkcs11.SessionInfo, error)
	Login(sh pkcs11.SessionHandle, userType uint, pin string) error
	FindObjectsInit(sh pkcs11.SessionHandle, template []*pkcs11.Attribute) error
	FindObjects(sh pkcs11.SessionHandle, most int) ([]pkcs11.ObjectHandle, bool, error)
	FindObjectsFinal(sh pkcs11.SessionHandle) error
	GetAttributeValue(sh pkcs11.SessionHandle, o pkcs11.ObjectHandle, a []*pkcs11.Attribute) ([]*pkcs11.Attribute, error)
	GenerateKey(sh pkcs11.SessionHandle, m []*pkcs11.Mechanism, template []*pkcs11.Attribute) (pkcs11.ObjectHandle, error)
	DestroyObject(sh pkcs11.SessionHandle, o pkcs11.ObjectHandle) error
	EncryptInit(sh pkcs11.SessionHandle, m []*pkcs11.Mechanism, o pkcs11.ObjectHandle) error
	Encrypt(sh pkcs11.SessionHandle, message []byte) ([]byte, error)
	DecryptInit(sh pkcs11.SessionHandle, m []*pkcs11.Mechanism, o pkcs11.ObjectHandle) error
	Decrypt(sh pkcs11.SessionHandle, ciphertext []byte) ([]byte, error)
	GenerateRandom(sh pkcs11.SessionHandle, length int) ([]byte, error)
}

// PKCS#11 allows one C_Initialize for each module and process, so modules are
// shared by path and counted. This is the package's only global state.
var (
	modulesMu sync.Mutex
	modules   = map[string]*module{} // guarded by modulesMu
)

type module struct {
	path string
	ctx  *pkcs11.Ctx
	uses int // guarded by modulesMu
}

// load returns the module of a path, initialised. The caller releases it.
func load(path string) (*module, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("PKCS#11 module: %w: %w", err, hsm.ErrUnavailable)
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	modulesMu.Lock()
	defer modulesMu.Unlock()
	if m, ok := modules[path]; ok {
		m.uses++
		return m, nil
	}
	ctx := pkcs11.New(path)
	if ctx == nil {
		return nil, fmt.Errorf("%s cannot be loaded as a PKCS#11 module; check that it is built for this machine and its own libraries are there: %w", path, hsm.ErrUnavailable)
	}
	err := ctx.Initialize()
	if err != nil && !errors.Is(err, pkcs11.Error(pkcs11.CKR_CRYPTOKI_ALREADY_INITIALIZED)) {
		ctx.Destroy()
		return nil, explain("initialise "+path, err)
	}
	m := &module{path: path, ctx: ctx, uses: 1}
	modules[path] = m
	return m, nil
}

// release gives the module back. The last one finalises it, unless calls may
// still be running in it: then it stays initialised for the next use.
func (m *module) release(idle bool) {
	modulesMu.Lock()
	defer modulesMu.Unlock()
	m.uses--
	if m.uses > 0 || !idle {
		return
	}
	delete(modules, m.path)
	_ = m.ctx.Finalize() // nothing is left that could be told
	m.ctx.Destroy()
}
