package storetest

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/audit"
)

// ResealDomain has the ResealObjects objects that are left when Bench has run.
const (
	ResealDomain  = "reseal"
	ResealObjects = 50_000
)

// Bench measures what a request costs the store: a create with a Name and an
// audit entry, and the read of one object, by 1, 8 and 64 goroutines. Then it
// measures how fast objects get under another generation, by the page.
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
	benchReseal(b, s)
}

// benchReseal reads and moves pages of objects as they are: 1 KiB of attributes
// and 300 bytes of material.
func benchReseal(b *testing.B, s store.Store) {
	var list []store.Object
	for range ResealObjects {
		o := object(ResealDomain, uuid.Must(uuid.NewV7()).String())
		o.Generation, o.MAC = 1, make([]byte, 32)
		o.Attributes, o.Material = make([]byte, 1024), make([]byte, 300)
		rand.Read(o.Attributes)
		rand.Read(o.Material)
		list = append(list, o)
	}
	for page := range slices.Chunk(list, 1000) {
		insert(b, s, page...)
	}
	generation, after := int32(1), "" // what is behind after is under generation
	// next moves a page and tells how long it took to read it and to move it.
	next := func(b *testing.B, limit int) (objects int, read, moved time.Duration) {
		start := time.Now()
		page, err := s.Sealed(b.Context(), ResealDomain, generation, after, limit)
		if err != nil {
			b.Fatalf("Sealed: %v", err)
		}
		read = time.Since(start)
		for i := range page {
			page[i].Revision++
			page[i].Generation++
		}
		start = time.Now()
		n, err := s.Reseal(b.Context(), page)
		if err != nil || n != len(page) {
			b.Fatalf("Reseal of %d objects: %d, %v", len(page), n, err)
		}
		if len(page) == limit {
			after = page[limit-1].UID
		} else {
			generation, after = generation+1, ""
		}
		return n, read, time.Since(start)
	}
	for _, limit := range []int{1000, 10000} {
		b.Run(fmt.Sprintf("reseal/page=%d", limit), func(b *testing.B) {
			var objects int
			var reading, moving time.Duration
			for b.Loop() {
				n, read, moved := next(b, limit)
				objects, reading, moving = objects+n, reading+read, moving+moved
			}
			b.ReportMetric(float64(objects)/reading.Seconds(), "read/s")
			b.ReportMetric(float64(objects)/moving.Seconds(), "resealed/s")
		})
		for after != "" { // the next one starts at the beginning
			next(b, limit)
		}
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
