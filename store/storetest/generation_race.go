package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/claviger/claviger/store"
)

// testClose lets writers of two nodes that know nothing of it race with a
// change that closes their generation: what is under it does not become more
// once the change is durable.
func testClose(t *testing.T, c Config) {
	nodes := c.openNodes(t)
	ctx := context.Background()
	const rounds, writers = 25, 6
	for round := range int32(rounds) {
		generation := round + 2
		var insertions, moves []store.Object
		for w := range writers {
			moves = append(moves, under(fmt.Sprintf("%d-move-%d", round, w), 1))
			moves = append(moves, under(fmt.Sprintf("%d-reseal-%d", round, w), 1))
			insertions = append(insertions, under(fmt.Sprintf("%d-%d", round, w), generation))
		}
		insert(t, nodes[0], moves...)
		var closed atomic.Bool
		var wait sync.WaitGroup
		for w := range writers {
			s := nodes[w%len(nodes)]
			wait.Go(func() {
				for i := 0; ; i++ {
					late := closed.Load()
					o := insertions[w]
					o.UID += fmt.Sprint("-", i)
					var err error
					switch (w + i) % 4 {
					case 0:
						err = s.Commit(ctx, store.Change{Insert: []store.Object{o}})
					case 1:
						err = s.Commit(ctx, store.Change{AddRecords: []store.Record{recordUnder(o.UID, generation)}})
					case 2:
						var old store.Object
						if old, err = s.Object(ctx, "d", fmt.Sprintf("%d-move-%d", round, w)); err == nil {
							err = s.Commit(ctx, store.Change{Update: []store.Object{resealed(old, generation)}})
						}
					case 3:
						_, err = s.Reseal(ctx, []store.Object{resealed(under(fmt.Sprintf("%d-reseal-%d", round, w), 1), generation)})
					}
					switch {
					case err != nil && !errors.Is(err, store.ErrConflict):
						t.Errorf("writer: %v", err)
						return
					case late && i > 8:
						return
					}
				}
			})
		}
		closer := nodes[int(round)%len(nodes)]
		time.Sleep(time.Duration(round%8) * time.Millisecond)
		err := closer.Commit(ctx, store.Change{CloseGenerations: generationOf(generation), PutSettings: []store.Setting{{Name: "s"}}})
		if err != nil {
			t.Errorf("close: %v", err)
		}
		objects, records, err := closer.SealedCount(ctx, "d", generation)
		closed.Store(true)
		wait.Wait()
		if err != nil {
			t.Fatalf("SealedCount: %v", err)
		}
		expectSealed(t, nodes[0], generation, objects, records)
		if t.Failed() {
			return
		}
	}
}

// testReseal moves objects to another generation while they are changed: no
// change is lost, and material belongs to its generation throughout.
func testReseal(t *testing.T, c Config) {
	nodes := c.openNodes(t)
	ctx := context.Background()
	const objects, updaters, last = 60, 6, int32(6)
	material := func(uid string, generation int32) []byte { return fmt.Appendf(nil, "%s under %d", uid, generation) }
	var list []store.Object
	for i := range objects {
		o := under(fmt.Sprintf("%03d", i), 1)
		o.Material, o.MAC, o.Attributes = material(o.UID, 1), material(o.UID, 1), []byte("0")
		list = append(list, o)
	}
	insert(t, nodes[0], list...)
	var writes [objects]atomic.Int64 // what has become of each object
	var updates [objects]atomic.Int64
	check := func(o store.Object) {
		want := material(o.UID, o.Generation)
		if string(o.Material) != string(want) || string(o.MAC) != string(want) {
			t.Errorf("%s is under %d, has material %q and MAC %q", o.UID, o.Generation, o.Material, o.MAC)
		}
	}
	var done atomic.Bool
	var wait sync.WaitGroup
	for u := range updaters {
		s := nodes[u%len(nodes)]
		wait.Go(func() {
			for i := u; !done.Load(); i += 7 {
				at := i % objects
				var c store.Change
				for _, at := range []int{at, (at + 11) % objects} {
					o, err := s.Object(ctx, "d", list[at].UID)
					if err != nil {
						t.Errorf("Object: %v", err)
						return
					}
					check(o)
					n := 0
					fmt.Sscan(string(o.Attributes), &n)
					o.Revision++
					o.Attributes = fmt.Append(nil, n+1)
					if i%2 == 0 {
						o.Material = nil // as it is
					}
					c.Update = append(c.Update, o)
				}
				switch err := s.Commit(ctx, c); {
				case err == nil:
					for _, at := range []int{at, (at + 11) % objects} {
						writes[at].Add(1)
						updates[at].Add(1)
					}
				case !errors.Is(err, store.ErrConflict):
					t.Errorf("Commit: %v", err)
					return
				}
			}
		})
	}
	for generation := int32(1); generation < last && !t.Failed(); generation++ {
		after := ""
		for !t.Failed() {
			s := nodes[int(generation)%len(nodes)]
			page, err := s.Sealed(ctx, "d", generation, after, 25)
			if err != nil {
				t.Fatalf("Sealed: %v", err)
			}
			if len(page) == 0 && after == "" {
				break
			}
			after = ""
			if len(page) > 0 {
				after = page[len(page)-1].UID
			}
			for i := range page {
				check(page[i])
				page[i].Revision++
				page[i].Generation++
				page[i].Material = material(page[i].UID, page[i].Generation)
				page[i].MAC = page[i].Material
			}
			n, err := s.Reseal(ctx, page)
			if err != nil || n > len(page) {
				t.Errorf("Reseal of %d: %d, %v", len(page), n, err)
			}
		}
	}
	done.Store(true)
	wait.Wait()
	expectSealed(t, nodes[0], last, objects, 0)
	for at := range list {
		o, err := nodes[0].Object(ctx, "d", list[at].UID)
		if err != nil {
			t.Fatalf("Object: %v", err)
		}
		check(o)
		if want := fmt.Sprint(updates[at].Load()); string(o.Attributes) != want {
			t.Errorf("%s has %s updates, want %s", o.UID, o.Attributes, want)
		}
		if want := 1 + writes[at].Load() + int64(last-1); o.Revision != want {
			t.Errorf("%s has revision %d, want %d", o.UID, o.Revision, want)
		}
	}
}

// testDropCopies lets two nodes drop different copies of generations at once:
// one copy stays.
func testDropCopies(t *testing.T, c Config) {
	nodes := c.openNodes(t)
	for round := range int32(20) {
		var all []store.DomainKey
		for i := range nodes {
			all = append(all, copyOf(round+1, fmt.Sprint(i)))
		}
		commit(t, nodes[0], store.Change{AddDomainKeys: all})
		var wait sync.WaitGroup
		var refused atomic.Int64
		for i, s := range nodes {
			wait.Go(func() {
				err := s.Commit(context.Background(), store.Change{DropDomainKeys: []store.DomainKeyRef{
					{Domain: "d", Generation: round + 1, Token: fmt.Sprint(i)},
				}})
				switch {
				case errors.Is(err, store.ErrInUse):
					refused.Add(1)
				case err != nil:
					t.Errorf("Commit: %v", err)
				}
			})
		}
		wait.Wait()
		if refused.Load() != 1 {
			t.Errorf("round %d: %d of %d were refused, want 1", round, refused.Load(), len(nodes))
		}
	}
}
