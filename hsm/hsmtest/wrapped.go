package hsmtest

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"strings"
	"sync"
	"testing"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip/secret"
)

// wraps tells whether the token has wrapped keys. One that has none must say so
// from every method.
func wraps(t *testing.T, token hsm.Token) bool {
	t.Helper()
	if capabilities(t, token).Wrap != "" {
		return true
	}
	k := hsm.WrappedKey{RootKey: generate(t, token, hsm.PurposeWrap).ID, Value: make([]byte, 40)}
	_, err := token.Wrap(t.Context(), k.RootKey, newValue())
	wantKind(t, "Wrap by a token that has none", err, hsm.ErrUnsupported)
	_, err = token.EncryptWrapped(t.Context(), k, secret.Copy([]byte("x")), nil)
	wantKind(t, "EncryptWrapped by a token that has none", err, hsm.ErrUnsupported)
	_, err = token.DecryptWrapped(t.Context(), k, make([]byte, 60), nil)
	wantKind(t, "DecryptWrapped by a token that has none", err, hsm.ErrUnsupported)
	return false
}

func newValue() *secret.Bytes {
	value := make([]byte, hsm.RootKeyBits/8)
	_, _ = rand.Read(value) // never fails
	return secret.New(value)
}

func wrapped(t *testing.T, token hsm.Token, value *secret.Bytes) hsm.WrappedKey {
	t.Helper()
	root := generate(t, token, hsm.PurposeWrap)
	k, err := token.Wrap(t.Context(), root.ID, value)
	if err != nil {
		t.Fatalf("Wrap: %v", err)
	}
	if k.RootKey != root.ID || len(k.Value) == 0 || bytes.Contains(k.Value, value.Reveal()) {
		t.Fatalf("Wrap = root key %q and %d bytes, want %q and the key wrapped", k.RootKey, len(k.Value), root.ID)
	}
	return k
}

func testWrappedRoundTrip(t *testing.T, token hsm.Token) {
	if !wraps(t, token) {
		return
	}
	ctx, value := t.Context(), newValue()
	before := value.Clone()
	k := wrapped(t, token, value)
	if !value.Equal(before) {
		t.Fatal("Wrap changed the key")
	}
	block, err := aes.NewCipher(value.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	outside, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 15, 16, 17, 32, hsm.MaxPlaintextBytes} {
		for _, aad := range [][]byte{nil, []byte("a"), bytes.Repeat([]byte("aad"), 100)} {
			plain := secret.New(bytes.Repeat([]byte{0x5a}, n))
			sealed, err := token.EncryptWrapped(ctx, k, plain, aad)
			if err != nil {
				t.Fatalf("EncryptWrapped(%d bytes): %v", n, err)
			}
			if len(sealed) != n+hsm.OverheadBytes {
				t.Errorf("EncryptWrapped(%d bytes) made %d, want %d", n, len(sealed), n+hsm.OverheadBytes)
			}
			opened, err := token.DecryptWrapped(ctx, k, sealed, aad)
			if err != nil || !opened.Equal(plain) {
				t.Fatalf("DecryptWrapped(EncryptWrapped(%d bytes)): %v", n, err)
			}
			if got, err := outside.Open(nil, nil, sealed, aad); err != nil || !bytes.Equal(got, plain.Reveal()) {
				t.Errorf("AES-GCM elsewhere does not open what EncryptWrapped made: %v", err)
			}
			opened, err = token.DecryptWrapped(ctx, k, outside.Seal(nil, nil, plain.Reveal(), aad), aad)
			if err != nil || !opened.Equal(plain) {
				t.Errorf("DecryptWrapped of what AES-GCM made elsewhere: %v", err)
			}
		}
	}
	for _, n := range []int{0, hsm.MaxPlaintextBytes + 1} {
		_, err := token.EncryptWrapped(ctx, k, secret.New(make([]byte, n)), nil)
		wantKind(t, "EncryptWrapped of a size that is not taken", err, hsm.ErrUnsupported)
	}
	for _, n := range []int{0, 16, 24, 31, 33, 64} {
		_, err := token.Wrap(ctx, k.RootKey, secret.New(make([]byte, n)))
		wantKind(t, "Wrap of a size that is not taken", err, hsm.ErrUnsupported)
	}
}

func testWrappedRefusals(t *testing.T, token hsm.Token) {
	if !wraps(t, token) {
		return
	}
	ctx, k := t.Context(), wrapped(t, token, newValue())
	other := generate(t, token, hsm.PurposeWrap)
	seal := generate(t, token, hsm.PurposeSeal)
	aad := []byte("context")
	sealed, err := token.EncryptWrapped(ctx, k, secret.Copy([]byte("domain key")), aad)
	if err != nil {
		t.Fatalf("EncryptWrapped: %v", err)
	}
	under := func(root string, value []byte) hsm.WrappedKey { return hsm.WrappedKey{RootKey: root, Value: value} }
	changed := func(i int) []byte {
		c := bytes.Clone(k.Value)
		c[i] ^= 1
		return c
	}
	for _, tc := range []struct {
		name string
		k    hsm.WrappedKey
		want error
	}{
		{"another root key", under(other.ID, k.Value), hsm.ErrIntegrity},
		{"damaged at its begin", under(k.RootKey, changed(0)), hsm.ErrIntegrity},
		{"damaged at its end", under(k.RootKey, changed(len(k.Value)-1)), hsm.ErrIntegrity},
		{"cut", under(k.RootKey, k.Value[:len(k.Value)-8]), hsm.ErrIntegrity},
		{"cut inside a block", under(k.RootKey, k.Value[:len(k.Value)-1]), hsm.ErrIntegrity},
		{"empty", under(k.RootKey, nil), hsm.ErrIntegrity},
		{"too long", under(k.RootKey, make([]byte, 4096)), hsm.ErrIntegrity},
		{"a seal key as root key", under(seal.ID, k.Value), hsm.ErrUnsupported},
		{"an unknown root key", under(strings.Repeat("ab", 16), k.Value), hsm.ErrNotFound},
		{"no root key", under("", k.Value), hsm.ErrNotFound},
	} {
		_, err := token.EncryptWrapped(ctx, tc.k, secret.Copy([]byte("x")), nil)
		wantKind(t, "EncryptWrapped by a wrapped key with "+tc.name, err, tc.want)
		plain, err := token.DecryptWrapped(ctx, tc.k, sealed, aad)
		wantKind(t, "DecryptWrapped by a wrapped key with "+tc.name, err, tc.want)
		if plain != nil {
			t.Errorf("%s: plaintext was returned beside an error", tc.name)
		}
	}
	for _, tc := range []struct {
		name   string
		sealed []byte
		aad    []byte
	}{
		{"other associated data", sealed, []byte("contexT")},
		{"no associated data", sealed, nil},
		{"cut ciphertext", sealed[:len(sealed)-1], aad},
		{"nothing", nil, aad},
		{"too short a ciphertext", sealed[:hsm.OverheadBytes], aad},
		{"changed tag", append(bytes.Clone(sealed[:len(sealed)-1]), sealed[len(sealed)-1]^1), aad},
	} {
		_, err := token.DecryptWrapped(ctx, k, tc.sealed, tc.aad)
		wantKind(t, "DecryptWrapped of "+tc.name, err, hsm.ErrIntegrity)
	}
	if _, err := token.DecryptWrapped(ctx, k, sealed, aad); err != nil {
		t.Errorf("DecryptWrapped of the original after refusals: %v", err)
	}
	_, err = token.Wrap(ctx, seal.ID, newValue())
	wantKind(t, "Wrap under a seal key", err, hsm.ErrUnsupported)
	_, err = token.Wrap(ctx, strings.Repeat("ab", 16), newValue())
	wantKind(t, "Wrap under an unknown key", err, hsm.ErrNotFound)
	_, err = token.Encrypt(ctx, k.RootKey, secret.Copy([]byte("x")), nil)
	wantKind(t, "Encrypt under a wrap key", err, hsm.ErrUnsupported)
	if err := token.Destroy(ctx, k.RootKey); err != nil {
		t.Fatalf("Destroy: %v", err)
	}
	_, err = token.DecryptWrapped(ctx, k, sealed, aad)
	wantKind(t, "DecryptWrapped after Destroy of its root key", err, hsm.ErrNotFound)
}

func testWrappedConcurrent(t *testing.T, token hsm.Token) {
	if !wraps(t, token) {
		return
	}
	ctx, root := t.Context(), generate(t, token, hsm.PurposeWrap)
	keys := make([]hsm.WrappedKey, 4)
	for i := range keys {
		k, err := token.Wrap(ctx, root.ID, newValue())
		if err != nil {
			t.Fatalf("Wrap: %v", err)
		}
		keys[i] = k
	}
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			plain, aad := secret.Copy(bytes.Repeat([]byte{byte(g + 1)}, 32)), []byte{byte(g)}
			for i := range 20 {
				k := keys[(g+i)%len(keys)]
				sealed, err := token.EncryptWrapped(ctx, k, plain, aad)
				if err != nil {
					t.Errorf("EncryptWrapped: %v", err)
					return
				}
				opened, err := token.DecryptWrapped(ctx, k, sealed, aad)
				if err != nil || !opened.Equal(plain) {
					t.Errorf("DecryptWrapped: %v", err)
					return
				}
				_, err = token.DecryptWrapped(ctx, keys[(g+i+1)%len(keys)], sealed, aad)
				wantKind(t, "DecryptWrapped by another key", err, hsm.ErrIntegrity)
			}
		})
	}
	wg.Wait()
}

// wrappedCalls are the calls of wrapped keys, for what all calls have in common.
func wrappedCalls(token hsm.Token, root string) map[string]func(context.Context) error {
	k := hsm.WrappedKey{RootKey: root, Value: make([]byte, 40)}
	return map[string]func(context.Context) error{
		"Wrap": func(ctx context.Context) error { _, err := token.Wrap(ctx, root, newValue()); return err },
		"EncryptWrapped": func(ctx context.Context) error {
			_, err := token.EncryptWrapped(ctx, k, secret.Copy([]byte("x")), nil)
			return err
		},
		"DecryptWrapped": func(ctx context.Context) error {
			_, err := token.DecryptWrapped(ctx, k, make([]byte, 60), nil)
			return err
		},
	}
}
