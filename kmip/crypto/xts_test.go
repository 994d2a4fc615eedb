package crypto

import (
	"bytes"
	"crypto/aes"
	"encoding/binary"
	"testing"

	xxts "golang.org/x/crypto/xts"
	"pgregory.net/rapid"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
)

// The vectors of IEEE Std 1619, annex B.
func TestXTSVectors(t *testing.T) {
	const (
		ones, twos, fours = "11111111111111111111111111111111", "22222222222222222222222222222222", "44444444444444444444444444444444"
		down              = "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0"
		up                = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	)
	for _, c := range []struct{ name, key, tweak, data, want string }{
		{"2", ones + twos, "33333333330000000000000000000000", fours + fours, "c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0"},
		{"3", down + twos, "33333333330000000000000000000000", fours + fours, "af85336b597afc1a900b2eb21ec949d292df4c047e0b21532186a5971a227a89"},
		{"15, 17 bytes", down + "bfbebdbcbbbab9b8b7b6b5b4b3b2b1b0", "9a785634120000000000000000000000", up[:34], "6c1625db4671522d3d7599601de7ca09ed"},
		{"16, 18 bytes", down + "bfbebdbcbbbab9b8b7b6b5b4b3b2b1b0", "9a785634120000000000000000000000", up[:36], "d069444b7a7e0cab09e24447d24deb1fedbf"},
		{"17, 19 bytes", down + "bfbebdbcbbbab9b8b7b6b5b4b3b2b1b0", "9a785634120000000000000000000000", up[:38], "e5df1351c0544ba1350b3363cd8ef4beedbf9d"},
		{"18, 20 bytes", down + "bfbebdbcbbbab9b8b7b6b5b4b3b2b1b0", "9a785634120000000000000000000000", up[:40], "9d84c813f719aa2c7be3f66171c7c5c2edbf9dac"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := CipherRequest{Algorithm: algAES, Key: secret.New(unhex(t, c.key)), Parameters: mode(kmip.BlockCipherModeXTS, 0), IV: unhex(t, c.tweak), Data: unhex(t, c.data)}
			checkCipher(t, r, c.want, "")
		})
	}
	// Vector 1 has halves that are the same: it can be decrypted only.
	r := CipherRequest{
		Algorithm: algAES, Key: secret.New(make([]byte, 32)), Parameters: mode(kmip.BlockCipherModeXTS, 0), IV: make([]byte, 16),
		Data: unhex(t, "917cf69ebd68b2ec9b9fe9a3eadda692cd43d2f59598ed858c02c2652fbf922e"),
	}
	if got, err := Decrypt(r); err != nil || !bytes.Equal(got.Data, make([]byte, 32)) {
		t.Errorf("vector 1: %x, %v", got.Data, err)
	}
	if _, err := Encrypt(r); kmip.KindOf(err) != kmip.KindCryptographicFailure {
		t.Errorf("encryption under halves that are the same: %v", err)
	}
}

func TestXTSAgreesWithLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.Byte(), 64, 64).Draw(t, "key")
		key[0] = ^key[32]
		library, err := xxts.NewCipher(aes.NewCipher, key)
		if err != nil {
			t.Fatal(err)
		}
		unit := rapid.Uint64().Draw(t, "unit")
		data := rapid.SliceOfN(rapid.Byte(), 512, 512).Draw(t, "data")[:16*rapid.IntRange(1, 32).Draw(t, "blocks")]
		want := make([]byte, len(data))
		library.Encrypt(want, data, unit)
		r := CipherRequest{Algorithm: algAES, Key: secret.New(key), Parameters: mode(kmip.BlockCipherModeXTS, 0), Data: data}
		r.IV = append(binary.LittleEndian.AppendUint64(nil, unit), make([]byte, 8)...)
		got, err := Encrypt(r)
		if err != nil || !bytes.Equal(got.Data, want) {
			t.Fatalf("Encrypt = %x, %v; want %x", got.Data, err, want)
		}
		r.Data = want
		back, err := Decrypt(r)
		if err != nil || !bytes.Equal(back.Data, data) {
			t.Fatalf("Decrypt = %x, %v; want %x", back.Data, err, data)
		}
	})
}

func TestXTSRefusals(t *testing.T) {
	key := make([]byte, 64)
	key[0] = 1
	good := CipherRequest{Algorithm: algAES, Key: secret.New(key), Parameters: mode(kmip.BlockCipherModeXTS, 0), IV: make([]byte, 16), Data: make([]byte, 40)}
	for _, c := range []struct {
		name   string
		change func(*CipherRequest)
		want   kmip.Kind
	}{
		{"less than a block", func(r *CipherRequest) { r.Data = r.Data[:15] }, kmip.KindCryptographicFailure},
		{"nothing", func(r *CipherRequest) { r.Data = nil }, kmip.KindCryptographicFailure},
		{"more than a data unit", func(r *CipherRequest) { r.Data = make([]byte, 16<<20+1) }, kmip.KindCryptographicFailure},
		{"one key only", func(r *CipherRequest) { r.Key = secret.New(key[:16]) }, kmip.KindCryptographicFailure},
		{"no key", func(r *CipherRequest) { r.Key = nil }, kmip.KindCryptographicFailure},
		{"a tweak of 8 bytes", func(r *CipherRequest) { r.IV = r.IV[:8] }, kmip.KindInvalidField},
		{"a padding", func(r *CipherRequest) { r.Parameters.PaddingMethod = kmip.PaddingMethodPKCS5 }, kmip.KindParametersUnsupported},
		{"blocks of 8 bytes", func(r *CipherRequest) { r.Algorithm, r.Key = algDES3, secret.New(key[:48]) }, kmip.KindParametersUnsupported},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := good
			c.change(&r)
			if _, err := Encrypt(r); kmip.KindOf(err) != c.want {
				t.Errorf("Encrypt: %v, want %v", err, c.want)
			}
			if _, err := Decrypt(r); kmip.KindOf(err) != c.want {
				t.Errorf("Decrypt: %v, want %v", err, c.want)
			}
		})
	}
}
