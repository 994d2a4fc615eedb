package crypto

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"testing"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
)

func input(m KeyMaterial, alg kmip.CryptographicAlgorithm) KeyInput {
	return KeyInput{Algorithm: alg, Format: m.Format, Material: m.Bytes, Transparent: m.Transparent}
}

// pairOf makes a key pair on a curve, by Recommended Curve alone.
func pairOf(t testing.TB, alg kmip.CryptographicAlgorithm, lengthBits int32, curve kmip.RecommendedCurve) (private, public KeyInput) {
	t.Helper()
	a, b, err := GenerateKeyPair(alg, lengthBits, curve, nil)
	if err != nil {
		t.Fatalf("%v: %v", alg, err)
	}
	return input(a, alg), input(b, alg)
}

// The two sides of an agreement come to the same secret, and the standard
// library to the same one.
func TestAgreeOnNISTCurves(t *testing.T) {
	for name, curve := range map[kmip.RecommendedCurve]ecdh.Curve{
		kmip.RecommendedCurveP256: ecdh.P256(), kmip.RecommendedCurveP384: ecdh.P384(), kmip.RecommendedCurveP521: ecdh.P521(),
	} {
		ours, oursPublic := pairOf(t, kmip.CryptographicAlgorithmECDH, 0, name)
		theirs, theirsPublic := pairOf(t, kmip.CryptographicAlgorithmEC, 0, name)
		a, err := Agree(ours, theirsPublic)
		if err != nil {
			t.Fatalf("%v: %v", name, err)
		}
		b, err := Agree(theirs, oursPublic)
		if err != nil || !a.Equal(b) {
			t.Errorf("%v: the sides disagree: %v", name, err)
		}
		parsed, _ := x509.ParseECPrivateKey(ours.Material.Reveal())
		d, _ := parsed.Bytes()
		key, err := curve.NewPrivateKey(d)
		if err != nil {
			t.Fatal(err)
		}
		peer, _ := x509.ParsePKIXPublicKey(theirsPublic.Material.Reveal())
		point, _ := peer.(*ecdsa.PublicKey).Bytes()
		p, err := curve.NewPublicKey(point)
		if err != nil {
			t.Fatal(err)
		}
		want, err := key.ECDH(p)
		if err != nil || hex.EncodeToString(want) != hex.EncodeToString(a.Reveal()) {
			t.Errorf("%v: another secret than crypto/ecdh", name)
		}
	}
}

// RFC 7748 §6.1.
func TestAgreeX25519Vector(t *testing.T) {
	curve := ecdh.X25519()
	key, err := curve.NewPrivateKey(unhex(t, "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"))
	if err != nil {
		t.Fatal(err)
	}
	public, err := curve.NewPublicKey(unhex(t, "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"))
	if err != nil {
		t.Fatal(err)
	}
	der, _ := x509.MarshalPKCS8PrivateKey(key)
	spki, _ := x509.MarshalPKIXPublicKey(public)
	got, err := Agree(
		KeyInput{Algorithm: kmip.CryptographicAlgorithmECDH, Format: kmip.KeyFormatTypePKCS8, Material: secret.New(der)},
		KeyInput{Algorithm: kmip.CryptographicAlgorithmECDH, Format: kmip.KeyFormatTypeX509, Material: secret.New(spki)})
	if err != nil || hex.EncodeToString(got.Reveal()) != "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742" {
		t.Errorf("Agree = %x, %v", got.Reveal(), err)
	}
}

func TestAgreeRefuses(t *testing.T) {
	p256, p256Public := pairOf(t, kmip.CryptographicAlgorithmECDH, 0, kmip.RecommendedCurveP256)
	p224, p224Public := pairOf(t, kmip.CryptographicAlgorithmECDH, 0, kmip.RecommendedCurveP224)
	_, p384Public := pairOf(t, kmip.CryptographicAlgorithmECDH, 0, kmip.RecommendedCurveP384)
	rsaPrivate, rsaPublic := pairOf(t, kmip.CryptographicAlgorithmRSA, 1024, 0)
	low, _ := ecdh.X25519().NewPublicKey(make([]byte, 32))
	lowPoint, _ := x509.MarshalPKIXPublicKey(low)
	x25519, _ := ecdh.X25519().GenerateKey(rand.Reader)
	x25519DER, _ := x509.MarshalPKCS8PrivateKey(x25519)
	outside := append([]byte{4}, make([]byte, 64)...)
	bad := kmip.Structure(kmip.TagKeyMaterial, kmip.Enumeration(kmip.TagRecommendedCurve, kmip.RecommendedCurveP256), kmip.ByteString(kmip.TagQString, outside))
	for _, c := range []struct {
		name            string
		private, public KeyInput
		want            kmip.Kind
	}{
		{"RSA", rsaPrivate, rsaPublic, kmip.KindParametersUnsupported},
		{"a curve that crypto/ecdh does not have", p224, p224Public, kmip.KindParametersUnsupported},
		{"keys of two curves", p256, p384Public, kmip.KindInvalidField},
		{"keys of two algorithms", p256, rsaPublic, kmip.KindInvalidField},
		{"two public keys", p256Public, p256Public, kmip.KindKeyFormat},
		{"two private keys", p256, p256, kmip.KindKeyFormat},
		{"a point outside the curve", p256, KeyInput{Format: kmip.KeyFormatTypeTransparentECPublicKey, Transparent: &bad}, kmip.KindInvalidField},
		{
			"a point of low order",
			KeyInput{Format: kmip.KeyFormatTypePKCS8, Material: secret.New(x25519DER)},
			KeyInput{Format: kmip.KeyFormatTypeX509, Material: secret.New(lowPoint)},
			kmip.KindInvalidField,
		},
		{"no material", KeyInput{Format: kmip.KeyFormatTypePKCS8}, p256Public, kmip.KindInvalidField},
		{"no format", KeyInput{}, KeyInput{}, kmip.KindKeyFormat},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Agree(c.private, c.public); err == nil || kmip.KindOf(err) != c.want {
				t.Errorf("error = %v, want %v", err, c.want)
			}
		})
	}
}
