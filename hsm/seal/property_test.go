package seal

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/hsm/soft"
	"github.com/claviger/claviger/kmip/secret"
)

// twoGenerations returns a ring whose domains a and b have generations 1 and 2.
func twoGenerations(t testing.TB) *Ring {
	t.Helper()
	token, err := soft.Create(filepath.Join(t.TempDir(), "token"), soft.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := New([]Member{Opened(token)}, &memory{}, Options{})
	t.Cleanup(r.Close)
	ctx := context.Background()
	if err := r.Prepare(ctx); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"a", "b"} {
		for g := range int32(2) {
			if err := r.addGeneration(ctx, d, g+1, ModeEnvelope); err != nil {
				t.Fatal(err)
			}
		}
	}
	return r
}

func drawBinding(rt *rapid.T, name string) Binding {
	return Binding{
		UID:             rapid.StringN(0, 40, 200).Draw(rt, name+" uid"),
		ObjectType:      rapid.Uint32Range(0, 3).Draw(rt, name+" type"),
		Algorithm:       rapid.Uint32Range(0, 3).Draw(rt, name+" algorithm"),
		LengthBits:      rapid.Int32Range(-1, 2).Draw(rt, name+" length"),
		MaterialVersion: rapid.Int32Range(0, 2).Draw(rt, name+" version"),
	}
}

func TestNothingOpensElsewhere(t *testing.T) {
	r, ctx := twoGenerations(t), t.Context()
	domains := rapid.SampledFrom([]string{"a", "b"})
	generations := rapid.Int32Range(1, 2)
	rapid.Check(t, func(rt *rapid.T) {
		domain, g, b := domains.Draw(rt, "domain"), generations.Draw(rt, "generation"), drawBinding(rt, "made")
		plain := rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(rt, "plain")
		sealed, err := r.SealAt(ctx, domain, g, b, secret.Copy(plain))
		if err != nil {
			rt.Fatalf("SealAt: %v", err)
		}
		domain2, g2, b2 := domains.Draw(rt, "domain"), generations.Draw(rt, "generation"), b
		if rapid.Bool().Draw(rt, "other binding") {
			b2 = drawBinding(rt, "used")
		}
		blob := bytes.Clone(sealed)
		if rapid.Bool().Draw(rt, "flip") {
			bit := rapid.IntRange(0, 8*len(blob)-1).Draw(rt, "bit")
			blob[bit/8] ^= 1 << (bit % 8)
		}
		opened, err := r.Open(ctx, domain2, g2, b2, blob)
		if same := domain == domain2 && g == g2 && b == b2 && bytes.Equal(blob, sealed); same {
			if err != nil || !bytes.Equal(opened.Reveal(), plain) {
				rt.Fatalf("Open of what was sealed: %v", err)
			}
		} else if !errors.Is(err, hsm.ErrIntegrity) || opened != nil {
			rt.Fatalf("Open elsewhere = %v, %v, want ErrIntegrity", opened, err)
		}
	})
}

func TestNoMACHoldsElsewhere(t *testing.T) {
	r, ctx := twoGenerations(t), t.Context()
	domains := rapid.SampledFrom([]string{"a", "b"})
	generations := rapid.Int32Range(1, 2)
	messages := rapid.SliceOfN(rapid.Byte(), 0, 3)
	rapid.Check(t, func(rt *rapid.T) {
		d, g, m := domains.Draw(rt, "domain"), generations.Draw(rt, "generation"), messages.Draw(rt, "message")
		d2, g2, m2 := domains.Draw(rt, "domain"), generations.Draw(rt, "generation"), messages.Draw(rt, "message")
		mac, err := r.MAC(ctx, d, g, m)
		if err != nil || len(mac) != 32 {
			rt.Fatalf("MAC: %d bytes, %v", len(mac), err)
		}
		err = r.VerifyMAC(ctx, d2, g2, m2, mac)
		if same := d == d2 && g == g2 && bytes.Equal(m, m2); same != (err == nil) {
			rt.Fatalf("VerifyMAC of the same: %v, error %v", same, err)
		} else if !same && !errors.Is(err, hsm.ErrIntegrity) {
			rt.Fatalf("VerifyMAC = %v, want ErrIntegrity", err)
		}
		bit := rapid.IntRange(0, 8*len(mac)-1).Draw(rt, "bit")
		mac[bit/8] ^= 1 << (bit % 8)
		if err := r.VerifyMAC(ctx, d, g, m, mac); !errors.Is(err, hsm.ErrIntegrity) {
			rt.Fatalf("VerifyMAC of a changed MAC = %v, want ErrIntegrity", err)
		}
	})
}

func TestBindingsDifferInTheirBytes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a, b := drawBinding(rt, "a"), drawBinding(rt, "b")
		at, bt := ref{rapid.String().Draw(rt, "domain a"), 1}, ref{rapid.String().Draw(rt, "domain b"), 1}
		same := a == b && at == bt
		if bytes.Equal(a.append(nil, at), b.append(nil, bt)) != same {
			rt.Fatalf("associated data of %+v %+v and %+v %+v", a, at, b, bt)
		}
	})
}

func TestAnExhaustedGenerationSealsNoMore(t *testing.T) {
	r, ctx := twoGenerations(t), t.Context()
	r.maxSeal = 2
	var sealed []byte
	for i := range 2 {
		var err error
		if sealed, err = r.SealAt(ctx, "a", 1, Binding{}, secret.Copy([]byte("x"))); err != nil {
			t.Fatalf("seal %d: %v", i, err)
		}
	}
	for range 3 {
		if _, err := r.SealAt(ctx, "a", 1, Binding{}, secret.Copy([]byte("x"))); !errors.Is(err, ErrExhausted) {
			t.Errorf("seal beyond the bound = %v, want ErrExhausted", err)
		}
	}
	if _, err := r.Open(ctx, "a", 1, Binding{}, sealed); err != nil {
		t.Errorf("Open under an exhausted generation: %v", err)
	}
	if g, sealed, err := r.Seal(ctx, "a", Binding{}, secret.Copy([]byte("x"))); g != 2 || sealed == nil || err != nil {
		t.Errorf("Seal under the next generation = %d, %v", g, err)
	}
}

func TestHalfOfTheSealsIsToldOnce(t *testing.T) {
	r, ctx := twoGenerations(t), t.Context()
	var log bytes.Buffer
	r.log, r.maxSeal = slog.New(slog.NewTextHandler(&log, nil)), 6
	for i := range 10 {
		_, err := r.SealAt(ctx, "a", 1, Binding{}, secret.Copy([]byte("x")))
		if want := i >= 6; errors.Is(err, ErrExhausted) != want {
			t.Errorf("seal %d = %v", i, err)
		}
		told := strings.Count(log.String(), "claviger domain rotate-key")
		if want := i >= 2; (told == 1) != want || told > 1 {
			t.Errorf("after seal %d the log tells it %d times:\n%s", i, told, &log)
		}
	}
}

func TestTheCountOfSealsOutlastsOpeningAnew(t *testing.T) {
	r, ctx := twoGenerations(t), t.Context()
	r.maxSeal = 2
	for range 2 {
		if _, err := r.SealAt(ctx, "a", 1, Binding{}, secret.Copy([]byte("x"))); err != nil {
			t.Fatal(err)
		}
		if _, err := r.reopen(ctx, ref{"a", 1}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.SealAt(ctx, "a", 1, Binding{}, secret.Copy([]byte("x"))); !errors.Is(err, ErrExhausted) {
		t.Errorf("seal beyond the bound after the key was opened anew = %v, want ErrExhausted", err)
	}
}

func BenchmarkOpen(b *testing.B) {
	r, ctx := twoGenerations(b), b.Context()
	bind := Binding{UID: "0193b3f0-5d2e-7cc0-9b65-1d5c1e9d2f11", ObjectType: 2, Algorithm: 3, LengthBits: 256}
	sealed, _ := r.SealAt(ctx, "a", 1, bind, secret.New(make([]byte, 32)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Open(ctx, "a", 1, bind, sealed); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	r, ctx := twoGenerations(b), b.Context()
	plain := secret.New(make([]byte, 32))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := r.Seal(ctx, "a", Binding{UID: "0193b3f0-5d2e-7cc0-9b65-1d5c1e9d2f11"}, plain); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMAC(b *testing.B) {
	r, ctx := twoGenerations(b), b.Context()
	message := make([]byte, 512)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.MAC(ctx, "a", 1, message); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpenParallel(b *testing.B) {
	r, ctx := twoGenerations(b), b.Context()
	sealed, _ := r.SealAt(ctx, "a", 1, Binding{}, secret.New(make([]byte, 32)))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := r.Open(ctx, "a", 1, Binding{}, sealed); err != nil {
				b.Error(err)
			}
		}
	})
}
