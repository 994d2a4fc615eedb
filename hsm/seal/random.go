package seal

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/claviger/claviger/hsm"
)

// randomTimeout bounds one call for random numbers.
const randomTimeout = 5 * time.Second

// randomBlock is how many bytes are asked of a token at once.
const randomBlock = 1024

// Random is a generator for keys: what a token gives, combined by XOR with what
// the operating system gives, so that it is as good as the better of the two. It
// fails when no token answers, or when one gives the same block twice; it does
// not fall back to one of the two in silence. Safe for concurrent use.
func (r *Ring) Random() io.Reader { return &mixed{ring: r} }

type mixed struct {
	ring *Ring

	mu   sync.Mutex
	held []byte            // not given out yet; guarded by mu
	last [sha256.Size]byte // of the newest block of the token; guarded by mu
}

func (m *mixed) Read(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for done := 0; done < len(p); {
		if len(m.held) == 0 {
			if err := m.fill(); err != nil {
				return 0, err
			}
		}
		n := copy(p[done:], m.held)
		clear(m.held[:n])
		m.held = m.held[n:]
		done += n
	}
	ours := make([]byte, len(p))
	_, _ = rand.Read(ours) // never fails
	subtle.XORBytes(p, p, ours)
	return len(p), nil
}

// fill asks a token for a block. The caller holds mu.
func (m *mixed) fill() error {
	ctx, cancel := context.WithTimeout(context.Background(), randomTimeout)
	defer cancel()
	block, err := each(ctx, m.ring, m.ring.handles(nil), anyAnswer, func(ctx context.Context, h handle) ([]byte, error) {
		return h.Random(ctx, randomBlock)
	})
	if err != nil {
		return fmt.Errorf("random numbers of the token: %w", err)
	}
	sum := sha256.Sum256(block)
	if sum == m.last || bytes.Count(block, block[:1]) == len(block) {
		return fmt.Errorf("the token's random number generator repeats itself; have the HSM examined: %w", hsm.ErrUnavailable)
	}
	m.last, m.held = sum, block
	return nil
}
