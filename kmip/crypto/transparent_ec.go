package crypto

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"math/big"

	"github.com/claviger/claviger/kmip"
)

// isKoblitz reports whether a transparent key is on secp256k1.
func isKoblitz(t *kmip.Item) bool {
	f, _ := t.Field(kmip.TagRecommendedCurve)
	return kmip.RecommendedCurve(f.Uint32()) == kmip.RecommendedCurveSECP256K1
}

// isTransparentECPrivate reports whether a format is one of those that KMIP 2.1
// §3.11 describes, or one of 1.x with the same fields.
func isTransparentECPrivate(f kmip.KeyFormatType) bool {
	switch f {
	case kmip.KeyFormatTypeTransparentECPrivateKey, kmip.KeyFormatTypeTransparentECDSAPrivateKey,
		kmip.KeyFormatTypeTransparentECDHPrivateKey, kmip.KeyFormatTypeTransparentECMQVPrivateKey:
		return true
	}
	return false
}

// isTransparentECPublic is the same for public keys (KMIP 2.1 §3.12).
func isTransparentECPublic(f kmip.KeyFormatType) bool {
	switch f {
	case kmip.KeyFormatTypeTransparentECPublicKey, kmip.KeyFormatTypeTransparentECDSAPublicKey,
		kmip.KeyFormatTypeTransparentECDHPublicKey, kmip.KeyFormatTypeTransparentECMQVPublicKey:
		return true
	}
	return false
}

// transparentCurve reads the Recommended Curve of a transparent key.
func transparentCurve(t *kmip.Item) (elliptic.Curve, error) {
	f, _ := t.Field(kmip.TagRecommendedCurve)
	curve, ok := curves[kmip.RecommendedCurve(f.Uint32())]
	if !ok {
		return nil, kmip.Fail(kmip.KindParametersUnsupported, "Recommended Curve is not supported")
	}
	return curve, nil
}

// parseTransparentECPrivate reads KMIP 2.1 §3.11.
func parseTransparentECPrivate(t *kmip.Item) (any, error) {
	if t == nil {
		return nil, errMissing(kmip.TagKeyMaterial)
	}
	if isKoblitz(t) {
		if d := number(t, kmip.TagD); d != nil {
			return newKoblitzPrivate(d.Bytes())
		}
		return nil, errMissing(kmip.TagD)
	}
	curve, err := transparentCurve(t)
	if err != nil {
		return nil, err
	}
	d := number(t, kmip.TagD)
	size := (curve.Params().N.BitLen() + 7) / 8
	if d == nil || d.BitLen() > 8*size {
		return nil, errMissing(kmip.TagD)
	}
	return ecdsa.ParseRawPrivateKey(curve, d.FillBytes(make([]byte, size)))
}

// parseTransparentECPublic reads KMIP 2.1 §3.12. The point may be compressed.
func parseTransparentECPublic(t *kmip.Item) (any, error) {
	if t == nil {
		return nil, errMissing(kmip.TagKeyMaterial)
	}
	q, ok := t.Field(kmip.TagQString)
	if !ok || len(q.Bytes) == 0 {
		return nil, errMissing(kmip.TagQString)
	}
	if isKoblitz(t) {
		return newKoblitzPublic(q.Bytes)
	}
	curve, err := transparentCurve(t)
	if err != nil {
		return nil, err
	}
	point := q.Bytes
	if point[0] == 2 || point[0] == 3 {
		x, y := elliptic.UnmarshalCompressed(curve, point)
		if x == nil {
			return nil, errMissing(kmip.TagQString)
		}
		point = uncompressed(curve, x, y)
	}
	return ecdsa.ParseUncompressedPublicKey(curve, point)
}

func uncompressed(curve elliptic.Curve, x, y *big.Int) []byte {
	size := (curve.Params().BitSize + 7) / 8
	point := make([]byte, 1+2*size)
	point[0] = 4
	x.FillBytes(point[1 : 1+size])
	y.FillBytes(point[1+size:])
	return point
}
