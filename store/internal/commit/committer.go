// Package commit turns changes that arrive concurrently into transactions. One
// goroutine takes whatever waits, at most [Most] changes and at most one for
// each record, and has a backend write them together; it never waits for more.
// When the backend refuses a group, each change is written alone, so that only
// the one at fault fails.
//
// The goroutine numbers audit entries, too: in the order of commits and
// without gaps, because a transaction that is rolled back gives its numbers to
// the next one. It knows no SQL.
package commit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/internal/column"
)

// Most is the largest number of changes in one transaction.
const Most = 64

// Time limits of a backend: for one transaction, and for finding out what
// became of one whose answer was lost.
const (
	writeTimeout  = 15 * time.Second
	settleTimeout = 10 * time.Second
)

// Writer is what a backend does for a Committer, which calls it from one
// goroutine only.
type Writer interface {
	// Write makes the change durable in one transaction. The change is a
	// private copy: checked, sorted, its audit entries numbered and signed. An
	// error that may have come after the commit is ErrOutcomeUnknown.
	Write(ctx context.Context, c *store.Change) error
	// Settle waits until no transaction of an earlier Write can still become
	// durable, and returns the largest audit counter of the node, 0 if none.
	Settle(ctx context.Context, node string) (int64, error)
}

// Committer accepts changes from any goroutine.
type Committer struct {
	writer  Writer
	options store.Options
	wake    chan struct{} // capacity 1
	done    chan struct{} // closed when the goroutine has ended

	mu      sync.Mutex
	waiting []*request // guarded by mu, in order of arrival
	closed  bool       // guarded by mu

	last      int64 // newest counter that is durable; owned by the goroutine
	unsettled bool  // the outcome of a transaction is unknown; owned by the goroutine
}

// request is one change that waits or is being written.
type request struct {
	change store.Change
	keys   []string
	taken  bool       // guarded by Committer.mu: may no longer be withdrawn
	result chan error // capacity 1
}

// New starts the goroutine; Close ends it. Without a Node in the options one is
// made up.
func New(w Writer, o store.Options) *Committer {
	if o.Node == "" {
		o.Node = uuid.NewString()
	}
	c := &Committer{
		writer:  w,
		options: o,
		wake:    make(chan struct{}, 1),
		done:    make(chan struct{}),
		// A node that was here before goes on counting.
		unsettled: true,
	}
	go c.run()
	return c
}

// Commit hands over a change and waits for its outcome. When ctx ends first, a
// change that still waits is withdrawn and the error of ctx returned; one that
// is being written is reported by its outcome.
func (c *Committer) Commit(ctx context.Context, change store.Change) error {
	if err := ctx.Err(); err != nil {
		return column.ContextError(err)
	}
	if err := change.Check(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	r := &request{change: change, keys: keys(&change), result: make(chan error, 1)}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return store.ErrClosed
	}
	c.waiting = append(c.waiting, r)
	c.mu.Unlock()
	c.signal()

	select {
	case err := <-r.result:
		return err
	case <-ctx.Done():
		if c.withdraw(r) {
			return column.ContextError(ctx.Err())
		}
		return <-r.result
	}
}

// Close refuses new changes, waits for those that were accepted and ends the
// goroutine. Safe to repeat.
func (c *Committer) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.signal()
	<-c.done
}

func (c *Committer) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// withdraw takes a request out of the queue, unless it has been taken already.
func (c *Committer) withdraw(r *request) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.taken {
		return false
	}
	for i, w := range c.waiting {
		if w == r {
			c.waiting = append(c.waiting[:i], c.waiting[i+1:]...)
			return true
		}
	}
	return false
}

func (c *Committer) run() {
	defer close(c.done)
	for {
		c.mu.Lock()
		var group []*request
		group, c.waiting = take(c.waiting)
		ended := c.closed && len(group) == 0
		c.mu.Unlock()
		switch {
		case ended:
			return
		case len(group) == 0:
			<-c.wake
		default:
			c.commit(group)
		}
	}
}

// commit writes a group and gives every request its outcome.
func (c *Committer) commit(group []*request) {
	err := c.write(group)
	if err != nil && len(group) > 1 && !errors.Is(err, store.ErrUnavailable) {
		for _, r := range group {
			r.result <- c.write([]*request{r})
		}
		return
	}
	for _, r := range group {
		r.result <- err
	}
}

// write makes a group durable as one transaction. A transaction whose answer
// was lost is looked up by its audit entries, and repeated once if it has not
// happened.
func (c *Committer) write(group []*request) error {
	for attempt := 0; ; attempt++ {
		if c.unsettled {
			if err := c.settle(); err != nil {
				return fmt.Errorf("commit: find out about an earlier transaction: %w", err)
			}
		}
		merged := merge(group)
		entries := int64(len(merged.Audit))
		if err := c.number(merged.Audit); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
		err := c.writer.Write(ctx, merged)
		cancel()
		if err == nil {
			c.last += entries
			return nil
		}
		if !errors.Is(err, store.ErrOutcomeUnknown) {
			return fmt.Errorf("commit: %w", err)
		}
		c.unsettled = true
		before := c.last
		if serr := c.settle(); serr != nil || entries == 0 {
			return fmt.Errorf("commit: %w", err)
		}
		if c.last >= before+entries {
			return nil
		}
		if attempt > 0 {
			return fmt.Errorf("commit: connection lost twice, nothing was stored: %w", store.ErrUnavailable)
		}
	}
}

func (c *Committer) settle() error {
	ctx, cancel := context.WithTimeout(context.Background(), settleTimeout)
	defer cancel()
	last, err := c.writer.Settle(ctx, c.options.Node)
	if err != nil {
		return err
	}
	c.last, c.unsettled = last, false
	return nil
}
