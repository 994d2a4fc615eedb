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

	"golang.org/x/sync/singleflight"

	"github.com/claviger/claviger/hsm"
)

// randomTimeout bounds one call for random numbers, and how long a reader waits.
const randomTimeout = 5 * time.Second

// randomBlock is how many bytes are asked of a token at once.
const randomBlock = 1024

// Random is a generator for keys: what a token gives, combined by XOR with what
// the operating system gives, so that it is as good as the better of the two. It
// fails when no token answers, or when one gives the same block twice; it does
// not fall back to one of the two in silence. Safe for concurrent use.
func (r *Ring) Random() io.Reader { return &mixed{ring: r} }

type mixed struct {
	ring    *Ring
	filling singleflight.Group // one call of a token at a time, for all who wait

	mu   sync.Mutex        // guards what follows; not held during a call
	held []byte            // not given out yet
	last [sha256.Size]byte // of the newest block of the token
}

func (m *mixed) Read(p []byte) (int, error) {
	if err := m.draw(p); err != nil {
		return 0, err
	}
	ours := make([]byte, len(p))
	_, _ = rand.Read(ours) // never fails
	subtle.XORBytes(p, p, ours)
	return len(p), nil
}

// draw fills p by what tokens give. It fails when nothing came for randomTimeout.
func (m *mixed) draw(p []byte) error {
	late := time.NewTimer(randomTimeout)
	defer late.Stop()
	for {
		n := m.take(p)
		if p = p[n:]; len(p) == 0 {
			return nil
		}
		if n > 0 {
			late.Reset(randomTimeout)
		}
		select {
		case filled := <-m.filling.DoChan("", func() (any, error) { return nil, m.fill() }):
			if filled.Err != nil { // of the one call that all who wait share
				return fmt.Errorf("random numbers of the token: %w", filled.Err)
			}
		case <-late.C:
			return fmt.Errorf("random numbers of the token: no answer in time: %w", hsm.ErrUnavailable)
		}
	}
}

// take moves what is held to p, and returns how much that was.
func (m *mixed) take(p []byte) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := copy(p, m.held)
	clear(m.held[:n])
	m.held = m.held[n:]
	return n
}

// fill asks a token for a block, unless there is something. Only one runs at a
// time, so that nothing is held when its block comes.
func (m *mixed) fill() error {
	m.mu.Lock()
	there := len(m.held) > 0
	m.mu.Unlock()
	if there {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), randomTimeout)
	defer cancel()
	block, err := each(ctx, m.ring, m.ring.handles(nil), anyAnswer, func(ctx context.Context, h handle) ([]byte, error) {
		return h.Random(ctx, randomBlock)
	})
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	sum := sha256.Sum256(block)
	if sum == m.last || bytes.Count(block, block[:1]) == len(block) {
		return fmt.Errorf("its generator repeats itself; have the HSM examined: %w", hsm.ErrUnavailable)
	}
	m.last, m.held = sum, block
	return nil
}
