package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/internal/column"
)

const (
	// mostCoalesced is the largest number of reads answered by one statement.
	mostCoalesced = 64
	// coalescedTimeout bounds a statement that several callers wait for; each
	// leaves earlier when its own context ends.
	coalescedTimeout = 10 * time.Second
)

const sqlObjectsOfAll = `select ` + objectColumns + `, o.material
	from unnest($1::text[], $2::text[]) as u (domain, uid)
	join object o on o.domain = u.domain and o.uid = u.uid
	left join counter c on c.domain = o.domain and c.uid = o.uid`

// coalescer reads single objects. While fewer reads run than there are
// connections, a read goes at once; those that would have to wait are answered
// together, by one statement, as soon as a connection is free.
type coalescer struct {
	pool *pgxpool.Pool
	most int // connections

	mu      sync.Mutex
	running int       // guarded by mu, at most most
	waiting []*wanted // guarded by mu; empty while running < most
}

type key struct{ domain, uid string }

// wanted is a read that waits.
type wanted struct {
	key
	result chan answer // capacity 1
}

type answer struct {
	object store.Object
	err    error
}

// object gives errors of the driver.
func (c *coalescer) object(ctx context.Context, domain, uid string) (store.Object, error) {
	w := c.enter(domain, uid)
	if w == nil {
		defer c.leave()
		var o store.Object
		err := scanSealed(c.pool.QueryRow(ctx, sqlObject, domain, uid), &o)
		return o, err
	}
	select {
	case a := <-w.result:
		return a.object, a.err
	case <-ctx.Done():
		return store.Object{}, column.ContextError(ctx.Err())
	}
}

// enter starts a read (nil) or puts it behind others.
func (c *coalescer) enter(domain, uid string) *wanted {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running < c.most {
		c.running++
		return nil
	}
	w := &wanted{key{domain, uid}, make(chan answer, 1)}
	c.waiting = append(c.waiting, w)
	return w
}

// leave ends a read; those that wait take its place.
func (c *coalescer) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) == 0 {
		c.running--
		return
	}
	n := min(len(c.waiting), mostCoalesced)
	group := c.waiting[:n:n]
	c.waiting = c.waiting[n:]
	go func() {
		defer c.leave()
		c.answer(group)
	}()
}

// answer reads for a group. The statement gives a row for each of those who
// want the same object, so that no two of them share memory.
func (c *coalescer) answer(group []*wanted) {
	ctx, cancel := context.WithTimeout(context.Background(), coalescedTimeout)
	defer cancel()
	domains, uids := make([]string, len(group)), make([]string, len(group))
	for i, w := range group {
		domains[i], uids[i] = w.domain, w.uid
	}
	found := make(map[key][]store.Object, len(group))
	rows, err := c.pool.Query(ctx, sqlObjectsOfAll, domains, uids)
	if err == nil {
		for rows.Next() {
			var o store.Object
			if err = scanSealed(rows, &o); err != nil {
				break
			}
			k := key{o.Domain, o.UID}
			found[k] = append(found[k], o)
		}
		rows.Close()
		if err == nil {
			err = rows.Err()
		}
	}
	for _, w := range group {
		list := found[w.key]
		switch {
		case err != nil:
			w.result <- answer{err: err}
		case len(list) == 0:
			w.result <- answer{err: pgx.ErrNoRows}
		default:
			w.result <- answer{object: list[0]}
			found[w.key] = list[1:]
		}
	}
}
