//go:build cgo

package pkcs11

import (
	"context"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/pkcs11"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/testenv"
)

// benchmarkSessions is how many callers, and sessions, benchmarks have at once.
const benchmarkSessions = 8

// cost is what an operation takes, by the clock and of the processors.
type cost struct{ wall, cpu time.Duration }

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// atOnce does n operations from all callers and returns what one takes.
func atOnce(b *testing.B, n int, op func(caller int) error) cost {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	start, cpu := time.Now(), cpuTime(b)
	for caller := range benchmarkSessions {
		wg.Go(func() {
			for next.Add(1) <= int64(n) {
				if err := op(caller); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return cost{time.Since(start) / time.Duration(n), (cpuTime(b) - cpu) / time.Duration(n)}
}

// BenchmarkAgainstRaw compares decryption by Token with C_DecryptInit and
// C_Decrypt as the binding has them, under the same object, in one run. Metric
// of-raw is the rate of Token as a part of the raw one; of-raw-cpu is the same by
// the time of the processors, which others on the machine change less.
func BenchmarkAgainstRaw(b *testing.B) {
	cfg := config(testenv.SoftHSM(b))
	cfg.Sessions = benchmarkSessions
	token := opened(b, cfg)
	ctx := b.Context()
	plain := secret.New(make([]byte, 32))
	seal := generated(b, token).ID
	sealed, err := token.Encrypt(ctx, seal, plain, nil)
	if err != nil {
		b.Fatal(err)
	}
	wrap, err := token.Generate(ctx, hsm.KeySpec{Purpose: hsm.PurposeWrap})
	if err != nil {
		b.Fatal(err)
	}
	k, err := token.Wrap(ctx, wrap.ID, plain)
	if err != nil {
		b.Fatal(err)
	}
	direct, err := token.EncryptWrapped(ctx, k, plain, nil)
	if err != nil {
		b.Fatal(err)
	}
	for _, bm := range []struct {
		name   string
		handle func() pkcs11.ObjectHandle
		sealed []byte
		op     func(context.Context) (*secret.Bytes, error)
	}{
		{"Decrypt", func() pkcs11.ObjectHandle { return token.keys[seal].handle }, sealed, func(ctx context.Context) (*secret.Bytes, error) {
			return token.Decrypt(ctx, seal, sealed, nil)
		}},
		{"DecryptWrapped", func() pkcs11.ObjectHandle {
			for _, w := range token.conn.wrapped.keys {
				return w.handle
			}
			return 0
		}, direct, func(ctx context.Context) (*secret.Bytes, error) {
			return token.DecryptWrapped(ctx, k, direct, nil)
		}},
	} {
		b.Run(bm.name, func(b *testing.B) {
			handle := bm.handle()
			var sessions [benchmarkSessions]*session
			for i := range sessions {
				s, err := token.newSession(token.conn)
				if err != nil {
					b.Fatal(err)
				}
				defer func() { _ = token.calls.CloseSession(s.handle) }()
				sessions[i] = s
			}
			raw := func(caller int) error {
				_, err := token.openGCM(sessions[caller], handle, bm.sealed, nil)
				return err
			}
			var own [benchmarkSessions]context.Context // as each request has its own
			for i := range own {
				var cancel context.CancelFunc
				own[i], cancel = context.WithCancel(ctx)
				defer cancel()
			}
			ours := func(caller int) error {
				opened, err := bm.op(own[caller])
				opened.Destroy()
				return err
			}
			var rawCost, ourCost cost
			add := func(sum *cost, c cost) { sum.wall += c.wall; sum.cpu += c.cpu }
			const slices = 10 // by turns, so that what else the machine does hits both
			n := max(b.N/slices, 1)
			for range slices {
				add(&rawCost, atOnce(b, n, raw))
				add(&ourCost, atOnce(b, n, ours))
			}
			b.ReportMetric(float64(rawCost.wall)/float64(ourCost.wall), "of-raw")
			b.ReportMetric(float64(rawCost.cpu)/float64(ourCost.cpu), "of-raw-cpu")
			b.ReportMetric(float64(rawCost.wall)/slices, "raw-ns/op")
			b.ReportMetric(float64(ourCost.wall)/slices, "ns/op")
		})
	}
}

// instant is a module whose AES-GCM takes no time, once it is told to.
type instant struct {
	calls
	on bool
}

func (i *instant) DecryptInit(s pkcs11.SessionHandle, m []*pkcs11.Mechanism, key pkcs11.ObjectHandle) error {
	if i.on {
		return nil
	}
	return i.calls.DecryptInit(s, m, key)
}

func (i *instant) Decrypt(s pkcs11.SessionHandle, ciphertext []byte) ([]byte, error) {
	if i.on {
		return make([]byte, len(ciphertext)-tagBits/8), nil
	}
	return i.calls.Decrypt(s, ciphertext)
}

// BenchmarkOverhead is what Token does around the calls of the module.
func BenchmarkOverhead(b *testing.B) {
	cfg := config(testenv.SoftHSM(b))
	cfg.Sessions = benchmarkSessions
	module := &instant{}
	token, err := open(b.Context(), cfg, func(c calls) calls { module.calls = c; return module })
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = token.Close() })
	wrap, err := token.Generate(b.Context(), hsm.KeySpec{Purpose: hsm.PurposeWrap})
	if err != nil {
		b.Fatal(err)
	}
	k, err := token.Wrap(b.Context(), wrap.ID, secret.New(make([]byte, 32)))
	if err != nil {
		b.Fatal(err)
	}
	sealed, err := token.EncryptWrapped(b.Context(), k, secret.New(make([]byte, 32)), nil)
	if err != nil {
		b.Fatal(err)
	}
	module.on = true
	b.ReportAllocs()
	b.ResetTimer()
	c := atOnce(b, b.N, func(int) error {
		opened, err := token.DecryptWrapped(context.Background(), k, sealed, nil)
		opened.Destroy()
		return err
	})
	b.ReportMetric(float64(c.cpu), "cpu-ns/op")
}
