package hsm_test

import (
	"errors"
	"testing"

	"github.com/claviger/claviger/hsm"
)

func sealKey() hsm.Key {
	return hsm.Key{
		ID: "01", Purpose: hsm.PurposeSeal, Bits: 256, Sensitive: true, AlwaysSensitive: true,
		NeverExtractable: true, Encrypt: true, Decrypt: true,
	}
}

func TestFit(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*hsm.Key)
		want   error
	}{
		{"seal key as generated", func(*hsm.Key) {}, nil},
		{"wrap key as generated", func(k *hsm.Key) {
			k.Purpose, k.Encrypt, k.Decrypt, k.Wrap, k.Unwrap = hsm.PurposeWrap, false, false, true, true
		}, nil},
		{"extractable is refused", func(k *hsm.Key) { k.Extractable = true }, hsm.ErrExtractable},
		{"imported is refused", func(k *hsm.Key) { k.NeverExtractable = false }, hsm.ErrExtractable},
		{"not sensitive is refused", func(k *hsm.Key) { k.Sensitive = false }, hsm.ErrExtractable},
		{"once not sensitive is refused", func(k *hsm.Key) { k.AlwaysSensitive = false }, hsm.ErrExtractable},
		{"seal key that also unwraps is refused", func(k *hsm.Key) { k.Unwrap = true }, hsm.ErrExtractable},
		{"seal key that also wraps is refused", func(k *hsm.Key) { k.Wrap = true }, hsm.ErrExtractable},
		{"wrap key that also decrypts is refused", func(k *hsm.Key) {
			k.Purpose, k.Encrypt, k.Wrap, k.Unwrap = hsm.PurposeWrap, false, true, true
		}, hsm.ErrExtractable},
		{"seal key that cannot decrypt is refused", func(k *hsm.Key) { k.Decrypt = false }, hsm.ErrExtractable},
		{"128 bits are refused", func(k *hsm.Key) { k.Bits = 128 }, hsm.ErrExtractable},
		{"key that derives is refused", func(k *hsm.Key) { k.Other = []string{"derive"} }, hsm.ErrExtractable},
		{"unknown purpose is refused", func(k *hsm.Key) { k.Purpose = "" }, hsm.ErrExtractable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k := sealKey()
			tc.change(&k)
			if err := k.Fit(); !errors.Is(err, tc.want) {
				t.Errorf("Fit(%+v) = %v, want %v", k, err, tc.want)
			}
		})
	}
}

func TestKeySpec(t *testing.T) {
	for _, tc := range []struct {
		name string
		spec hsm.KeySpec
		want error
	}{
		{"size is 256 when not given", hsm.KeySpec{Purpose: hsm.PurposeSeal}, nil},
		{"wrap", hsm.KeySpec{Purpose: hsm.PurposeWrap, Bits: 256}, nil},
		{"no purpose is refused", hsm.KeySpec{}, hsm.ErrUnsupported},
		{"128 bits are refused", hsm.KeySpec{Purpose: hsm.PurposeSeal, Bits: 128}, hsm.ErrUnsupported},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := tc.spec.Check(); !errors.Is(err, tc.want) {
				t.Errorf("Check(%+v) = %v, want %v", tc.spec, err, tc.want)
			}
		})
	}
}
