//go:build cgo

package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

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
	CreateObject(sh pkcs11.SessionHandle, template []*pkcs11.Attribute) (pkcs11.ObjectHandle, error)
	DestroyObject(sh pkcs11.SessionHandle, o pkcs11.ObjectHandle) error
	GenerateKey(sh pkcs11.SessionHandle, m []*pkcs11.Mechanism, template []*pkcs11.Attribute) (pkcs11.ObjectHandle, error)
	GenerateKeyPair(sh pkcs11.SessionHandle, m []*pkcs11.Mechanism, public, private []*pkcs11.Attribute) (pkcs11.ObjectHandle, pkcs11.ObjectHandle, error)
	WrapKey(sh pkcs11.SessionHandle, m []*pkcs11.Mechanism, by, key pkcs11.ObjectHandle) ([]byte, error)
	UnwrapKey(sh pkcs11.SessionHandle, m []*pkcs11.Mechanism, by pkcs11.ObjectHandle, wrapped []byte, template []*pkcs11.Attribute) (pkcs11.ObjectHandle, error)
	EncryptInit(sh pkcs11.SessionHandle, m []*pkcs11.Mechanism, o pkcs11.ObjectHandle) error
	Encrypt(sh pkcs11.SessionHandle, message []byte) ([]byte, error)
	DecryptInit(sh pkcs11.SessionHandle, m []*pkcs11.Mechanism, o pkcs11.ObjectHandle) error
	Decrypt(sh pkcs11.SessionHandle, ciphertext []byte) ([]byte, error)
	SignInit(sh pkcs11.SessionHandle, m []*pkcs11.Mechanism, o pkcs11.ObjectHandle) error
	Sign(sh pkcs11.SessionHandle, message []byte) ([]byte, error)
	VerifyInit(sh pkcs11.SessionHandle, m []*pkcs11.Mechanism, o pkcs11.ObjectHandle) error
	Verify(sh pkcs11.SessionHandle, data, signature []byte) error
	GenerateRandom(sh pkcs11.SessionHandle, length int) ([]byte, error)
}

const (
	// renewInterval is how often a module is initialised anew at most, and
	// renewShared is that when several tokens are open in it: each time all of
	// them lose their connections.
	renewInterval = time.Second
	renewShared   = 5 * time.Second
	// renewPatience bounds the wait for calls to leave the module before that.
	renewPatience = 500 * time.Millisecond
)

// PKCS#11 allows one C_Initialize for each module and process, so modules are
// shared by path and counted. This is the package's only global state.
var (
	modulesMu sync.Mutex
	modules   = map[string]*module{} // guarded by modulesMu
)

// module is a loaded module. Whoever calls it has entered before and leaves
// after, so that it can be initialised anew when nobody is inside. Handles of
// sessions and objects are valid in the generation that they are from: another
// one gives the same numbers to others.
type module struct {
	path string
	ctx  *pkcs11.Ctx
	uses int // guarded by modulesMu

	mu         sync.Mutex // guards what follows
	generation uint64
	inside     int
	renewing   chan struct{} // closed when the renewal under way ends; nil when there is none
	empty      chan struct{} // closed when nobody is inside; nil unless a renewal waits for it
	renewed    time.Time     // when a renewal was last tried
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
		if m.uses == 0 { // it was left as it was, and others may have finalised it
			if err := initialise(m.ctx); err != nil {
				return nil, explain("initialise "+path, err)
			}
		}
		m.uses++
		return m, nil
	}
	ctx := pkcs11.New(path)
	if ctx == nil {
		return nil, fmt.Errorf("%s cannot be loaded as a PKCS#11 module; check that it is built for this machine and its own libraries are there: %w", path, hsm.ErrUnavailable)
	}
	if err := initialise(ctx); err != nil {
		ctx.Destroy()
		return nil, explain("initialise "+path, err)
	}
	m := &module{path: path, ctx: ctx, uses: 1}
	modules[path] = m
	return m, nil
}

func initialise(ctx *pkcs11.Ctx) error {
	err := ctx.Initialize()
	if errors.Is(err, pkcs11.Error(pkcs11.CKR_CRYPTOKI_ALREADY_INITIALIZED)) {
		return nil
	}
	return err
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

// enter waits for a renewal under way and returns the generation, which stays
// until leave.
func (m *module) enter(ctx context.Context) (uint64, error) {
	for {
		m.mu.Lock()
		wait := m.renewing
		if wait == nil {
			m.inside++
			g := m.generation
			m.mu.Unlock()
			return g, nil
		}
		m.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

func (m *module) leave() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.inside--
	if m.inside == 0 && m.empty != nil {
		close(m.empty)
		m.empty = nil
	}
}

// renew finalises and initialises the module, unless that was done since the
// generation seen, or too short a time ago, or calls do not leave the module.
// The caller is not inside.
func (m *module) renew(ctx context.Context, seen uint64) error {
	interval := renewInterval
	modulesMu.Lock()
	if m.uses > 1 {
		interval = renewShared
	}
	modulesMu.Unlock()
	m.mu.Lock()
	switch {
	case m.generation != seen:
		m.mu.Unlock()
		return nil
	case m.renewing != nil:
		wait := m.renewing
		m.mu.Unlock()
		select {
		case <-wait:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	case time.Since(m.renewed) < interval:
		m.mu.Unlock()
		return fmt.Errorf("the module was initialised anew a moment ago: %w", hsm.ErrUnavailable)
	}
	over := make(chan struct{})
	empty := make(chan struct{})
	m.renewing, m.renewed = over, time.Now()
	if m.inside > 0 {
		m.empty = empty
	} else {
		close(empty)
	}
	m.mu.Unlock()

	err := m.whenEmpty(ctx, empty)
	if err == nil {
		_ = m.ctx.Finalize() // it may be finalised already
		err = initialise(m.ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !errors.Is(err, errInside) {
		m.generation++
		m.renewed = time.Now()
	}
	m.renewing, m.empty = nil, nil
	close(over)
	return explain("initialise "+m.path+" anew", err)
}

var errInside = fmt.Errorf("calls hang in the module; restart this program if that does not end: %w", hsm.ErrUnavailable)

func (m *module) whenEmpty(ctx context.Context, empty <-chan struct{}) error {
	timer := time.NewTimer(renewPatience)
	defer timer.Stop()
	select {
	case <-empty:
		return nil
	case <-timer.C:
	case <-ctx.Done():
	}
	return errInside
}
