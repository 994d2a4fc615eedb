package custody

import (
	"cmp"
	"context"
	"crypto/rand"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/claviger/claviger/hsm/seal"
	"github.com/claviger/claviger/hsm/soft"
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/kmip/wire"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/postgres"
	"github.com/claviger/claviger/testenv"
)

// rotation is a service on Postgres with objects in the domain "default".
type rotation struct {
	*Service
	objects int
}

func newRotation(b *testing.B, objects int) *rotation {
	b.Helper()
	ctx := context.Background()
	url := testenv.Postgres(b)
	if err := postgres.Migrate(ctx, url); err != nil {
		b.Fatal(err)
	}
	st, err := postgres.Open(ctx, url, store.Options{Node: uuid.NewString()})
	if err != nil {
		b.Fatal(err)
	}
	token, err := soft.Create(filepath.Join(b.TempDir(), "root.key"), soft.Options{})
	if err != nil {
		b.Fatal(err)
	}
	ring := seal.New([]seal.Member{seal.Opened(token)}, DomainKeys{Store: st}, seal.Options{})
	b.Cleanup(func() {
		_ = st.Close()
		ring.Close()
		_ = token.Close()
	})
	if err := ring.Prepare(ctx); err != nil {
		b.Fatal(err)
	}
	s := New(Config{
		Store: st, Sealer: ring, Log: slog.New(slog.DiscardHandler),
		EncodeTTLV: func(i kmip.Item) []byte { return wire.Append(nil, i) },
		DecodeTTLV: func(p []byte) (kmip.Item, error) { return wire.Parse(p, wire.DefaultLimits()) },
	})
	if _, err := s.Initialise(ctx); err != nil {
		b.Fatal(err)
	}
	r := &rotation{s, objects}
	r.fill(ctx, b)
	analyse(ctx, b, url)
	return r
}

// analyse has the server gather the statistics that it soon gathers by itself of a
// table that is filled: without them it sorts the table for each page.
func analyse(ctx context.Context, b *testing.B, url string) {
	b.Helper()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "vacuum analyze object"); err != nil {
		b.Fatal(err)
	}
}

// fill makes the objects as Create leaves them: 1 KiB of attributes and 300 bytes of
// sealed material.
func (r *rotation) fill(ctx context.Context, b *testing.B) {
	b.Helper()
	plain := secret.New(make([]byte, 300-seal.OverheadBytes))
	_, _ = rand.Read(plain.Reveal()) // never fails
	for made := 0; made < r.objects; made += resealPage {
		var c store.Change
		for range min(resealPage, r.objects-made) {
			o := store.Object{
				Domain: DefaultDomain, UID: uuid.Must(uuid.NewV7()).String(), Type: uint32(kmip.ObjectTypeSymmetricKey), State: 2,
				Algorithm: uint32(kmip.CryptographicAlgorithmAES), LengthBits: 256, Creator: "bench",
				Initial: time.Now().UTC().Truncate(time.Microsecond), Revision: 1, MaterialVersion: 1, Attributes: make([]byte, 1024),
			}
			_, _ = rand.Read(o.Attributes) // never fails
			var err error
			if o.Generation, err = r.sealer.Current(ctx, o.Domain); err == nil {
				o.Material, err = r.sealer.SealAt(ctx, o.Domain, o.Generation, binding(o), plain)
			}
			if err == nil {
				o.MAC, err = r.sealer.MAC(ctx, o.Domain, o.Generation, macMessage(o))
			}
			if err != nil {
				b.Fatal(err)
			}
			c.Insert = append(c.Insert, o)
		}
		if err := r.store.Commit(ctx, c); err != nil {
			b.Fatal(err)
		}
	}
}

// rotate rotates the key of the domain and waits for the end of the job.
func (r *rotation) rotate(ctx context.Context, b *testing.B) {
	b.Helper()
	p := Principal{Principal: policy.Principal{Kind: policy.KindAdministrator, Name: "root", Role: policy.RoleAdministrator}}
	started, err := r.RotateDomainKey(ctx, r.Begin(p, DefaultDomain, "admin", "127.0.0.1:2", "bench"), DefaultDomain, "")
	if err != nil {
		b.Fatal(err)
	}
	for id := started.ID; ; time.Sleep(20 * time.Millisecond) {
		found, err := r.readJob(ctx, id)
		if err != nil {
			b.Fatal(err)
		}
		j := found.job
		if !j.ended() {
			continue
		}
		if j.State != JobDone || j.Left > 0 || j.Done < int64(r.objects) {
			b.Fatalf("the job is %s with %d done and %d left: %s", j.State, j.Done, j.Left, j.Detail)
		}
		return
	}
}

// write moves the same rows once more, with what is in them, and returns how long
// the store takes for that alone: nothing is opened, sealed or authenticated. The
// rows do not authenticate after that.
func (r *rotation) write(ctx context.Context, b *testing.B) time.Duration {
	b.Helper()
	from, err := r.sealer.Current(ctx, DefaultDomain)
	if err == nil {
		err = r.sealer.EnsureGeneration(ctx, DefaultDomain, from+1, "")
	}
	if err != nil {
		b.Fatal(err)
	}
	var pages [][]store.Object
	for after := ""; ; {
		page, err := r.store.Sealed(ctx, DefaultDomain, from, after, resealPage)
		if err != nil {
			b.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		after = page[len(page)-1].UID
		for i := range page {
			page[i].Revision++
			page[i].Generation++
		}
		pages = append(pages, page)
	}
	var next, moved atomic.Int64
	begun := time.Now()
	var grp errgroup.Group
	for range resealAhead {
		grp.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(pages) {
					return nil
				}
				n, err := r.store.Reseal(ctx, pages[i])
				moved.Add(int64(n))
				if err != nil {
					return err
				}
			}
		})
	}
	if err := grp.Wait(); err != nil || moved.Load() != int64(r.objects) {
		b.Fatalf("moved %d of %d: %v", moved.Load(), r.objects, err)
	}
	return time.Since(begun)
}

// BenchmarkRotateDomain is the rotation of a domain's key on Postgres, from the
// request of the administrator to the end of the job, beside the rate at which the
// store alone writes the same rows in the same run. CLAVIGER_BENCH_OBJECTS is how
// many objects there are.
func BenchmarkRotateDomain(b *testing.B) {
	objects, err := strconv.Atoi(cmp.Or(os.Getenv("CLAVIGER_BENCH_OBJECTS"), "20000"))
	if err != nil {
		b.Fatal(err)
	}
	r, ctx := newRotation(b, objects), context.Background()
	begun, rotated := time.Now(), 0
	for b.Loop() {
		r.rotate(ctx, b)
		rotated += objects
	}
	rate := float64(rotated) / time.Since(begun).Seconds()
	alone := float64(objects) / r.write(ctx, b).Seconds()
	b.ReportMetric(rate, "objects/s")
	b.ReportMetric(alone, "written-alone/s")
	b.ReportMetric(rate/alone, "of-write")
}
