package custody

import (
	"slices"
	"time"

	"github.com/claviger/claviger/store"
)

// usedGrain is how exactly the last use of an object is known: it is not written down
// more often.
const usedGrain = 10 * time.Minute

// touch notes that an object is used: its value left, it worked, or its user asked
// whether it still may. It is written with what the use case commits.
func (sc *Scope) touch(m *managed) {
	if sc.Now.Sub(m.row.Counter.LastUsed) < usedGrain {
		return
	}
	if !slices.Contains(sc.touched, m.row.UID) {
		sc.touched = append(sc.touched, m.row.UID)
	}
}

// noteUses plans the last use of what was touched.
func (sc *Scope) noteUses(c *store.Change) {
	for _, uid := range sc.touched {
		if !slices.ContainsFunc(c.Delete, func(r store.Ref) bool { return r.UID == uid }) {
			c.Counters = append(c.Counters, store.CounterChange{Domain: sc.Domain, UID: uid, Used: sc.Now.Truncate(time.Microsecond)})
		}
	}
	sc.touched = nil
}
