package crypto

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"github.com/claviger/claviger/kmip"
)

// signingKey makes a private key that signs, and the request for it.
func signingKey(t testing.TB, a kmip.CryptographicAlgorithm) SignatureRequest {
	t.Helper()
	curve := kmip.RecommendedCurve(0)
	bits := int32(2048)
	switch a {
	case kmip.CryptographicAlgorithmECDSA:
		curve, bits = kmip.RecommendedCurveP256, 256
	case kmip.CryptographicAlgorithmEd25519:
		bits = 256
	}
	private, _, err := GenerateKeyPair(a, bits, curve, nil)
	if err != nil {
		t.Fatal(err)
	}
	return SignatureRequest{Algorithm: a, Key: private.Bytes, Format: private.Format, Transparent: private.Transparent}
}

func TestSignatureStreams(t *testing.T) {
	for _, c := range []struct {
		name       string
		algorithm  kmip.CryptographicAlgorithm
		parameters kmip.CryptographicParameters
	}{
		{"RSA, PKCS #1 v1.5", kmip.CryptographicAlgorithmRSA, kmip.CryptographicParameters{DigitalSignatureAlgorithm: kmip.DigitalSignatureAlgorithmSHA256WithRSAEncryption}},
		{"RSA, PSS", kmip.CryptographicAlgorithmRSA, kmip.CryptographicParameters{PaddingMethod: kmip.PaddingMethodPSS, HashingAlgorithm: kmip.HashingAlgorithmSHA384}},
		{"ECDSA", kmip.CryptographicAlgorithmECDSA, kmip.CryptographicParameters{HashingAlgorithm: kmip.HashingAlgorithmSHA512}},
		{"Ed25519", kmip.CryptographicAlgorithmEd25519, kmip.CryptographicParameters{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			key := signingKey(t, c.algorithm)
			key.Parameters = c.parameters
			rapid.Check(t, func(t *rapid.T) {
				data := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "data")
				own := key
				own.Key = key.Key.Clone()
				s, err := SignStream(own)
				if err != nil {
					t.Fatal(err)
				}
				own.Key.Destroy()
				out, last, err := play(s, split(t, data), nil)
				if err != nil || len(out) != 0 || len(last.Code) == 0 {
					t.Fatalf("signature %x, %v", last.Code, err)
				}
				whole := key
				whole.Data = data
				if valid, err := VerifySignature(whole, last.Code); err != nil || !valid {
					t.Fatalf("the signature is valid: %v, %v", valid, err)
				}
				for _, want := range []bool{true, false} {
					if !want {
						last.Code[len(last.Code)/2] ^= 1
					}
					own.Key = key.Key.Clone()
					if s, err = VerifyStream(own); err != nil {
						t.Fatal(err)
					}
					own.Key.Destroy()
					_, verified, err := play(s, split(t, data), last.Code)
					if err != nil || verified.Valid != want {
						t.Fatalf("verified: %v, %v; want %v", verified.Valid, err, want)
					}
				}
			})
		})
	}
}

func TestSignatureStreamRefusals(t *testing.T) {
	key := signingKey(t, kmip.CryptographicAlgorithmRSA)
	for _, c := range []struct {
		name   string
		change func(*SignatureRequest)
		want   kmip.Kind
	}{
		{"no Padding Method", func(*SignatureRequest) {}, kmip.KindParametersMissing},
		{"a hash that is not there", func(r *SignatureRequest) { r.Parameters.HashingAlgorithm = kmip.HashingAlgorithmTiger }, kmip.KindParametersUnsupported},
		{"Digested Data", func(r *SignatureRequest) { r.Digested = make([]byte, 32) }, kmip.KindInvalidField},
		{"no key", func(r *SignatureRequest) { r.Key = nil }, kmip.KindInvalidField},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := key
			c.change(&r)
			if _, err := SignStream(r); kmip.KindOf(err) != c.want {
				t.Errorf("SignStream: %v, want %v", err, c.want)
			}
			if _, err := VerifyStream(r); kmip.KindOf(err) != c.want {
				t.Errorf("VerifyStream: %v, want %v", err, c.want)
			}
		})
	}
}

// A transparent key is copied, and the copy overwritten.
func TestStreamOwnsTransparentKey(t *testing.T) {
	key := signingKey(t, kmip.CryptographicAlgorithmECDSA)
	material, err := Convert(kmip.ObjectTypePrivateKey, &kmip.KeyBlock{Format: key.Format, Material: key.Key, Algorithm: key.Algorithm}, kmip.KeyFormatTypeTransparentECPrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	r := SignatureRequest{Algorithm: key.Algorithm, Format: material.Format, Transparent: material.Transparent, Parameters: hashing(kmip.HashingAlgorithmSHA256)}
	own, copied := cloneKey(r.Key, r.Transparent)
	wipeKey(own, copied)()
	d, _ := copied.Field(kmip.TagD)
	if number(r.Transparent, kmip.TagD) == nil || !bytes.Equal(d.Bytes, make([]byte, len(d.Bytes))) {
		t.Errorf("the copy holds %x", d.Bytes)
	}
	s, err := SignStream(r)
	if err != nil {
		t.Fatal(err)
	}
	wipeItem(r.Transparent)
	_, last, err := play(s, [][]byte{[]byte("Clavi"), []byte("ger")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	key.Parameters, key.Data = r.Parameters, []byte("Claviger")
	if valid, err := VerifySignature(key, last.Code); err != nil || !valid {
		t.Errorf("the signature is valid: %v, %v", valid, err)
	}
}
