package seal_test

import (
	"context"
	"crypto/rand"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/hsm/pkcs11"
	"github.com/claviger/claviger/hsm/seal"
	"github.com/claviger/claviger/hsm/seal/sealtest"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/testenv"
)

// materialBytes is the size of what benchmarks open: a small object.
const materialBytes = 300

// atOnce shares b.N calls among n goroutines.
func atOnce(b *testing.B, n int, call func() error) {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for range n {
		wg.Go(func() {
			for next.Add(1) <= int64(b.N) {
				if err := call(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// benchmarkRing opens an object by a ring over one token, by one goroutine and by
// eight.
func benchmarkRing(b *testing.B, token hsm.Token, mode seal.Mode) {
	b.Helper()
	ctx := context.Background()
	r := newRing(b, token, &sealtest.Keys{})
	if err := r.EnsureDomain(ctx, "tenant", mode); err != nil {
		b.Fatal(err)
	}
	plain := secret.New(make([]byte, materialBytes))
	_, _ = rand.Read(plain.Reveal()) // never fails
	g, sealed, err := r.Seal(ctx, "tenant", binding, plain)
	if err != nil {
		b.Fatal(err)
	}
	for name, n := range map[string]int{"one caller": 1, "8 callers": 8} {
		b.Run(name, func(b *testing.B) {
			atOnce(b, n, func() error {
				opened, err := r.Open(ctx, "tenant", g, binding, sealed)
				opened.Destroy()
				return err
			})
		})
	}
}

// BenchmarkRingEnvelope is an object opened by a key that the process holds.
func BenchmarkRingEnvelope(b *testing.B) { benchmarkRing(b, newToken(b), seal.ModeEnvelope) }

// BenchmarkRingDirect is an object opened by SoftHSM, inline.
func BenchmarkRingDirect(b *testing.B) {
	s := testenv.SoftHSM(b)
	token, err := pkcs11.Open(context.Background(), pkcs11.Config{
		Module: s.Module, Label: s.Label, PIN: pkcs11.StaticPIN(secret.Copy([]byte(s.PIN))), Sessions: 8,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = token.Close() })
	benchmarkRing(b, token, seal.ModeDirect)
}
