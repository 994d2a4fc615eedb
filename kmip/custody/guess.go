package custody

import (
	"sync"
	"time"

	"github.com/claviger/claviger/kmip"
)

// Bounds of guessing at one-time passwords, which have few digits (RFC 4226 §7.3).
// After so many wrong ones of one user from one client, each further one makes the
// client wait for twice as long before it may try again. The count belongs to the
// client: nobody locks a user out for others. Passwords need no such bound, since
// looking at one takes long.
const (
	freeGuesses = 10
	longestWait = time.Minute
	guessMemory = 15 * time.Minute // after the last wrong one
	manyGuesses = 1000             // entries from which on old ones are removed
)

// guessTable counts wrong one-time passwords on this node, of users that are there.
type guessTable struct {
	mu    sync.Mutex
	wrong map[guessing]guesses // guarded by mu
}

// guessing is who tries to be whom.
type guessing struct{ domain, client, user string }

type guesses struct {
	count int
	last  time.Time
}

// wait is how long after the last wrong one the next is looked at.
func (g guesses) wait() time.Duration {
	if g.count < freeGuesses {
		return 0
	}
	return min(longestWait, time.Second<<min(g.count-freeGuesses, 10))
}

// check refuses one that comes too early.
func (t *guessTable) check(who guessing, now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	g := t.wrong[who]
	if left := min(g.wait(), g.wait()-now.Sub(g.last)); left > 0 { // a clock may go back
		return kmip.Fail(kmip.KindNotAuthenticated, "too many wrong one-time passwords; try again in %d seconds", int((left+time.Second-1)/time.Second))
	}
	return nil
}

// count remembers what became of one.
func (t *guessTable) count(who guessing, right bool, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if right {
		delete(t.wrong, who)
		return
	}
	if t.wrong == nil {
		t.wrong = map[guessing]guesses{}
	}
	if len(t.wrong) >= manyGuesses {
		for k, g := range t.wrong {
			if now.Sub(g.last) > guessMemory {
				delete(t.wrong, k)
			}
		}
	}
	g := t.wrong[who]
	if now.Sub(g.last) > guessMemory {
		g.count = 0
	}
	t.wrong[who] = guesses{g.count + 1, now}
}
