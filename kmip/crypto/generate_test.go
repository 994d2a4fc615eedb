package crypto

import (
	"errors"
	"math/bits"
	"testing"
	"testing/iotest"

	"github.com/claviger/claviger/kmip"
)

var errNoEntropy = errors.New("no entropy")

func TestGenerateSymmetric(t *testing.T) {
	for _, c := range []struct {
		algorithm  kmip.CryptographicAlgorithm
		lengthBits int32
		bytes      int // 0: refused
	}{
		{kmip.CryptographicAlgorithmAES, 128, 16},
		{kmip.CryptographicAlgorithmAES, 192, 24},
		{kmip.CryptographicAlgorithmAES, 256, 32},
		{kmip.CryptographicAlgorithmAES, 0, 0},
		{kmip.CryptographicAlgorithmAES, 160, 0},
		{kmip.CryptographicAlgorithmAES, 512, 64},
		{kmip.CryptographicAlgorithmCamellia, 512, 0},
		{kmip.CryptographicAlgorithmAES, -128, 0},
		{kmip.CryptographicAlgorithmDES, 56, 8},
		{kmip.CryptographicAlgorithmDES3, 112, 16},
		{kmip.CryptographicAlgorithmDES3, 128, 16},
		{kmip.CryptographicAlgorithmDES3, 168, 24},
		{kmip.CryptographicAlgorithmDES3, 192, 24},
		{kmip.CryptographicAlgorithmDES3, 64, 0},
		{kmip.CryptographicAlgorithmSKIPJACK, 80, 10},
		{kmip.CryptographicAlgorithmSKIPJACK, 128, 0},
		{kmip.CryptographicAlgorithmBlowfish, 448, 56},
		{kmip.CryptographicAlgorithmBlowfish, 33, 0},
		{kmip.CryptographicAlgorithmChaCha20, 256, 32},
		{kmip.CryptographicAlgorithmChaCha20, 192, 0},
		{kmip.CryptographicAlgorithmChaCha20Poly1305, 256, 32},
		{kmip.CryptographicAlgorithmHMACSHA256, 256, 32},
		{kmip.CryptographicAlgorithmHMACSHA1, 160, 20},
		{kmip.CryptographicAlgorithmHMACSHA512, 1 << 30, 0},
		{kmip.CryptographicAlgorithmIDEA, 128, 16},
		{kmip.CryptographicAlgorithmRSA, 2048, 0},
		{kmip.CryptographicAlgorithmSHA3256, 256, 0},
		{0, 128, 0},
		{0x80000001, 128, 0},
	} {
		key, err := GenerateSymmetric(c.algorithm, c.lengthBits, nil)
		if c.bytes == 0 {
			if kmip.KindOf(err) != kmip.KindAttributeValue || key != nil {
				t.Errorf("%v of %d bits: %v", c.algorithm, c.lengthBits, err)
			}
			continue
		}
		if err != nil || key.Len() != c.bytes {
			t.Errorf("%v of %d bits: %d bytes, %v; want %d", c.algorithm, c.lengthBits, key.Len(), err, c.bytes)
		}
		if _, des := desBytes[c.algorithm]; des {
			for i, b := range key.Reveal() {
				if bits.OnesCount8(b)%2 != 1 {
					t.Errorf("%v: byte %d has even parity", c.algorithm, i)
				}
			}
		}
	}
	if _, err := GenerateSymmetric(kmip.CryptographicAlgorithmAES, 128, iotest.ErrReader(errNoEntropy)); !errors.Is(err, errNoEntropy) {
		t.Errorf("without randomness: %v", err)
	}
}

func TestGenerateKeyPair(t *testing.T) {
	const (
		rsaAlg  = kmip.CryptographicAlgorithmRSA
		ecdsa   = kmip.CryptographicAlgorithmECDSA
		ed25519 = kmip.CryptographicAlgorithmEd25519
	)
	for _, c := range []struct {
		name            string
		algorithm       kmip.CryptographicAlgorithm
		lengthBits      int32
		curve           kmip.RecommendedCurve
		want            int32 // length; 0: refused
		private, public kmip.KeyFormatType
	}{
		{"RSA", rsaAlg, 1024, 0, 1024, kmip.KeyFormatTypePKCS1, kmip.KeyFormatTypePKCS1},
		{"RSA of 512 bits", rsaAlg, 512, 0, 0, 0, 0},
		{"RSA of 16384 bits", rsaAlg, 16384, 0, 0, 0, 0},
		{"RSA without length", rsaAlg, 0, 0, 0, 0, 0},
		{"curve by name", ecdsa, 0, kmip.RecommendedCurveP384, 384, kmip.KeyFormatTypeECPrivateKey, kmip.KeyFormatTypeX509},
		{"curve by length", kmip.CryptographicAlgorithmECDH, 521, 0, 521, kmip.KeyFormatTypeECPrivateKey, kmip.KeyFormatTypeX509},
		{"curve by both", kmip.CryptographicAlgorithmEC, 224, kmip.RecommendedCurveP224, 224, kmip.KeyFormatTypeECPrivateKey, kmip.KeyFormatTypeX509},
		{"curve and length that disagree", ecdsa, 384, kmip.RecommendedCurveP256, 0, 0, 0},
		{"curve that is not there", ecdsa, 0, kmip.RecommendedCurveB163, 0, 0, 0},
		{"neither curve nor length", ecdsa, 0, 0, 0, 0, 0},
		{"Ed25519", ed25519, 0, 0, 256, kmip.KeyFormatTypePKCS8, kmip.KeyFormatTypeX509},
		{"Ed25519 on another curve", ed25519, 256, kmip.RecommendedCurveP256, 0, 0, 0},
		{"a symmetric algorithm", kmip.CryptographicAlgorithmAES, 256, 0, 0, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			private, public, err := GenerateKeyPair(c.algorithm, c.lengthBits, c.curve, nil)
			if c.want == 0 {
				if kmip.KindOf(err) != kmip.KindAttributeValue {
					t.Errorf("error = %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if private.Format != c.private || public.Format != c.public || private.LengthBits != c.want || public.LengthBits != c.want {
				t.Errorf("got %v of %d bits, %v of %d bits", private.Format, private.LengthBits, public.Format, public.LengthBits)
			}
			key, err := ParsePrivate(private.Format, c.algorithm, private.Bytes.Reveal(), nil)
			if err != nil {
				t.Fatal(err)
			}
			again, err := ConvertPublic(key.(interface{ Public() cryptoPublicKey }).Public(), public.Format)
			if err != nil || !again.Bytes.Equal(public.Bytes) {
				t.Errorf("the public key does not belong to the private one: %v", err)
			}
		})
	}
}
