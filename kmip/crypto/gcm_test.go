package crypto

import (
	"bytes"
	"encoding/hex"
	"testing"

	"pgregory.net/rapid"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
)

// The test cases of the specification of GCM (McGrew and Viega, appendix B).
func TestGCMVectors(t *testing.T) {
	const (
		key  = "feffe9928665731c6d6a8f9467308308"
		data = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
		aad  = "feedfacedeadbeeffeedfacedeadbeefabaddad2"
	)
	for _, c := range []struct{ name, key, iv, data, aad, want, tag string }{
		{"case 1, nothing", "00000000000000000000000000000000", "000000000000000000000000", "", "", "", "58e2fccefa7e3061367f1d57a4e7455a"},
		{"case 2, zeros", "00000000000000000000000000000000", "000000000000000000000000", "00000000000000000000000000000000", "", "0388dace60b6a392f328c2b971b2fe78", "ab6e47d42cec13bdf53a67b21257bddf"},
		{"case 4, with additional data", key, "cafebabefacedbaddecaf888", data, aad, "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091", "5bc94fbc3221a5db94fae95ae7121a47"},
		{"case 5, IV of 64 bits", key, "cafebabefacedbad", data, aad, "61353b4c2806934a777ff51fa22a4755699b2a714fcdc6f83766e5f97b6c742373806900e49f24b22b097544d4896b424989b5e1ebac0f07c23f4598", "3612d2e79e3b0785561be14aaca2fccb"},
	} {
		for _, n := range []int{16, 15, 14, 13, 12, 8, 4} {
			t.Run(c.name, func(t *testing.T) {
				r := CipherRequest{Algorithm: algAES, Key: secret.New(unhex(t, c.key)), IV: unhex(t, c.iv), AAD: unhex(t, c.aad), Data: unhex(t, c.data)}
				r.Parameters = kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeGCM, TagLength: ptr(int32(n))}
				got, err := Encrypt(r)
				if err != nil {
					t.Fatal(err)
				}
				if hex.EncodeToString(got.Data) != c.want || hex.EncodeToString(got.Tag) != c.tag[:2*n] {
					t.Errorf("Encrypt = %x, %x; want %s, %s", got.Data, got.Tag, c.want, c.tag[:2*n])
				}
				r.Data, r.Tag = got.Data, got.Tag
				back, err := Decrypt(r)
				if err != nil || hex.EncodeToString(back.Data) != c.data {
					t.Errorf("Decrypt = %x, %v; want %s", back.Data, err, c.data)
				}
			})
		}
	}
}

func TestGCMTagLength(t *testing.T) {
	for n := int32(-1); n <= 20; n++ {
		r := CipherRequest{Algorithm: algAES, Key: secret.New(make([]byte, 16)), IV: make([]byte, 12), Parameters: kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeGCM, TagLength: &n}}
		_, err := Encrypt(r)
		allowed := n == 4 || n == 8 || n >= 12 && n <= 16
		if allowed != (err == nil) || !allowed && kmip.KindOf(err) != kmip.KindTagLength {
			t.Errorf("Tag Length %d: %v", n, err)
		}
	}
	r := CipherRequest{Algorithm: algAES, Key: secret.New(make([]byte, 16)), IV: make([]byte, 12), Parameters: mode(kmip.BlockCipherModeGCM, 0), Tag: make([]byte, 4)}
	if _, err := Decrypt(r); kmip.KindOf(err) != kmip.KindTagLength {
		t.Errorf("a short tag without Tag Length: %v", err)
	}
}

func TestGCMChanged(t *testing.T) {
	testChanged(t, kmip.BlockCipherModeGCM, []int32{4, 8, 12, 16}, 1, 40)
}

// testChanged seals and opens with a mode that authenticates: whatever is changed,
// the answer is the same.
func testChanged(t *testing.T, mode kmip.BlockCipherMode, tagLengths []int32, shortestIV, longestIV int) {
	t.Helper()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom(tagLengths).Draw(t, "tag length")
		r := CipherRequest{
			Algorithm: algAES, Key: secret.New(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "key")),
			Parameters: kmip.CryptographicParameters{BlockCipherMode: mode, TagLength: &n},
			IV:         rapid.SliceOfN(rapid.Byte(), shortestIV, longestIV).Draw(t, "iv"),
			AAD:        rapid.SliceOfN(rapid.Byte(), 1, 40).Draw(t, "aad"),
			Data:       rapid.SliceOfN(rapid.Byte(), 1, 40).Draw(t, "data"),
		}
		sealed, err := Encrypt(r)
		if err != nil {
			t.Fatal(err)
		}
		want := r.Data
		r.Data, r.Tag = sealed.Data, sealed.Tag
		if got, err := Decrypt(r); err != nil || !bytes.Equal(got.Data, want) {
			t.Fatalf("got %x, %v; want %x", got.Data, err, want)
		}
		if n < 8 {
			return // four bytes may agree by chance
		}
		field := rapid.SampledFrom([]*[]byte{&r.Data, &r.Tag, &r.IV, &r.AAD}).Draw(t, "field")
		changed := bytes.Clone(*field)
		changed[rapid.IntRange(0, len(changed)-1).Draw(t, "byte")] ^= 1
		*field = changed
		if _, err = Decrypt(r); err == nil || err.Error() != errDecrypt().Error() {
			t.Fatalf("error = %v", err)
		}
	})
}
