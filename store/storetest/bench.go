package storetest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/audit"
)

// Bench measures what a request costs the store: a create with a Name and an
// audit entry, and the read of one object, by 1, 8 and 64 goroutines.
func Bench(b *testing.B, open func(b *testing.B) store.Store) {
	s := open(b)
	b.Cleanup(func() { _ = s.Close() })
	const objects = 1000
	var list []store.Object
	for i := range objects {
		list = append(list, object("bench", fmt.Sprint(i)))
	}
	insert(b, s, list...)
	for _, n := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("commit/goroutines=%d", n), func(b *testing.B) {
			share(b, n, func(int64) error {
				o := object("d", uuid.Must(uuid.NewV7()).String())
				return s.Commit(context.Background(), store.Change{
					Insert: []store.Object{o},
					Take:   []store.Name{{Domain: o.Domain, Value: o.UID, UID: o.UID}},
					Audit:  []audit.Entry{entry(o.Domain, o.UID)},
				})
			})
		})
		b.Run(fmt.Sprintf("object/goroutines=%d", n), func(b *testing.B) {
			share(b, n, func(i int64) error {
				_, err := s.Object(context.Background(), "bench", fmt.Sprint(i%objects))
				return err
			})
		})
	}
}

// share divides b.N calls among n goroutines.
func share(b *testing.B, n int, call func(i int64) error) {
	var next atomic.Int64
	var wait sync.WaitGroup
	for range n {
		wait.Go(func() {
			for {
				i := next.Add(1)
				if i > int64(b.N) {
					return
				}
				if err := call(i); err != nil {
					b.Errorf("call: %v", err)
					return
				}
			}
		})
	}
	wait.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "op/s")
}
