package custody

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"sync"
	"time"

	"github.com/claviger/claviger/kmip"
)

// PKCS11Call is a call of a PKCS#11 function by KMIP (§6.1.37), and PKCS11Result
// what it returns.
type PKCS11Call struct {
	Interface   string
	Function    kmip.PKCS11Function
	Correlation []byte
	Input       []byte
}

// PKCS11Result is what a PKCS#11 function returns.
type PKCS11Result struct {
	Correlation []byte // of an application that has begun
	Output      []byte
	Return      kmip.PKCS11ReturnCode
}

// pkcs11Interface is the one that is there (PKCS#11 3.0 §5.4.4).
const pkcs11Interface = "PKCS 11"

// Return codes besides CKR_OK (PKCS#11 3.0 §3.6).
const (
	ckrNotSupported       kmip.PKCS11ReturnCode = 0x54  // CKR_FUNCTION_NOT_SUPPORTED
	ckrNotInitialized     kmip.PKCS11ReturnCode = 0x190 // CKR_CRYPTOKI_NOT_INITIALIZED
	ckrAlreadyInitialized kmip.PKCS11ReturnCode = 0x191 // CKR_CRYPTOKI_ALREADY_INITIALIZED
)

// Bounds of PKCS#11 applications on one node.
const (
	maxApplications = 4096
	applicationIdle = time.Hour
)

// applicationTable remembers who has called C_Initialize.
type applicationTable struct {
	mu    sync.Mutex
	known map[string]application // by correlation value; guarded by mu
}

type application struct {
	owner string
	used  time.Time
}

func (t *applicationTable) open(owner string, now time.Time) ([]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known == nil {
		t.known = map[string]application{}
	}
	if len(t.known) >= maxApplications {
		for k, a := range t.known {
			if now.Sub(a.used) > applicationIdle {
				delete(t.known, k)
			}
		}
	}
	if len(t.known) >= maxApplications {
		return nil, kmip.Fail(kmip.KindTooMany, "too many PKCS#11 applications are open")
	}
	value := make([]byte, correlationBytes)
	_, _ = rand.Read(value) // never fails
	t.known[hex.EncodeToString(value)] = application{owner, now}
	return value, nil
}

// use reports whether the caller has called C_Initialize, and not C_Finalize.
func (t *applicationTable) use(correlation []byte, owner string, now time.Time, end bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := hex.EncodeToString(correlation)
	a, ok := t.known[key]
	if !ok || a.owner != owner {
		return false
	}
	if end {
		delete(t.known, key)
	} else {
		t.known[key] = application{owner, now}
	}
	return true
}

// PKCS11 calls a PKCS#11 function. There are C_Initialize, C_Finalize and
// C_GetInfo; whatever else PKCS#11 has answers CKR_FUNCTION_NOT_SUPPORTED, as
// modules do.
func (s *Service) PKCS11(ctx context.Context, sc *Scope, c PKCS11Call) (PKCS11Result, error) {
	var r PKCS11Result
	action := kmip.OperationPKCS11.String()
	err := s.do(ctx, sc, action, func() (outcome, error) {
		o := outcome{detail: c.Function.String()}
		if err := s.authorizeNone(ctx, sc, action); err != nil {
			return o, err
		}
		if c.Interface != "" && c.Interface != pkcs11Interface {
			return o, kmip.Fail(kmip.KindPKCS11Interface, "there is no PKCS#11 interface %q", printable(c.Interface))
		}
		var err error
		r, err = s.pkcs11(sc, c)
		return o, err
	})
	return r, err
}

func (s *Service) pkcs11(sc *Scope, c PKCS11Call) (PKCS11Result, error) {
	owner := sc.Domain + "/" + sc.Principal.Actor()
	now := s.now()
	if c.Function == kmip.PKCS11FunctionCInitialize {
		if len(c.Input) > 1 {
			return PKCS11Result{}, kmip.Fail(kmip.KindPKCS11Codec, "C_Initialize takes no arguments here")
		}
		if c.Correlation != nil && s.applications.use(c.Correlation, owner, now, false) {
			return PKCS11Result{Correlation: c.Correlation, Return: ckrAlreadyInitialized}, nil
		}
		value, err := s.applications.open(owner, now)
		return PKCS11Result{Correlation: value, Return: kmip.PKCS11ReturnCodeOK}, err
	}
	if !s.applications.use(c.Correlation, owner, now, c.Function == kmip.PKCS11FunctionCFinalize) {
		return PKCS11Result{Return: ckrNotInitialized}, nil
	}
	switch c.Function {
	case kmip.PKCS11FunctionCFinalize:
		return PKCS11Result{Correlation: c.Correlation, Return: kmip.PKCS11ReturnCodeOK}, nil
	case kmip.PKCS11FunctionCGetInfo:
		return PKCS11Result{Correlation: c.Correlation, Output: pkcs11Info(), Return: kmip.PKCS11ReturnCodeOK}, nil
	}
	if kmip.EnumName(kmip.TagPKCS11Function, uint32(c.Function))[0] != 'C' {
		return PKCS11Result{}, kmip.Fail(kmip.KindPKCS11Function, "PKCS#11 has no function %d", c.Function)
	}
	return PKCS11Result{Correlation: c.Correlation, Return: ckrNotSupported}, nil
}

// pkcs11Info is a CK_INFO (PKCS#11 3.0 §3.1): version, manufacturer, flags,
// description, version of the library.
func pkcs11Info() []byte {
	text := func(s string) []byte {
		b := []byte("                                ")
		copy(b, s)
		return b
	}
	b := append([]byte{3, 0}, text("Claviger")...)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	b = append(b, text("Claviger KMIP server")...)
	return append(b, 1, 0)
}
