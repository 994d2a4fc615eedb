package soft

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"fmt"

	"golang.org/x/crypto/argon2"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip/secret"
)

// KDF is the cost of Argon2id (RFC 9106).
type KDF struct {
	Time      uint32 `json:"time"`       // passes
	MemoryKiB uint32 `json:"memory_kib"` // KiB
	Threads   uint8  `json:"threads"`
}

// DefaultKDF is the second recommendation of RFC 9106 §4: 64 MiB.
var DefaultKDF = KDF{Time: 3, MemoryKiB: 64 << 10, Threads: 4}

// check keeps a changed file from asking for absurd memory or for none.
func (k KDF) check() error {
	if k.Time < 1 || k.Time > 64 || k.MemoryKiB < 8*uint32(k.Threads) || k.MemoryKiB > 4<<20 || k.Threads < 1 {
		return fmt.Errorf("argon2id with %d passes, %d KiB and %d threads: %w", k.Time, k.MemoryKiB, k.Threads, hsm.ErrUnsupported)
	}
	return nil
}

const saltBytes = 16

// newFileKey makes a random key of a file.
func newFileKey() protection {
	key := make([]byte, fileKeyBytes)
	_, _ = rand.Read(key) // never fails
	return protection{key: secret.New(key)}
}

// kdfHeader is what the file says about its passphrase.
type kdfHeader struct {
	Name string `json:"name"` // "argon2id"
	KDF
	Salt []byte `json:"salt"`
}

// protection is the key of the file; the key is nil for a plain file.
type protection struct {
	key *secret.Bytes
}

const fileKeyBytes = 32

// derive makes the key of the file from the passphrase.
func (h header) derive(passphrase *secret.Bytes) (protection, error) {
	switch kind := h.kind(); {
	case kind == GuardShares || kind == GuardTPM:
		return protection{}, h.need()
	case kind == GuardNone && passphrase.Len() == 0:
		return protection{}, nil
	case kind == GuardNone:
		return protection{}, fmt.Errorf("a passphrase was given for a file that has none: %w", hsm.ErrPIN)
	case passphrase.Len() == 0:
		return protection{}, h.need()
	case h.KDF.Name != "argon2id" || len(h.KDF.Salt) != saltBytes:
		return protection{}, fmt.Errorf("passphrase by %q with a salt of %d bytes: %w", h.KDF.Name, len(h.KDF.Salt), hsm.ErrUnsupported)
	}
	if err := h.KDF.check(); err != nil {
		return protection{}, err
	}
	key := argon2.IDKey(passphrase.Reveal(), h.KDF.Salt, h.KDF.Time, h.KDF.MemoryKiB, h.KDF.Threads, fileKeyBytes)
	return protection{key: secret.New(key)}, nil
}

func newKDFHeader(cost KDF) *kdfHeader {
	if cost == (KDF{}) {
		cost = DefaultKDF
	}
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // never fails
	return &kdfHeader{Name: "argon2id", KDF: cost, Salt: salt}
}

func (p protection) aead() (cipher.AEAD, error) {
	block, err := aes.NewCipher(p.key.Reveal())
	if err != nil {
		return nil, fmt.Errorf("key of the token file: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// seal encrypts the keys of the file, bound to its header.
func (p protection) seal(plain, aad []byte) ([]byte, error) {
	aead, err := p.aead()
	if err != nil {
		return nil, err
	}
	return aead.Seal(nil, nil, plain, aad), nil //nolint:gosec // the cipher makes the nonce itself
}

// open fails if the key is not the one or anything was changed.
func (p protection) open(sealed, aad []byte) ([]byte, error) {
	aead, err := p.aead()
	if err != nil {
		return nil, err
	}
	return aead.Open(nil, nil, sealed, aad)
}
