//go:build unix

package worker_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/hsm/soft"
	"github.com/claviger/claviger/hsm/worker"
	"github.com/claviger/claviger/kmip/secret"
)

// BenchmarkDecrypt is one Decrypt of a domain key by a software token, in this
// process and in a worker.
func BenchmarkDecrypt(b *testing.B) {
	inline, err := soft.Create(filepath.Join(b.TempDir(), "token"), soft.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = inline.Close() })
	r := newRig(b)
	cfg := r.config()
	cfg.Timeout = 0
	inWorker, err := worker.Open(b.Context(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = inWorker.Close() })
	for _, tc := range []struct {
		name  string
		token hsm.Token
	}{{"inline", inline}, {"worker", inWorker}} {
		ctx := context.Background()
		k, err := tc.token.Generate(ctx, hsm.KeySpec{Purpose: hsm.PurposeSeal})
		if err != nil {
			b.Fatal(err)
		}
		sealed, err := tc.token.Encrypt(ctx, k.ID, secret.New(make([]byte, 32)), []byte("context"))
		if err != nil {
			b.Fatal(err)
		}
		once := func(b *testing.B) {
			plain, err := tc.token.Decrypt(ctx, k.ID, sealed, []byte("context"))
			if err != nil {
				b.Error(err)
			}
			plain.Destroy()
		}
		b.Run(tc.name+"/one caller", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				once(b)
			}
		})
		b.Run(tc.name+"/16 callers", func(b *testing.B) {
			b.SetParallelism(8)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					once(b)
				}
			})
		})
	}
}

// BenchmarkStart is what the start of a worker costs, with the program of the tests.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		r := newRig(b)
		token, err := worker.Open(b.Context(), r.config())
		if err != nil {
			b.Fatal(err)
		}
		_ = token.Close()
	}
}
