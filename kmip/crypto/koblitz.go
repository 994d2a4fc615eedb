package crypto

import (
	"crypto"
	"encoding/asn1"
	"errors"
	"io"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"

	"github.com/claviger/claviger/kmip"
)

// oidECKey is id-ecPublicKey (RFC 5480 §2.1.1).
const oidECKey = "1.2.840.10045.2.1"

// oidSECP256K1 is secp256k1 (SEC 2 §A.2.1).
var oidSECP256K1 = asn1.ObjectIdentifier{1, 3, 132, 0, 10}

// koblitzPrivate and koblitzPublic are keys on secp256k1, the one curve besides
// those of the standard library. The library's arithmetic takes a time that
// depends on the numbers.
type (
	koblitzPrivate struct{ *secp256k1.PrivateKey }
	koblitzPublic  struct{ *secp256k1.PublicKey }
)

// ecPrivateKey is ECPrivateKey (RFC 5915 §3).
type ecPrivateKey struct {
	Version    int
	PrivateKey []byte
	Curve      asn1.ObjectIdentifier `asn1:"optional,explicit,tag:0"`
	PublicKey  asn1.BitString        `asn1:"optional,explicit,tag:1"`
}

const koblitzBytes = 32

var errKoblitz = errors.New("not a key on secp256k1")

// newKoblitzPrivate reads a scalar in big-endian order, which may lack zeros at
// its beginning.
func newKoblitzPrivate(d []byte) (otherPrivate, error) {
	if len(d) > koblitzBytes {
		return nil, errKoblitz
	}
	var scalar secp256k1.ModNScalar
	if tooLarge := scalar.SetByteSlice(d); tooLarge || scalar.IsZero() {
		return nil, errKoblitz
	}
	return koblitzPrivate{secp256k1.NewPrivateKey(&scalar)}, nil
}

// newKoblitzPublic reads a point, compressed or not.
func newKoblitzPublic(point []byte) (otherKey, error) {
	k, err := secp256k1.ParsePubKey(point)
	if err != nil {
		return nil, err
	}
	return koblitzPublic{k}, nil
}

// parseKoblitzECPrivateKey reads RFC 5915; the curve may be named outside.
func parseKoblitzECPrivateKey(der []byte, curve asn1.ObjectIdentifier) (otherPrivate, error) {
	var k ecPrivateKey
	if err := unmarshal(der, &k); err != nil {
		return nil, err
	}
	defer clear(k.PrivateKey)
	if k.Curve != nil {
		curve = k.Curve
	}
	if k.Version != 1 || !curve.Equal(oidSECP256K1) {
		return nil, errKoblitz
	}
	return newKoblitzPrivate(k.PrivateKey)
}

func parseKoblitzPKCS8(parameters, key []byte) (otherPrivate, error) {
	var curve asn1.ObjectIdentifier
	if err := unmarshal(parameters, &curve); err != nil {
		return nil, err
	}
	return parseKoblitzECPrivateKey(key, curve)
}

func parseKoblitzSPKI(parameters, key []byte) (otherKey, error) {
	var curve asn1.ObjectIdentifier
	if err := unmarshal(parameters, &curve); err != nil || !curve.Equal(oidSECP256K1) {
		return nil, errors.Join(errKoblitz, err)
	}
	return newKoblitzPublic(key)
}

func (koblitzPrivate) algorithm() kmip.CryptographicAlgorithm {
	return kmip.CryptographicAlgorithmECDSA
}

func (koblitzPublic) algorithm() kmip.CryptographicAlgorithm {
	return kmip.CryptographicAlgorithmECDSA
}
func (koblitzPrivate) lengthBits() int32 { return 8 * koblitzBytes }
func (koblitzPublic) lengthBits() int32  { return 8 * koblitzBytes }

// Public returns the other half.
func (k koblitzPrivate) Public() crypto.PublicKey { return koblitzPublic{k.PubKey()} }

func (k koblitzPrivate) encode(f kmip.KeyFormatType) ([]byte, *kmip.Item) {
	d := k.Serialize()
	defer clear(d)
	point := k.PubKey().SerializeUncompressed()
	inside := ecPrivateKey{Version: 1, PrivateKey: d, PublicKey: asn1.BitString{Bytes: point, BitLength: 8 * len(point)}}
	switch {
	case f == kmip.KeyFormatTypePKCS8:
		return marshalPKCS8(oidECKey, marshal(oidSECP256K1), marshal(inside)), nil
	case f == kmip.KeyFormatTypeECPrivateKey:
		inside.Curve = oidSECP256K1
		return marshal(inside), nil
	case isTransparentECPrivate(f):
		return nil, transparent(kmip.Enumeration(kmip.TagRecommendedCurve, kmip.RecommendedCurveSECP256K1), bigIntegerBytes(kmip.TagD, d))
	}
	return nil, nil
}

func (k koblitzPublic) encode(f kmip.KeyFormatType) ([]byte, *kmip.Item) {
	point := k.SerializeUncompressed()
	switch {
	case f == kmip.KeyFormatTypeX509:
		return marshalSPKI(oidECKey, marshal(oidSECP256K1), point), nil
	case isTransparentECPublic(f):
		return nil, transparent(kmip.Enumeration(kmip.TagRecommendedCurve, kmip.RecommendedCurveSECP256K1), kmip.ByteString(kmip.TagQString, point))
	}
	return nil, nil
}

// koblitzSum is as much of a hash as the order has bytes (FIPS 186-5 §6.4.1).
func koblitzSum(sum []byte) []byte { return sum[:min(len(sum), koblitzBytes)] }

// signDigest makes Ecdsa-Sig-Value (RFC 3279 §2.2.3), with the smaller of the
// two values of s.
func (k koblitzPrivate) signDigest(sum []byte) ([]byte, error) {
	return ecdsa.Sign(k.PrivateKey, koblitzSum(sum)).Serialize(), nil
}

func (k koblitzPublic) verifyDigest(sum, signature []byte) bool {
	s, err := ecdsa.ParseDERSignature(signature)
	return err == nil && s.Verify(koblitzSum(sum), k.PublicKey)
}

// agree computes ECDH: the x-coordinate of the common point.
func (k koblitzPrivate) agree(public any) ([]byte, error) {
	other, ok := public.(koblitzPublic)
	if !ok {
		return nil, errKoblitz
	}
	return secp256k1.GenerateSharedSecret(k.PrivateKey, other.PublicKey), nil
}

func generateKoblitz(random io.Reader) (otherPrivate, error) {
	k, err := secp256k1.GeneratePrivateKeyFromRand(random)
	if err != nil {
		return nil, errGenerate(err)
	}
	return koblitzPrivate{k}, nil
}
