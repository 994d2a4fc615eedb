package keywrap_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/hsm/keywrap"
	"github.com/claviger/claviger/kmip/secret"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const (
	kek256 = "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F"
	kek192 = "5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8"
)

func TestVectors(t *testing.T) {
	for _, tc := range []struct {
		name, kek, plain, wrapped string
		padded                    bool
	}{
		{"RFC 3394 §4.1", kek256[:32], "00112233445566778899AABBCCDDEEFF", "1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5", false},
		{"RFC 3394 §4.2", kek256[:48], "00112233445566778899AABBCCDDEEFF", "96778B25AE6CA435F92B5B97C050AED2468AB8A17AD84E5D", false},
		{"RFC 3394 §4.3", kek256, "00112233445566778899AABBCCDDEEFF", "64E8C3F9CE0F5BA263E9777905818A2A93C8191E7D6E8AE7", false},
		{"RFC 3394 §4.4", kek256[:48], "00112233445566778899AABBCCDDEEFF0001020304050607", "031D33264E15D33268F24EC260743EDCE1C6C7DDEE725A936BA814915C6762D2", false},
		{"RFC 3394 §4.5", kek256, "00112233445566778899AABBCCDDEEFF0001020304050607", "A8F9BC1612C68B3FF6E6F4FBE30E71E4769C8B80A32CB8958CD5D17D6B254DA1", false},
		{"RFC 3394 §4.6", kek256, "00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F", "28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21", false},
		{"RFC 5649 §6, 20 bytes", kek192, "c37b7e6492584340bed12207808941155068f738", "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a", true},
		{"RFC 5649 §6, 7 bytes", kek192, "466f7250617369", "afbeb0f07dfbf5419200f2ccb50bb24f", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			kek, plain, want := secret.New(unhex(t, tc.kek)), secret.New(unhex(t, tc.plain)), unhex(t, tc.wrapped)
			wrap, unwrap := keywrap.Wrap, keywrap.Unwrap
			if tc.padded {
				wrap, unwrap = keywrap.WrapPadded, keywrap.UnwrapPadded
			}
			got, err := wrap(kek, plain)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("wrapped = %x, %v, want %x", got, err, want)
			}
			back, err := unwrap(kek, want)
			if err != nil || !back.Equal(plain) {
				t.Errorf("unwrapped: %v, want the plaintext", err)
			}
		})
	}
}

func TestEveryChangeIsRefused(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		kek := secret.New(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(rt, "kek"))
		padded := rapid.Bool().Draw(rt, "padded")
		wrap, unwrap := keywrap.Wrap, keywrap.Unwrap
		var plain []byte
		if padded {
			wrap, unwrap = keywrap.WrapPadded, keywrap.UnwrapPadded
			plain = rapid.SliceOfN(rapid.Byte(), 1, 70).Draw(rt, "plain")
		} else {
			plain = make([]byte, 8*rapid.IntRange(2, 9).Draw(rt, "semiblocks"))
			copy(plain, rapid.SliceOfN(rapid.Byte(), 0, 72).Draw(rt, "plain"))
		}
		wrapped, err := wrap(kek, secret.Copy(plain))
		if err != nil {
			rt.Fatal(err)
		}
		if back, err := unwrap(kek, wrapped); err != nil || !bytes.Equal(back.Reveal(), plain) {
			rt.Fatalf("unwrap(wrap(%x)): %v", plain, err)
		}
		bit := rapid.IntRange(0, 8*len(wrapped)-1).Draw(rt, "bit")
		wrapped[bit/8] ^= 1 << (bit % 8)
		if back, err := unwrap(kek, wrapped); !errors.Is(err, hsm.ErrIntegrity) || back != nil {
			rt.Fatalf("unwrap of a changed blob = %v, want ErrIntegrity", err)
		}
	})
}

func TestRefusals(t *testing.T) {
	kek := secret.New(make([]byte, 32))
	bytesOf := func(n int) *secret.Bytes { return secret.New(make([]byte, n)) }
	for _, tc := range []struct {
		name string
		call func() error
		want error
	}{
		{"8 bytes without padding", func() error { _, err := keywrap.Wrap(kek, bytesOf(8)); return err }, hsm.ErrUnsupported},
		{"17 bytes without padding", func() error { _, err := keywrap.Wrap(kek, bytesOf(17)); return err }, hsm.ErrUnsupported},
		{"nothing with padding", func() error { _, err := keywrap.WrapPadded(kek, bytesOf(0)); return err }, hsm.ErrUnsupported},
		{"too much", func() error { _, err := keywrap.WrapPadded(kek, bytesOf(keywrap.MaxBytes+1)); return err }, hsm.ErrUnsupported},
		{"key of 15 bytes", func() error { _, err := keywrap.Wrap(bytesOf(15), bytesOf(16)); return err }, hsm.ErrUnsupported},
		{"unwrap nothing", func() error { _, err := keywrap.Unwrap(kek, nil); return err }, hsm.ErrIntegrity},
		{"unwrap 16 bytes without padding", func() error { _, err := keywrap.Unwrap(kek, make([]byte, 16)); return err }, hsm.ErrIntegrity},
		{"unwrap 8 bytes with padding", func() error { _, err := keywrap.UnwrapPadded(kek, make([]byte, 8)); return err }, hsm.ErrIntegrity},
		{"unwrap 17 bytes", func() error { _, err := keywrap.UnwrapPadded(kek, make([]byte, 17)); return err }, hsm.ErrIntegrity},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := tc.call(); !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
		})
	}
}
