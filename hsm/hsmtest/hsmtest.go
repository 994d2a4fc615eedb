// Package hsmtest is the conformance suite for hsm.Token: every backend passes
// it unchanged.
package hsmtest

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip/secret"
)

// Run runs the suite. open returns an opened token without Claviger's keys,
// and is called once for each test; the suite closes the token.
func Run(t *testing.T, open func(t *testing.T) hsm.Token) {
	for _, tc := range []struct {
		name string
		run  func(*testing.T, hsm.Token)
	}{
		{"describes itself", testInfo},
		{"generates, finds, lists and destroys root keys", testKeys},
		{"refuses other root keys", testKeySpecs},
		{"opens what it sealed", testRoundTrip},
		{"refuses changed ciphertexts", testTampered},
		{"refuses keys that are unknown or for another purpose", testWrongKey},
		{"seals the same plaintext differently", testFresh},
		{"opens what it sealed by a wrapped key, and so does AES-GCM elsewhere", testWrappedRoundTrip},
		{"refuses wrapped keys and ciphertexts that are not the ones", testWrappedRefusals},
		{"serves callers of wrapped keys at once", testWrappedConcurrent},
		{"makes the resident objects that it claims, and no others", testObjects},
		{"keeps resident objects and root keys apart", testObjectsApart},
		{"gives random bytes", testRandom},
		{"serves callers at once", testConcurrent},
		{"honours the context", testContext},
		{"refuses everything once closed", testClosed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			token := open(t)
			t.Cleanup(func() { _ = token.Close() })
			tc.run(t, token)
		})
	}
}

func generate(t *testing.T, token hsm.Token, purpose hsm.Purpose) hsm.Key {
	t.Helper()
	k, err := token.Generate(t.Context(), hsm.KeySpec{Purpose: purpose})
	if err != nil {
		t.Fatalf("Generate(%s): %v", purpose, err)
	}
	return k
}

func capabilities(t *testing.T, token hsm.Token) hsm.Capabilities {
	t.Helper()
	caps, err := token.Capabilities(t.Context())
	if err != nil {
		t.Fatalf("Capabilities: %v", err)
	}
	return caps
}

func wantKind(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got error %v, want %v", what, err, want)
	}
}

func testInfo(t *testing.T, token hsm.Token) {
	info, err := token.Info(t.Context())
	if err != nil {
		t.Fatalf("Info: %v", err)
	}
	if info.Serial == "" || info.Label == "" {
		t.Errorf("Info = %+v, want a serial number and a label", info)
	}
	if info.Kind != hsm.KindSoftware && info.Kind != hsm.KindPKCS11 {
		t.Errorf("Kind = %q, want one of the known ones", info.Kind)
	}
	if info.Hardware && (info.Kind == hsm.KindSoftware || strings.Contains(info.Model, "SoftHSM")) {
		t.Errorf("Info = %+v claims to be hardware", info)
	}
	caps := capabilities(t, token)
	if !caps.Generate || caps.Seal == "" || !caps.Random {
		t.Errorf("Capabilities = %+v, want at least generate, a mechanism to seal by and random", caps)
	}
	if err := token.Check(t.Context()); err != nil {
		t.Errorf("Check: %v", err)
	}
}

func testKeys(t *testing.T, token hsm.Token) {
	ctx := t.Context()
	if keys, err := token.Keys(ctx, hsm.AnyPurpose); err != nil || len(keys) != 0 {
		t.Fatalf("Keys of a fresh token = %v, %v, want none", keys, err)
	}
	seal, wrap := generate(t, token, hsm.PurposeSeal), generate(t, token, hsm.PurposeWrap)
	for _, k := range []hsm.Key{seal, wrap} {
		if err := k.Fit(); err != nil {
			t.Errorf("generated %s key: %v", k.Purpose, err)
		}
		found, err := token.Find(ctx, k.ID)
		if err != nil {
			t.Fatalf("Find(%s): %v", k.ID, err)
		}
		if diff := cmp.Diff(k, found); diff != "" {
			t.Errorf("Find differs from Generate (-generated +found):\n%s", diff)
		}
		listed, err := token.Keys(ctx, k.Purpose)
		if err != nil || len(listed) != 1 || listed[0].ID != k.ID {
			t.Errorf("Keys(%s) = %v, %v, want only %s", k.Purpose, listed, err, k.ID)
		}
	}
	if keys, err := token.Keys(ctx, hsm.AnyPurpose); err != nil || len(keys) != 2 || keys[0].ID > keys[1].ID {
		t.Errorf("Keys = %v, %v, want two, sorted", keys, err)
	}
	if err := token.Check(ctx); err != nil {
		t.Errorf("Check: %v", err)
	}
	if err := token.Destroy(ctx, seal.ID); err != nil {
		t.Fatalf("Destroy: %v", err)
	}
	_, err := token.Find(ctx, seal.ID)
	wantKind(t, "Find after Destroy", err, hsm.ErrNotFound)
	wantKind(t, "Destroy twice", token.Destroy(ctx, seal.ID), hsm.ErrNotFound)
	_, err = token.Encrypt(ctx, seal.ID, secret.Copy([]byte("x")), nil)
	wantKind(t, "Encrypt after Destroy", err, hsm.ErrNotFound)
	if _, err := token.Find(ctx, wrap.ID); err != nil {
		t.Errorf("Find(wrap) after Destroy(seal): %v", err)
	}
}

func testKeySpecs(t *testing.T, token hsm.Token) {
	for _, spec := range []hsm.KeySpec{{}, {Purpose: "sign"}, {Purpose: hsm.PurposeSeal, Bits: 128}} {
		_, err := token.Generate(t.Context(), spec)
		wantKind(t, "Generate", err, hsm.ErrUnsupported)
	}
}

func testRoundTrip(t *testing.T, token hsm.Token) {
	ctx, k := t.Context(), generate(t, token, hsm.PurposeSeal)
	caps := capabilities(t, token)
	for _, n := range []int{1, 15, 16, 17, 32, hsm.MaxPlaintextBytes} {
		for _, aad := range [][]byte{nil, []byte("a"), bytes.Repeat([]byte("aad"), 100)} {
			plain := bytes.Repeat([]byte{0x5a}, n)
			given := secret.Copy(plain)
			sealed, err := token.Encrypt(ctx, k.ID, given, aad)
			if err != nil {
				t.Fatalf("Encrypt(%d bytes): %v", n, err)
			}
			if !bytes.Equal(given.Reveal(), plain) {
				t.Fatal("Encrypt changed its plaintext")
			}
			if caps.Seal == "AES-GCM" && len(sealed) != n+hsm.OverheadBytes {
				t.Errorf("Encrypt(%d bytes) made %d, want %d", n, len(sealed), n+hsm.OverheadBytes)
			}
			if len(sealed) <= n || len(sealed) > n+hsm.MaxOverheadBytes {
				t.Errorf("Encrypt(%d bytes) made %d, want at most %d more", n, len(sealed), hsm.MaxOverheadBytes)
			}
			opened, err := token.Decrypt(ctx, k.ID, sealed, aad)
			if err != nil {
				t.Fatalf("Decrypt(%d bytes): %v", n, err)
			}
			if !opened.Equal(given) {
				t.Errorf("Decrypt(Encrypt(%d bytes)) differs", n)
			}
		}
	}
	for _, n := range []int{0, hsm.MaxPlaintextBytes + 1} {
		_, err := token.Encrypt(ctx, k.ID, secret.New(make([]byte, n)), nil)
		wantKind(t, "Encrypt of a size that is not taken", err, hsm.ErrUnsupported)
	}
}

func testTampered(t *testing.T, token hsm.Token) {
	ctx, k := t.Context(), generate(t, token, hsm.PurposeSeal)
	other := generate(t, token, hsm.PurposeSeal)
	aad := []byte("context")
	sealed, err := token.Encrypt(ctx, k.ID, secret.Copy([]byte("root of all keys")), aad)
	if err != nil {
		t.Fatalf("Encrypt: %v", err)
	}
	refused := func(what, id string, c, aad []byte) {
		t.Helper()
		plain, err := token.Decrypt(ctx, id, c, aad)
		wantKind(t, what, err, hsm.ErrIntegrity)
		if plain != nil {
			t.Errorf("%s: plaintext was returned beside an error", what)
		}
	}
	refused("other associated data", k.ID, sealed, []byte("contexT"))
	refused("no associated data", k.ID, sealed, nil)
	refused("another key", other.ID, sealed, aad)
	refused("empty", k.ID, nil, aad)
	refused("too short", k.ID, sealed[:hsm.OverheadBytes], aad)
	refused("cut", k.ID, sealed[:len(sealed)-1], aad)
	refused("too long", k.ID, make([]byte, hsm.MaxPlaintextBytes+hsm.MaxOverheadBytes+1), aad)
	for _, i := range []int{0, 11, 12, 20, len(sealed) - 16, len(sealed) - 1} {
		changed := bytes.Clone(sealed)
		changed[i] ^= 0x80
		refused("changed byte", k.ID, changed, aad)
	}
	if _, err := token.Decrypt(ctx, k.ID, sealed, aad); err != nil {
		t.Errorf("Decrypt of the original after refusals: %v", err)
	}
}

func testWrongKey(t *testing.T, token hsm.Token) {
	ctx, wrap := t.Context(), generate(t, token, hsm.PurposeWrap)
	sealed := make([]byte, 64)
	for _, tc := range []struct {
		name, id string
		want     error
	}{
		{"unknown", strings.Repeat("ab", 16), hsm.ErrNotFound},
		{"empty", "", hsm.ErrNotFound},
		{"not hexadecimal", "x'; --", hsm.ErrNotFound},
		{"wrap key", wrap.ID, hsm.ErrUnsupported},
	} {
		_, err := token.Encrypt(ctx, tc.id, secret.Copy([]byte("x")), nil)
		wantKind(t, "Encrypt under "+tc.name, err, tc.want)
		_, err = token.Decrypt(ctx, tc.id, sealed, nil)
		wantKind(t, "Decrypt under "+tc.name, err, tc.want)
	}
	_, err := token.Find(ctx, "")
	wantKind(t, "Find without identifier", err, hsm.ErrNotFound)
	wantKind(t, "Destroy without identifier", token.Destroy(ctx, ""), hsm.ErrNotFound)
}

func testFresh(t *testing.T, token hsm.Token) {
	k := generate(t, token, hsm.PurposeSeal)
	seen, nonces := map[string]bool{}, map[string]bool{}
	for range 64 {
		c, err := token.Encrypt(t.Context(), k.ID, secret.Copy([]byte("same")), nil)
		if err != nil {
			t.Fatalf("Encrypt: %v", err)
		}
		if seen[string(c)] || nonces[string(c[:12])] {
			t.Fatal("a ciphertext or nonce came twice")
		}
		seen[string(c)], nonces[string(c[:12])] = true, true
	}
}

func testRandom(t *testing.T, token hsm.Token) {
	a, err := token.Random(t.Context(), 32)
	if err != nil {
		t.Fatalf("Random: %v", err)
	}
	b, err := token.Random(t.Context(), 32)
	if err != nil {
		t.Fatalf("Random: %v", err)
	}
	if len(a) != 32 || len(b) != 32 || bytes.Equal(a, b) {
		t.Errorf("Random gave %d and %d bytes, equal: %v", len(a), len(b), bytes.Equal(a, b))
	}
	if big, err := token.Random(t.Context(), hsm.MaxRandomBytes); err != nil || len(big) != hsm.MaxRandomBytes {
		t.Errorf("Random(%d) = %d bytes, %v", hsm.MaxRandomBytes, len(big), err)
	}
	for _, n := range []int{-1, 0, hsm.MaxRandomBytes + 1} {
		_, err := token.Random(t.Context(), n)
		wantKind(t, "Random of a size that is not given", err, hsm.ErrUnsupported)
	}
}

func testConcurrent(t *testing.T, token hsm.Token) {
	ctx, k := t.Context(), generate(t, token, hsm.PurposeSeal)
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			plain := secret.Copy(bytes.Repeat([]byte{byte(g + 1)}, 32))
			for range 20 {
				c, err := token.Encrypt(ctx, k.ID, plain, []byte{byte(g)})
				if err != nil {
					t.Errorf("Encrypt: %v", err)
					return
				}
				opened, err := token.Decrypt(ctx, k.ID, c, []byte{byte(g)})
				if err != nil || !opened.Equal(plain) {
					t.Errorf("Decrypt: %v", err)
					return
				}
				if _, err := token.Random(ctx, 8); err != nil {
					t.Errorf("Random: %v", err)
				}
			}
		})
	}
	wg.Wait()
}

func testContext(t *testing.T, token hsm.Token) {
	objects := len(capabilities(t, token).Objects) > 0
	k := generate(t, token, hsm.PurposeSeal)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancelLate := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancelLate()
	for what, call := range calls(token, k.ID, objects) {
		if what == "Info" { // answered from memory
			continue
		}
		wantKind(t, what+" cancelled", call(cancelled), context.Canceled)
		err := call(late)
		wantKind(t, what+" past its deadline", err, context.DeadlineExceeded)
		wantKind(t, what+" past its deadline", err, hsm.ErrUnavailable)
	}
	if _, err := token.Find(t.Context(), k.ID); err != nil {
		t.Errorf("the key is gone after refused calls: %v", err)
	}
}

func testClosed(t *testing.T, token hsm.Token) {
	objects := len(capabilities(t, token).Objects) > 0
	k := generate(t, token, hsm.PurposeSeal)
	if err := token.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	if err := token.Close(); err != nil {
		t.Errorf("Close twice: %v", err)
	}
	for what, call := range calls(token, k.ID, objects) {
		err := call(t.Context())
		wantKind(t, what+" after Close", err, hsm.ErrClosed)
		wantKind(t, what+" after Close", err, hsm.ErrUnavailable)
	}
}

func calls(token hsm.Token, id string, objects bool) map[string]func(context.Context) error {
	out := map[string]func(context.Context) error{
		"Info":         func(ctx context.Context) error { _, err := token.Info(ctx); return err },
		"Capabilities": func(ctx context.Context) error { _, err := token.Capabilities(ctx); return err },
		"Generate": func(ctx context.Context) error {
			_, err := token.Generate(ctx, hsm.KeySpec{Purpose: hsm.PurposeSeal})
			return err
		},
		"Keys": func(ctx context.Context) error { _, err := token.Keys(ctx, hsm.AnyPurpose); return err },
		"Find": func(ctx context.Context) error { _, err := token.Find(ctx, id); return err },
		"Encrypt": func(ctx context.Context) error {
			_, err := token.Encrypt(ctx, id, secret.Copy([]byte("x")), nil)
			return err
		},
		"Decrypt": func(ctx context.Context) error {
			_, err := token.Decrypt(ctx, id, make([]byte, 60), nil)
			return err
		},
		"Random":  func(ctx context.Context) error { _, err := token.Random(ctx, 8); return err },
		"Destroy": func(ctx context.Context) error { return token.Destroy(ctx, id) },
		"Check":   token.Check,
	}
	maps.Copy(out, wrappedCalls(token, id))
	if objects {
		maps.Copy(out, objectCalls(token, id))
	}
	return out
}
