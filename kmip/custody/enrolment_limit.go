package custody

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// enrolmentTable bounds on this node how many wrong tokens one address may try,
// and how often a client renews.
type enrolmentTable struct {
	mu     sync.Mutex
	tries  map[string]*rate.Limiter // by address; guarded by mu
	renews map[string]*rate.Limiter // by client; guarded by mu
}

const (
	tryInterval = time.Second // for one more wrong token, on average
	tryBurst    = 20
	maxTries    = 10_000 // addresses that are remembered
)

// limiter returns that of a name; it forgets those that are full again when there
// are many.
func limiter(table *map[string]*rate.Limiter, name string, every time.Duration, burst int, now time.Time) *rate.Limiter {
	if *table == nil {
		*table = map[string]*rate.Limiter{}
	}
	l, ok := (*table)[name]
	if ok {
		return l
	}
	if len(*table) >= maxTries {
		for other, o := range *table {
			if o.TokensAt(now) >= float64(burst) {
				delete(*table, other)
			}
		}
		if len(*table) >= maxTries {
			name = "others"
		}
	}
	l, ok = (*table)[name]
	if !ok {
		l = rate.NewLimiter(rate.Every(every), burst)
		(*table)[name] = l
	}
	return l
}

// mayTry reports whether another token from an address is looked at.
func (t *enrolmentTable) mayTry(from string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return limiter(&t.tries, from, tryInterval, tryBurst, now).TokensAt(now) >= 1
}

// wrong counts a wrong token.
func (t *enrolmentTable) wrong(from string, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	limiter(&t.tries, from, tryInterval, tryBurst, now).AllowN(now, 1)
}

// mayRenew counts a renewal; false when there were too many.
func (t *enrolmentTable) mayRenew(client string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return limiter(&t.renews, client, renewInterval, renewBurst, now).AllowN(now, 1)
}
