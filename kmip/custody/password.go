package custody

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/claviger/claviger/kmip/secret"
)

// Argon2id with the parameters that OWASP gives for servers: 19 MiB, two
// passes, one lane.
const (
	argonMemoryKiB = 19 * 1024
	argonPasses    = 2
	argonKeyBytes  = 32
	argonSaltBytes = 16
)

// absentUser is verified in the place of a user that does not exist; no
// password has this hash.
const absentUser = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

var errPasswordForm = errors.New("stored password is not Argon2id in PHC form")

// hashPassword returns Argon2id in PHC form.
func hashPassword(password *secret.Bytes) string {
	salt := make([]byte, argonSaltBytes)
	_, _ = rand.Read(salt) // never fails
	key := argon2.IDKey(password.Reveal(), salt, argonPasses, argonMemoryKiB, 1, argonKeyBytes)
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=1$%s$%s", argon2.Version, argonMemoryKiB, argonPasses,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key))
}

// passwordCache spares a client that sends its password with every request the
// cost of Argon2id: it remembers for a while that a password was right, as an
// HMAC under a key of this process. It also bounds how many hashes are computed
// at once, because each takes memory.
type passwordCache struct {
	once  sync.Once
	key   [32]byte
	slots chan struct{}

	mu    sync.Mutex
	right map[[32]byte]time.Time // guarded by mu; until when
}

const (
	passwordTTL       = time.Minute
	passwordCacheSize = 10_000
	passwordSlots     = 4
)

func (c *passwordCache) verify(ctx context.Context, stored string, password []byte, now time.Time) (bool, error) {
	c.once.Do(func() {
		_, _ = rand.Read(c.key[:]) // never fails
		c.slots = make(chan struct{}, passwordSlots)
		c.right = map[[32]byte]time.Time{}
	})
	mac := hmac.New(sha256.New, c.key[:])
	mac.Write([]byte(stored))
	mac.Write([]byte{0})
	mac.Write(password)
	id := [32]byte(mac.Sum(nil))
	c.mu.Lock()
	until, ok := c.right[id]
	c.mu.Unlock()
	if ok && now.Before(until) {
		return true, nil
	}
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	good, err := verifyPassword(stored, password)
	if err != nil || !good {
		return false, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.right) >= passwordCacheSize {
		clear(c.right)
	}
	c.right[id] = now.Add(passwordTTL)
	return true, nil
}

func verifyPassword(stored string, password []byte) (bool, error) {
	var version, memory, passes int
	var lanes uint8
	var rest string
	if _, err := fmt.Sscanf(stored, "$argon2id$v=%d$m=%d,t=%d,p=%d$%s", &version, &memory, &passes, &lanes, &rest); err != nil || version != argon2.Version {
		return false, errPasswordForm
	}
	if memory <= 0 || memory > 1<<20 || passes <= 0 || passes > 16 {
		return false, errPasswordForm
	}
	var salt64, key64 string
	for i := range len(rest) {
		if rest[i] == '$' {
			salt64, key64 = rest[:i], rest[i+1:]
			break
		}
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(salt64)
	want, err2 := base64.RawStdEncoding.DecodeString(key64)
	if err1 != nil || err2 != nil || len(want) == 0 {
		return false, errPasswordForm
	}
	got := argon2.IDKey(password, salt, uint32(passes), uint32(memory), lanes, uint32(len(want))) //nolint:gosec // bounded above
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}
