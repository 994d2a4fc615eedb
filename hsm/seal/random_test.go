package seal

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/claviger/claviger/hsm"
)

// generator is a token of which only the random numbers are asked.
type generator struct {
	hsm.Token
	random func(ctx context.Context, n int) ([]byte, error)
	calls  atomic.Int64
}

func (*generator) Info(context.Context) (hsm.Info, error) { return hsm.Info{Serial: "g"}, nil }
func (*generator) Close() error                           { return nil }

func (g *generator) Random(ctx context.Context, n int) ([]byte, error) {
	g.calls.Add(1)
	return g.random(ctx, n)
}

func randomOf(t *testing.T, g *generator) *mixed {
	r := New([]Member{Opened(g)}, nil, Options{})
	t.Cleanup(r.Close)
	m, ok := r.Random().(*mixed)
	if !ok {
		t.Fatal("Random is of another type")
	}
	return m
}

func TestReadersOfRandomNumbersShareTheFailureOfATokenThatIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &generator{random: func(context.Context, int) ([]byte, error) {
			time.Sleep(2 * time.Second)
			return nil, fmt.Errorf("pulled out: %w", hsm.ErrUnavailable)
		}}
		m, begun := randomOf(t, g), time.Now()
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				if n, err := m.Read(make([]byte, 32)); n != 0 || !errors.Is(err, hsm.ErrUnavailable) {
					t.Errorf("Read = %d, %v, want ErrUnavailable", n, err)
				}
				if d := time.Since(begun); d != 2*time.Second { // of the clock of the test
					t.Errorf("a reader was told after %v", d)
				}
			})
		}
		wg.Wait()
		if n := g.calls.Load(); n != 1 {
			t.Errorf("the token was asked %d times, want once for all", n)
		}
	})
}

func TestAReaderOfRandomNumbersIsToldByADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		g := &generator{random: func(_ context.Context, n int) ([]byte, error) { // does not keep to its context
			<-release
			return make([]byte, n), nil
		}}
		m, begun := randomOf(t, g), time.Now()
		if _, err := m.Read(make([]byte, 32)); !errors.Is(err, hsm.ErrUnavailable) {
			t.Errorf("Read = %v, want ErrUnavailable", err)
		}
		if d := time.Since(begun); d != randomTimeout {
			t.Errorf("told after %v, want %v", d, randomTimeout)
		}
		close(release)
	})
}

func TestNoRandomNumberIsGivenTwice(t *testing.T) {
	var next uint64
	g := &generator{random: func(_ context.Context, n int) ([]byte, error) { // one call at a time
		b := make([]byte, 0, n)
		for len(b) < n {
			next++
			b = binary.BigEndian.AppendUint64(b, next)
		}
		return b, nil
	}}
	m := randomOf(t, g)
	var mu sync.Mutex
	seen := map[uint64]bool{}
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for j := range 100 {
				b := make([]byte, 8*(1+(i+j)%200))
				if err := m.draw(b); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for ; len(b) > 0; b = b[8:] {
					v := binary.BigEndian.Uint64(b)
					if v == 0 || seen[v] {
						t.Errorf("number %d of the token was given twice, or none", v)
					}
					seen[v] = true
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if n, most := g.calls.Load(), int64(len(seen)*8/randomBlock+1); n > most {
		t.Errorf("the token was asked %d times for %d numbers, want at most %d", n, len(seen), most)
	}
}
