package soft

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip/secret"
)

// The kinds of guard.
const (
	GuardNone       = "none"
	GuardPassphrase = "passphrase"
	GuardShares     = "shamir"
	GuardTPM        = "tpm"
)

// Guard says what is to protect a file. The zero value is nothing; at most one of
// passphrase, shares and TPM.
type Guard struct {
	// Passphrase stays the caller's. KDF is its cost; the zero value means
	// DefaultKDF.
	Passphrase *secret.Bytes
	KDF        KDF
	// Threshold of so many Shares opens the file, from 2 of 2 to 255 of 255.
	Threshold, Shares int
	HandOut           HandOut
	TPM               *TPM
}

// HandOut brings new shares to where they last, before a file needs them: if it
// fails, the file stays what it was. undo takes them back when the file could not be
// written, and nothing needs them.
type HandOut func([]Share) (undo func(), err error)

// handOut is HandOut if there are shares and somebody to take them.
func (g Guard) handOut(shares []Share) (undo func(), err error) {
	if g.HandOut == nil || len(shares) == 0 {
		return func() {}, nil
	}
	return g.HandOut(shares)
}

// takeBack ends a change that failed after the hand-out. Shares that the file may
// need are kept: its replacement can have failed after the rename.
func takeBack(undo func(), needed bool, err error) error {
	if undo == nil {
		return err
	}
	if needed {
		return fmt.Errorf("%w; keep the new shares: the file may need them already", err)
	}
	undo()
	return err
}

// TPM says to which TPM and state of the machine a file is sealed.
type TPM struct {
	// Device is the TPM: /dev/tpmrm0, or the Unix socket of swtpm.
	Device string
	// PCRs are the registers of the SHA-256 bank whose values at the time of
	// sealing are needed to open; none means any state. An update of the firmware
	// or the boot loader changes them.
	PCRs []int
}

// guardHeader is what a file says about its guard: at most one of them.
type guardHeader struct {
	KDF   *kdfHeader   `json:"passphrase,omitempty"`
	Split *splitHeader `json:"shamir,omitempty"`
	TPM   *tpmHeader   `json:"tpm,omitempty"`
}

// tpmHeader is a sealed object, and to what it is sealed.
type tpmHeader struct {
	Parent  []byte `json:"parent"` // name of the storage root key
	Public  []byte `json:"public"`
	Private []byte `json:"private"` // encrypted by the TPM
	PCRs    []int  `json:"pcrs,omitempty"`
}

const maxPCR = 23

func pcrsExist(pcrs []int) bool {
	return !slices.ContainsFunc(pcrs, func(n int) bool { return n < 0 || n > maxPCR })
}

func (g guardHeader) kind() string {
	switch {
	case g.KDF != nil:
		return GuardPassphrase
	case g.Split != nil:
		return GuardShares
	case g.TPM != nil:
		return GuardTPM
	}
	return GuardNone
}

func (g guardHeader) equal(o guardHeader) bool { return reflect.DeepEqual(g, o) }

// version is that of a file with such a guard.
func (g guardHeader) version() int {
	if g.Split != nil || g.TPM != nil {
		return versionKey
	}
	return versionPassphrase
}

// check refuses a file that nobody can have written.
func (g guardHeader) check(version int) error {
	n := 0
	for _, is := range []bool{g.KDF != nil, g.Split != nil, g.TPM != nil} {
		if is {
			n++
		}
	}
	if n > 1 || version != g.version() || g.Split != nil && !g.Split.sane() || g.TPM != nil && !pcrsExist(g.TPM.PCRs) {
		return fmt.Errorf("what guards the file contradicts itself: %w", hsm.ErrIntegrity)
	}
	return nil
}

// need says what opens the file, when something else was given.
func (g guardHeader) need() error {
	switch g.kind() {
	case GuardShares:
		return fmt.Errorf("the file needs %d of its %d shares: %w", g.Split.Threshold, g.Split.Shares, hsm.ErrPIN)
	case GuardTPM:
		return fmt.Errorf("the file is sealed to a TPM and needs its device: %w", hsm.ErrPIN)
	case GuardPassphrase:
		return fmt.Errorf("the file needs a passphrase and none was given: %w", hsm.ErrPIN)
	}
	return fmt.Errorf("the file is plain and needs nothing to open it: %w", hsm.ErrPIN)
}

// wrongKey says why the key of the file does not open it.
func (g guardHeader) wrongKey() error {
	switch g.kind() {
	case GuardShares:
		return fmt.Errorf("a share is wrong or the file was changed: %w", hsm.ErrPIN)
	case GuardTPM: // it gave out what it once was given
		return fmt.Errorf("the file was changed: %w", hsm.ErrIntegrity)
	}
	return fmt.Errorf("the passphrase is wrong or the file was changed: %w", hsm.ErrPIN)
}

// apply makes a key of the file under the guard and enters it in a header.
func (g Guard) apply(h header) (header, protection, []Share, error) {
	var lock protection
	var shares []Share
	var err error
	h.guardHeader = guardHeader{}
	switch {
	case g.Passphrase.Len() > 0 && (g.Threshold != 0 || g.Shares != 0 || g.TPM != nil), g.TPM != nil && (g.Threshold != 0 || g.Shares != 0):
		return h, lock, nil, errors.New("a file has one guard: a passphrase, shares or a TPM")
	case g.Threshold != 0 || g.Shares != 0:
		lock = newFileKey()
		h.Split, shares, err = lock.split(h.Serial, g.Threshold, g.Shares)
	case g.TPM != nil:
		lock = newFileKey()
		h.TPM, err = lock.sealTPM(*g.TPM)
	case g.Passphrase.Len() > 0:
		h.KDF = newKDFHeader(g.KDF)
		lock, err = h.derive(g.Passphrase)
	}
	if err != nil {
		lock.key.Destroy()
		return h, protection{}, nil, err
	}
	h.Version = h.version()
	return h, lock, shares, nil
}

// Protection tells what guards a file, without opening it: one of the kinds of
// guard, and the threshold and number of shares if it is GuardShares.
func Protection(path string) (kind string, threshold, shares int, err error) {
	doc, err := read(path)
	if err != nil {
		return "", 0, 0, fmt.Errorf("software token: %w", err)
	}
	if doc.Split != nil {
		threshold, shares = doc.Split.Threshold, doc.Split.Shares
	}
	return doc.kind(), threshold, shares, nil
}

// Reprotect puts the file under another guard: a new passphrase, new shares, a
// TPM, or nothing. Shares that were made before do not open it any more. Copies of
// the file as it was, backups for instance, still open as they did; to be safe
// from those, make new root keys. The file is replaced as a whole or not at all.
func (t *Token) Reprotect(g Guard) ([]Share, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, hsm.ErrClosed
	}
	h, lock, shares, err := g.apply(t.header)
	if err != nil {
		return nil, fmt.Errorf("protect software token anew: %w", err)
	}
	was, wasLock := t.header, t.lock
	var undo func()
	err = t.update(func(map[string]rootKey) error {
		taken, err := g.handOut(shares)
		if err != nil {
			return err
		}
		undo = taken
		t.header, t.lock = h, lock // what write uses
		return nil
	})
	if err != nil {
		doc, unread := read(t.path)
		err = takeBack(undo, unread != nil || doc.equal(h.guardHeader), err)
		t.header, t.lock = was, wasLock
		lock.key.Destroy()
		destroyShares(shares)
		return nil, fmt.Errorf("protect software token anew: %w", err)
	}
	wasLock.key.Destroy()
	return shares, nil
}
