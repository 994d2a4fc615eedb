package crypto

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
)

// split divides data at random.
func split(t *rapid.T, data []byte) [][]byte {
	var out [][]byte
	for len(data) > 0 && len(out) < 12 {
		n := rapid.IntRange(0, min(len(data), 100)).Draw(t, "part")
		out = append(out, data[:n])
		data = data[n:]
	}
	return append(out, data)
}

// play gives a stream its parts; expected is for the last. It overwrites every
// part after it was given.
func play(s Stream, data [][]byte, expected []byte) (out []byte, last StreamResult, err error) {
	for i, part := range data {
		part = bytes.Clone(part)
		if i == len(data)-1 {
			last, err = s.Finish(part, expected)
			clear(part)
			return append(out, last.Data...), last, err
		}
		given, err := s.Update(part)
		clear(part)
		if err != nil {
			return out, last, err
		}
		out = append(out, given...)
	}
	return out, last, nil
}

// anyCipher draws a cipher request that can be computed.
func anyCipher(t *rapid.T) CipherRequest {
	bytesOf := func(name string, least, most int) []byte {
		return rapid.SliceOfN(rapid.Byte(), least, most).Draw(t, name)
	}
	r := CipherRequest{Data: bytesOf("data", 0, 400)}
	sizes := map[kmip.CryptographicAlgorithm]int{
		algAES: 32, algDES3: 24, kmip.CryptographicAlgorithmTwofish: 16, kmip.CryptographicAlgorithmBlowfish: 20,
		kmip.CryptographicAlgorithmChaCha20: 32, kmip.CryptographicAlgorithmChaCha20Poly1305: 32, kmip.CryptographicAlgorithmOneTimePad: 400,
	}
	r.Algorithm = rapid.SampledFrom([]kmip.CryptographicAlgorithm{
		algAES, algAES, algAES, algAES, algDES3, kmip.CryptographicAlgorithmTwofish, kmip.CryptographicAlgorithmBlowfish,
		kmip.CryptographicAlgorithmChaCha20, kmip.CryptographicAlgorithmChaCha20Poly1305, kmip.CryptographicAlgorithmOneTimePad,
	}).Draw(t, "algorithm")
	key := bytesOf("key", sizes[r.Algorithm], sizes[r.Algorithm])
	r.Key = secret.New(key)
	block := 16
	switch r.Algorithm {
	case kmip.CryptographicAlgorithmOneTimePad:
		return r
	case kmip.CryptographicAlgorithmChaCha20:
		if r.IV = bytesOf("iv", 12, 12); rapid.Bool().Draw(t, "old") {
			r.IV = r.IV[:8]
		}
		r.Parameters.InitialCounterValue = ptr(rapid.Int32Range(0, 1<<20).Draw(t, "counter"))
		return r
	case kmip.CryptographicAlgorithmChaCha20Poly1305:
		r.IV, r.AAD = bytesOf("iv", 12, 12), bytesOf("aad", 0, 40)
		r.Parameters.TagLength = ptr(rapid.SampledFrom([]int32{4, 8, 12, 16}).Draw(t, "tag length"))
		return r
	case algDES3, kmip.CryptographicAlgorithmBlowfish:
		block = 8
	}
	modes := []kmip.BlockCipherMode{
		kmip.BlockCipherModeECB, kmip.BlockCipherModeCBC, kmip.BlockCipherModePCBC, kmip.BlockCipherModeCFB, kmip.BlockCipherModeOFB, kmip.BlockCipherModeCTR,
	}
	if block == 16 {
		modes = append(modes, kmip.BlockCipherModeGCM, kmip.BlockCipherModeCCM, kmip.BlockCipherModeXTS)
	}
	if r.Algorithm == algAES {
		modes = append(modes, kmip.BlockCipherModeNISTKeyWrap, kmip.BlockCipherModeAESKeyWrapPadding)
	}
	r.Parameters.BlockCipherMode = rapid.SampledFrom(modes).Draw(t, "mode")
	switch r.Parameters.BlockCipherMode {
	case kmip.BlockCipherModeECB, kmip.BlockCipherModeCBC, kmip.BlockCipherModePCBC:
		r.Parameters.PaddingMethod = rapid.SampledFrom([]kmip.PaddingMethod{
			0, kmip.PaddingMethodNone, kmip.PaddingMethodPKCS5, kmip.PaddingMethodSSL3, kmip.PaddingMethodZeros, kmip.PaddingMethodANSIX923, kmip.PaddingMethodISO10126,
		}).Draw(t, "padding")
		if r.Parameters.PaddingMethod <= kmip.PaddingMethodNone {
			r.Data = r.Data[:len(r.Data)/block*block]
		}
		r.IV = bytesOf("iv", block, block)
	case kmip.BlockCipherModeGCM:
		r.IV, r.AAD = bytesOf("iv", 1, 40), bytesOf("aad", 0, 40)
		r.Parameters.TagLength = ptr(rapid.SampledFrom([]int32{4, 8, 12, 15, 16}).Draw(t, "tag length"))
	case kmip.BlockCipherModeCCM:
		r.IV, r.AAD = bytesOf("iv", 7, 13), bytesOf("aad", 0, 40)
		r.Parameters.TagLength = ptr(rapid.SampledFrom([]int32{4, 8, 10, 16}).Draw(t, "tag length"))
	case kmip.BlockCipherModeXTS:
		key[0] = ^key[len(key)/2]
		if r.Data = append(make([]byte, 16), r.Data...); r.Algorithm != algAES {
			r.Key = secret.New(append(key, bytes.Repeat([]byte{1}, 16)...))
		}
		r.IV = bytesOf("iv", 16, 16)
	case kmip.BlockCipherModeNISTKeyWrap:
		r.Data = make([]byte, 16+len(r.Data)/8*8)
	case kmip.BlockCipherModeAESKeyWrapPadding:
		r.Data = append(r.Data, 1)
	default:
		r.IV = bytesOf("iv", block, block)
	}
	return r
}

// owned returns a request that shares no memory with r.
func owned(r CipherRequest) CipherRequest {
	r.Key = r.Key.Clone()
	r.Data, r.IV, r.AAD, r.Tag = bytes.Clone(r.Data), bytes.Clone(r.IV), bytes.Clone(r.AAD), bytes.Clone(r.Tag)
	return r
}

// forget overwrites what a stream must not depend on.
func forget(r CipherRequest) {
	r.Key.Destroy()
	clear(r.IV)
	clear(r.AAD)
	clear(r.Tag)
}

func TestStreamsAgreeWithOnePart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := anyCipher(t)
		r.Rand = zeros{} // so that random paddings agree
		want, err := Encrypt(r)
		if err != nil {
			t.Fatal(err)
		}
		given := owned(r)
		s, iv, err := EncryptStream(given)
		if err != nil || iv != nil {
			t.Fatalf("IV %x, %v", iv, err)
		}
		forget(given)
		got, last, err := play(s, split(t, r.Data), nil)
		if err != nil || !bytes.Equal(got, want.Data) || !bytes.Equal(last.Tag, want.Tag) {
			t.Fatalf("encrypted %x, tag %x, %v; want %x, tag %x", got, last.Tag, err, want.Data, want.Tag)
		}
		r.Data, r.Tag = want.Data, want.Tag
		plain, err := Decrypt(r)
		if err != nil {
			t.Fatal(err)
		}
		given = owned(r)
		if s, err = DecryptStream(given); err != nil {
			t.Fatal(err)
		}
		forget(given)
		got, _, err = play(s, split(t, r.Data), nil)
		if err != nil || !bytes.Equal(got, plain.Data) {
			t.Fatalf("decrypted %x, %v; want %x", got, err, plain.Data)
		}
	})
}

func TestStreamMakesIV(t *testing.T) {
	for _, r := range []CipherRequest{
		{Algorithm: algAES, Parameters: mode(kmip.BlockCipherModeCBC, kmip.PaddingMethodPKCS5)},
		{Algorithm: algAES, Parameters: mode(kmip.BlockCipherModeGCM, 0)},
		{Algorithm: algAES, Parameters: mode(kmip.BlockCipherModeCCM, 0)},
		{Algorithm: kmip.CryptographicAlgorithmChaCha20},
		{Algorithm: kmip.CryptographicAlgorithmChaCha20Poly1305},
	} {
		r.Key = secret.New(make([]byte, 32))
		s, iv, err := EncryptStream(r)
		if err != nil || len(iv) == 0 {
			t.Fatalf("%v, %v: IV %x, %v", r.Algorithm, r.Parameters.BlockCipherMode, iv, err)
		}
		out, last, err := play(s, [][]byte{[]byte("Claviger"), nil, []byte("!")}, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.IV, r.Data, r.Tag = iv, out, last.Tag
		back, err := Decrypt(r)
		if err != nil || string(back.Data) != "Claviger!" {
			t.Errorf("%v, %v: %q, %v", r.Algorithm, r.Parameters.BlockCipherMode, back.Data, err)
		}
		r.Parameters.RandomIV, r.IV = ptr(false), nil
		if _, _, err := EncryptStream(r); kmip.KindOf(err) != kmip.KindMissingIV {
			t.Errorf("without Random IV: %v", err)
		}
		if _, err := DecryptStream(r); kmip.KindOf(err) != kmip.KindMissingIV {
			t.Errorf("decryption without IV: %v", err)
		}
	}
}

// A decryption with a wrong tag ends in a failure, and in no data.
func TestStreamWithWrongTag(t *testing.T) {
	for _, r := range []CipherRequest{
		{Algorithm: algAES, Parameters: mode(kmip.BlockCipherModeGCM, 0)},
		{Algorithm: algAES, Parameters: mode(kmip.BlockCipherModeCCM, 0)},
		{Algorithm: kmip.CryptographicAlgorithmChaCha20Poly1305},
	} {
		r.Key, r.IV, r.Tag = secret.New(make([]byte, 32)), make([]byte, 12), make([]byte, 16)
		s, err := DecryptStream(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Update(make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
		got, err := s.Finish(make([]byte, 100), nil)
		if err == nil || err.Error() != errDecrypt().Error() || got.Data != nil {
			t.Errorf("%v: %x, %v", r.Algorithm, got.Data, err)
		}
		r.Tag = r.Tag[:12]
		if _, err := DecryptStream(r); kmip.KindOf(err) != kmip.KindTagLength {
			t.Errorf("%v: a short tag without Tag Length: %v", r.Algorithm, err)
		}
	}
}

// The counter of GCM loses its carry in the middle of the data.
func TestGCMCounterWraps(t *testing.T) {
	key := make([]byte, 16)
	r := CipherRequest{Algorithm: algAES, Key: secret.New(key), Parameters: mode(kmip.BlockCipherModeGCM, 0), Data: make([]byte, 100)}
	block, err := blockCipher(&r)
	if err != nil {
		t.Fatal(err)
	}
	var hashKey [16]byte
	block.Encrypt(hashKey[:], hashKey[:])
	times := func(a, b element) element { // GHASH of one block
		var k, x [16]byte
		binary.BigEndian.PutUint64(k[:8], a.high)
		binary.BigEndian.PutUint64(k[8:], a.low)
		binary.BigEndian.PutUint64(x[:8], b.high)
		binary.BigEndian.PutUint64(x[8:], b.low)
		g := newGHASH(&k)
		g.write(x[:])
		return g.y
	}
	h := element{binary.BigEndian.Uint64(hashKey[:8]), binary.BigEndian.Uint64(hashKey[8:])}
	inverse := element{1 << 63, 0} // h to the power of 2^128-2
	for range 127 {
		h = times(h, h)
		inverse = times(inverse, h)
	}
	// The IV of 16 bytes whose first counter block ends in ffffffff.
	first := element{0x0123456789abcdef, 0xfedcba98ffffffff - 3}
	iv := times(first, inverse)
	iv.low ^= 128
	iv = times(iv, inverse)
	r.IV = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, iv.high), iv.low)
	want, err := Encrypt(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, 31, 32, 33, 48, 64, 100} {
		s, _, err := EncryptStream(r)
		if err != nil {
			t.Fatal(err)
		}
		c := s.(*stream).parts.(*authenticated).stream.stream.(*gcmCounter)
		if got := binary.BigEndian.Uint64(c.next[8:]); got != first.low+1 {
			t.Fatalf("counter %x, want %x", got, first.low+1)
		}
		got, last, err := play(s, [][]byte{r.Data[:n], r.Data[n:]}, nil)
		if err != nil || !bytes.Equal(got, want.Data) || !bytes.Equal(last.Tag, want.Tag) {
			t.Errorf("divided at %d: %x, %x, %v; want %x, %x", n, got, last.Tag, err, want.Data, want.Tag)
		}
	}
}

func TestMACAndHashStreams(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.SliceOfN(rapid.Byte(), 0, 400).Draw(t, "data")
		key := rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "key")
		r := rapid.SampledFrom([]CipherRequest{
			{Algorithm: kmip.CryptographicAlgorithmHMACSHA256},
			{Algorithm: kmip.CryptographicAlgorithmHMACSHA3512},
			{Parameters: kmip.CryptographicParameters{HashingAlgorithm: kmip.HashingAlgorithmRIPEMD160}},
			{Algorithm: algAES, Parameters: mode(kmip.BlockCipherModeCMAC, 0)},
			{Algorithm: kmip.CryptographicAlgorithmCAST5, Parameters: mode(kmip.BlockCipherModeCMAC, 0)},
			{Algorithm: algAES, Parameters: mode(kmip.BlockCipherModeCBCMAC, kmip.PaddingMethodZeros)},
			{Algorithm: algAES, Parameters: mode(kmip.BlockCipherModeCBCMAC, kmip.PaddingMethodPKCS5)},
			{Algorithm: kmip.CryptographicAlgorithmPoly1305},
		}).Draw(t, "request")
		if r.Algorithm == kmip.CryptographicAlgorithmCAST5 {
			key = key[:16]
		}
		r.Key, r.Data = secret.New(key), data
		want, err := MAC(r)
		if err != nil {
			t.Fatal(err)
		}
		begin := func() Stream {
			given := owned(r)
			given.Data = nil
			s, err := MACStream(given)
			if err != nil {
				t.Fatal(err)
			}
			forget(given)
			return s
		}
		if out, last, err := play(begin(), split(t, data), nil); err != nil || len(out) != 0 || !bytes.Equal(last.Code, want) {
			t.Fatalf("MAC %x, %v; want %x", last.Code, err, want)
		}
		if _, last, err := play(begin(), split(t, data), want); err != nil || !last.Valid || last.Code != nil {
			t.Fatalf("verified: %v, code %x, %v", last.Valid, last.Code, err)
		}
		for _, wrong := range [][]byte{{}, want[1:], append([]byte{want[0] ^ 1}, want[1:]...)} {
			if _, last, err := play(begin(), split(t, data), wrong); err != nil || last.Valid || last.Code != nil {
				t.Fatalf("verified %x: %v, code %x, %v", wrong, last.Valid, last.Code, err)
			}
		}
		name := rapid.SampledFrom([]kmip.HashingAlgorithm{kmip.HashingAlgorithmMD5, kmip.HashingAlgorithmSHA256, kmip.HashingAlgorithmSHA3384}).Draw(t, "hash")
		digest, err := Digest(name, data)
		if err != nil {
			t.Fatal(err)
		}
		s, err := HashStream(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, last, err := play(s, split(t, data), nil); err != nil || !bytes.Equal(last.Code, digest) {
			t.Fatalf("digest %x, %v; want %x", last.Code, err, digest)
		}
	})
	if _, err := HashStream(kmip.HashingAlgorithmTiger); kmip.KindOf(err) != kmip.KindParametersUnsupported {
		t.Errorf("Tiger: %v", err)
	}
	if _, err := MACStream(CipherRequest{Key: secret.New([]byte{1})}); kmip.KindOf(err) != kmip.KindParametersMissing {
		t.Errorf("a MAC of no name: %v", err)
	}
}

// What needs its data together takes as much as a stream may hold.
func TestStreamsThatHoldData(t *testing.T) {
	rsaKey := signingKey(t, kmip.CryptographicAlgorithmRSA)
	ed := signingKey(t, kmip.CryptographicAlgorithmEd25519)
	key := secret.New(make([]byte, 32))
	for name, begin := range map[string]func() (Stream, error){
		"CCM": func() (Stream, error) {
			s, _, err := EncryptStream(CipherRequest{Algorithm: algAES, Key: key, Parameters: mode(kmip.BlockCipherModeCCM, 0)})
			return s, err
		},
		"AES key wrap": func() (Stream, error) {
			s, _, err := EncryptStream(CipherRequest{Algorithm: algAES, Key: key, Parameters: mode(kmip.BlockCipherModeNISTKeyWrap, 0)})
			return s, err
		},
		"RSA": func() (Stream, error) {
			s, _, err := EncryptStream(CipherRequest{Algorithm: kmip.CryptographicAlgorithmRSA, Key: rsaKey.Key, Format: rsaKey.Format, Parameters: mode(0, kmip.PaddingMethodOAEP)})
			return s, err
		},
		"Ed25519": func() (Stream, error) { return SignStream(ed) },
	} {
		t.Run(name, func(t *testing.T) {
			s, err := begin()
			if err != nil {
				t.Fatal(err)
			}
			for range MaxStreamBytes / 1024 {
				if out, err := s.Update(make([]byte, 1024)); err != nil || len(out) != 0 {
					t.Fatalf("%d bytes, %v", len(out), err)
				}
			}
			if _, err := s.Update([]byte{1}); kmip.KindOf(err) != kmip.KindTooMany {
				t.Errorf("one byte more: %v", err)
			}
			if _, err := s.Finish(nil, nil); kmip.KindOf(err) != kmip.KindInvalidField {
				t.Errorf("after that: %v", err)
			}
			s.Destroy()
		})
	}
	_, _, err := EncryptStream(CipherRequest{Algorithm: algAES, Key: key, Parameters: mode(kmip.BlockCipherModeCCM, 0), AAD: make([]byte, MaxStreamBytes+1)})
	if kmip.KindOf(err) != kmip.KindTooMany {
		t.Errorf("CCM with more additional data than a stream holds: %v", err)
	}
}

// The other streams give their data out as it comes, and take any amount of it.
func TestStreamsOfAnyLength(t *testing.T) {
	part := make([]byte, 48<<10)
	for _, r := range []CipherRequest{
		{Algorithm: algAES, Parameters: mode(kmip.BlockCipherModeCBC, kmip.PaddingMethodPKCS5), IV: make([]byte, 16)},
		{Algorithm: algAES, Parameters: mode(kmip.BlockCipherModeCTR, 0), IV: make([]byte, 16)},
		{Algorithm: algAES, Parameters: mode(kmip.BlockCipherModeGCM, 0), IV: make([]byte, 12)},
		{Algorithm: kmip.CryptographicAlgorithmChaCha20Poly1305, IV: make([]byte, 12)},
	} {
		r.Key = secret.New(make([]byte, 32))
		s, _, err := EncryptStream(r)
		if err != nil {
			t.Fatal(err)
		}
		total := 0
		for range 20 {
			out, err := s.Update(part)
			if err != nil {
				t.Fatal(err)
			}
			if total += len(out); len(out) != len(part) {
				t.Fatalf("%v: %d bytes given out", r.Algorithm, len(out))
			}
		}
		if s.Destroy(); total <= 10*MaxStreamBytes {
			t.Errorf("%v: %d bytes in all", r.Algorithm, total)
		}
	}
}

func TestStreamIsOverOnce(t *testing.T) {
	key := secret.New(make([]byte, 32))
	for name, end := range map[string]func(s Stream){
		"Finish":          func(s Stream) { _, _ = s.Finish(nil, nil) },
		"a failed Finish": func(s Stream) { _, _ = s.Finish(make([]byte, 15), nil) },
		"Destroy":         func(s Stream) { s.Destroy() },
	} {
		s, _, err := EncryptStream(CipherRequest{Algorithm: algAES, Key: key, Parameters: mode(kmip.BlockCipherModeECB, 0)})
		if err != nil {
			t.Fatal(err)
		}
		end(s)
		if out, err := s.Update(make([]byte, 16)); kmip.KindOf(err) != kmip.KindInvalidField || out != nil {
			t.Errorf("Update after %s: %x, %v", name, out, err)
		}
		if out, err := s.Finish(make([]byte, 16), nil); kmip.KindOf(err) != kmip.KindInvalidField || out.Data != nil {
			t.Errorf("Finish after %s: %x, %v", name, out.Data, err)
		}
		s.Destroy()
		s.Destroy()
	}
}

func TestStreamHoldsNothingAfterDestroy(t *testing.T) {
	key := secret.New(make([]byte, 32))
	s, _, err := EncryptStream(CipherRequest{Algorithm: algAES, Key: key, Parameters: mode(kmip.BlockCipherModeAESKeyWrapPadding, 0)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Update([]byte("a secret")); err != nil {
		t.Fatal(err)
	}
	held := s.(*stream).parts.(*whole).held
	s.Destroy()
	if !bytes.Equal(held, make([]byte, 8)) {
		t.Errorf("held: %q", held)
	}
	s, err = DecryptStream(CipherRequest{Algorithm: algAES, Key: key, Parameters: mode(kmip.BlockCipherModeECB, kmip.PaddingMethodPKCS5)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Update(bytes.Repeat([]byte{7}, 20)); err != nil {
		t.Fatal(err)
	}
	held = s.(*stream).parts.(*blocks).held
	s.Destroy()
	if !bytes.Equal(held, make([]byte, len(held))) {
		t.Errorf("held: %x", held)
	}
}

func TestRSAStreams(t *testing.T) {
	key := signingKey(t, kmip.CryptographicAlgorithmRSA)
	r := CipherRequest{Algorithm: key.Algorithm, Key: key.Key.Clone(), Format: key.Format, Parameters: mode(0, kmip.PaddingMethodOAEP)}
	s, iv, err := EncryptStream(r)
	if err != nil || iv != nil {
		t.Fatal(err)
	}
	r.Key.Destroy()
	sum := sha256.Sum256([]byte("a key"))
	sealed, _, err := play(s, [][]byte{sum[:5], nil, sum[5:]}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Key = key.Key.Clone()
	if s, err = DecryptStream(r); err != nil {
		t.Fatal(err)
	}
	r.Key.Destroy()
	if got, _, err := play(s, [][]byte{sealed[:100], sealed[100:]}, nil); err != nil || !bytes.Equal(got, sum[:]) {
		t.Errorf("decrypted %x, %v; want %x", got, err, sum)
	}
}

func BenchmarkStreams(b *testing.B) {
	data := make([]byte, 16<<10)
	for _, r := range []CipherRequest{
		{Algorithm: algAES, Parameters: mode(kmip.BlockCipherModeCBC, 0), IV: make([]byte, 16)},
		{Algorithm: algAES, Parameters: mode(kmip.BlockCipherModeGCM, 0), IV: make([]byte, 12)},
		{Algorithm: kmip.CryptographicAlgorithmChaCha20Poly1305, IV: make([]byte, 12)},
	} {
		r.Key = secret.New(make([]byte, 32))
		b.Run(fmt.Sprintf("%v/%v", r.Algorithm, r.Parameters.BlockCipherMode), func(b *testing.B) {
			s, _, err := EncryptStream(r)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if _, err := s.Update(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
