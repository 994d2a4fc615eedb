package crypto

import (
	"testing"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
)

func TestCCMVectors(t *testing.T) {
	const key = "404142434445464748494a4b4c4d4e4f"
	long := make([]byte, 1<<16)
	for i := range long {
		long[i] = byte(i)
	}
	for _, c := range []struct {
		name, key, nonce string
		aad              []byte
		data, want, tag  string
	}{
		{"SP 800-38C example 1", key, "10111213141516", long[:8], "20212223", "7162015b", "4dac255d"},
		{"SP 800-38C example 2", key, "1011121314151617", long[:16], "202122232425262728292a2b2c2d2e2f", "d2a1f0e051ea5f62081a7792073d593d", "1fc64fbfaccd"},
		{"SP 800-38C example 3", key, "101112131415161718191a1b", long[:20], "202122232425262728292a2b2c2d2e2f3031323334353637", "e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5", "484392fbc1b09951"},
		{"SP 800-38C example 4, additional data of 65,536 bytes", key, "101112131415161718191a1b1c", long, "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f", "69915dad1e84c6376a68c2967e4dab615ae0fd1faec44cc484828529463ccf72", "b4ac6bec93e8598e7f0dadbcea5b"},
		{"RFC 3610 packet vector 1", "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf", "00000003020100a0a1a2a3a4a5", long[:8], "08090a0b0c0d0e0f101112131415161718191a1b1c1d1e", "588c979a61c663d2f066d0c2c0f989806d5f6b61dac384", "17e8d12cfdf926e0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := int32(len(c.tag) / 2)
			r := CipherRequest{
				Algorithm: algAES, Key: secret.New(unhex(t, c.key)), IV: unhex(t, c.nonce), AAD: c.aad, Data: unhex(t, c.data),
				Parameters: kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeCCM, TagLength: &n},
			}
			checkCipher(t, r, c.want, c.tag)
		})
	}
}

func TestCCMLengths(t *testing.T) {
	good := CipherRequest{Algorithm: algAES, Key: secret.New(make([]byte, 16)), Parameters: mode(kmip.BlockCipherModeCCM, 0), Data: make([]byte, 20)}
	for n := int32(-1); n <= 20; n++ {
		r := good
		r.Parameters.TagLength = &n
		got, err := Encrypt(r)
		allowed := n >= 4 && n <= 16 && n%2 == 0
		if allowed != (err == nil) || !allowed && kmip.KindOf(err) != kmip.KindTagLength {
			t.Errorf("Tag Length %d: %v", n, err)
		}
		if allowed && (len(got.Tag) != int(n) || len(got.IV) != 12) {
			t.Errorf("Tag Length %d: tag of %d bytes, nonce of %d", n, len(got.Tag), len(got.IV))
		}
	}
	for n := 1; n <= 16; n++ {
		r := good
		r.IV = make([]byte, n)
		_, err := Encrypt(r)
		if allowed := n >= 7 && n <= 13; allowed != (err == nil) || !allowed && kmip.KindOf(err) != kmip.KindInvalidField {
			t.Errorf("nonce of %d bytes: %v", n, err)
		}
		r.IV, r.Parameters.IVLength = nil, ptr(int32(8*n))
		_, err = Encrypt(r)
		if allowed := n >= 7 && n <= 13; allowed != (err == nil) || !allowed && kmip.KindOf(err) != kmip.KindParametersUnsupported {
			t.Errorf("IV Length %d: %v", 8*n, err)
		}
	}
	r := good
	r.IV, r.Data, r.Tag = make([]byte, 13), make([]byte, 1<<16), make([]byte, 16)
	if _, err := Encrypt(r); kmip.KindOf(err) != kmip.KindCryptographicFailure {
		t.Errorf("65,536 bytes with two bytes of length: %v", err)
	}
	if _, err := Decrypt(r); err == nil || err.Error() != errDecrypt().Error() {
		t.Errorf("65,536 bytes with two bytes of length: %v", err)
	}
	if _, err := Encrypt(CipherRequest{Algorithm: algAES, Key: good.Key, Parameters: good.Parameters, IV: r.IV, Data: r.Data[1:]}); err != nil {
		t.Errorf("65,535 bytes with two bytes of length: %v", err)
	}
}

func TestCCMChanged(t *testing.T) {
	testChanged(t, kmip.BlockCipherModeCCM, []int32{8, 10, 16}, 7, 13)
}
