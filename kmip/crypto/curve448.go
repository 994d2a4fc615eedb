package crypto

import (
	"crypto"
	"errors"
	"io"

	"github.com/cloudflare/circl/dh/x448"
	"github.com/cloudflare/circl/sign/ed448"

	"github.com/claviger/claviger/kmip"
)

const (
	oidX448  = "1.3.101.111" // id-X448 (RFC 8410 §3)
	oidEd448 = "1.3.101.113" // id-Ed448
)

// Keys of Ed448 (RFC 8032 §5.2) and X448 (RFC 7748 §5). KMIP has a name for the
// first; the second is ECDH on CURVE448.
type (
	ed448Private struct{ key ed448.PrivateKey }
	ed448Public  struct{ key ed448.PublicKey }
	x448Private  struct{ secret, public x448.Key }
	x448Public   struct{ key x448.Key }
)

const curve448Bits = 448

var (
	errCurve448 = errors.New("not a key of the curve")
	errLowOrder = errors.New("a public key of low order")
)

func newEd448Private(seed []byte) (otherPrivate, error) {
	if len(seed) != ed448.SeedSize {
		return nil, errCurve448
	}
	return ed448Private{ed448.NewKeyFromSeed(seed)}, nil
}

func newEd448Public(b []byte) (otherKey, error) {
	if len(b) != ed448.PublicKeySize {
		return nil, errCurve448
	}
	return ed448Public{append(ed448.PublicKey(nil), b...)}, nil
}

func newX448Private(b []byte) (otherPrivate, error) {
	var k x448Private
	if len(b) != x448.Size {
		return nil, errCurve448
	}
	copy(k.secret[:], b)
	x448.KeyGen(&k.public, &k.secret)
	return k, nil
}

func newX448Public(b []byte) (otherKey, error) {
	var k x448Public
	if len(b) != x448.Size {
		return nil, errCurve448
	}
	copy(k.key[:], b)
	return k, nil
}

// curvePrivate reads CurvePrivateKey (RFC 8410 §7), an OCTET STRING inside that
// of PKCS#8; the algorithms have no parameters.
func curvePrivate(make func([]byte) (otherPrivate, error)) func(parameters, key []byte) (otherPrivate, error) {
	return func(parameters, key []byte) (otherPrivate, error) {
		var inside []byte
		if err := unmarshal(key, &inside); err != nil || len(parameters) > 0 {
			return nil, errors.Join(errCurve448, err)
		}
		defer clear(inside)
		return make(inside)
	}
}

// barePublic reads a key that is the bits themselves, without parameters.
func barePublic(make func([]byte) (otherKey, error)) func(parameters, key []byte) (otherKey, error) {
	return func(parameters, key []byte) (otherKey, error) {
		if len(parameters) > 0 {
			return nil, errCurve448
		}
		return make(key)
	}
}

func (ed448Private) algorithm() kmip.CryptographicAlgorithm { return kmip.CryptographicAlgorithmEd448 }

func (ed448Public) algorithm() kmip.CryptographicAlgorithm { return kmip.CryptographicAlgorithmEd448 }

func (x448Private) algorithm() kmip.CryptographicAlgorithm { return kmip.CryptographicAlgorithmECDH }

func (x448Public) algorithm() kmip.CryptographicAlgorithm { return kmip.CryptographicAlgorithmECDH }
func (ed448Private) lengthBits() int32                    { return curve448Bits }
func (ed448Public) lengthBits() int32                     { return curve448Bits }
func (x448Private) lengthBits() int32                     { return curve448Bits }
func (x448Public) lengthBits() int32                      { return curve448Bits }

// Public returns the other half.
func (k ed448Private) Public() crypto.PublicKey {
	return ed448Public{append(ed448.PublicKey(nil), k.key[ed448.SeedSize:]...)}
}

// Public returns the other half.
func (k x448Private) Public() crypto.PublicKey { return x448Public{k.public} }

func (k ed448Private) encode(f kmip.KeyFormatType) ([]byte, *kmip.Item) {
	return bareFormat(f, kmip.KeyFormatTypePKCS8, oidEd448, k.key[:ed448.SeedSize]), nil
}

func (k ed448Public) encode(f kmip.KeyFormatType) ([]byte, *kmip.Item) {
	return bareFormat(f, kmip.KeyFormatTypeX509, oidEd448, k.key), nil
}

func (k x448Private) encode(f kmip.KeyFormatType) ([]byte, *kmip.Item) {
	return bareFormat(f, kmip.KeyFormatTypePKCS8, oidX448, k.secret[:]), nil
}

func (k x448Public) encode(f kmip.KeyFormatType) ([]byte, *kmip.Item) {
	return bareFormat(f, kmip.KeyFormatTypeX509, oidX448, k.key[:]), nil
}

// bareFormat writes a key of RFC 8410 as Raw, or in the one other format that it
// has.
func bareFormat(f, other kmip.KeyFormatType, oid string, key []byte) []byte {
	switch {
	case f == kmip.KeyFormatTypeRaw:
		return append([]byte(nil), key...)
	case f != other:
		return nil
	case f == kmip.KeyFormatTypePKCS8:
		return marshalPKCS8(oid, nil, marshal(key))
	default:
		return marshalSPKI(oid, nil, key)
	}
}

// oid is also that of signatures.
func (ed448Public) oid() string { return oidEd448 }

func (k ed448Private) signMessage(data []byte) ([]byte, error) {
	return ed448.Sign(k.key, data, ""), nil
}

func (k ed448Public) verifyMessage(data, signature []byte) bool {
	return ed448.Verify(k.key, data, signature, "")
}

func (k x448Private) agree(public any) ([]byte, error) {
	other, ok := public.(x448Public)
	if !ok {
		return nil, errCurve448
	}
	var shared x448.Key
	if !x448.Shared(&shared, &k.secret, &other.key) {
		return nil, errLowOrder
	}
	return shared[:], nil
}

func generateEd448(random io.Reader) (otherPrivate, error) {
	_, key, err := ed448.GenerateKey(random)
	if err != nil {
		return nil, errGenerate(err)
	}
	return ed448Private{key}, nil
}

func generateX448(random io.Reader) (otherPrivate, error) {
	var secret [x448.Size]byte
	if _, err := io.ReadFull(random, secret[:]); err != nil {
		return nil, errGenerate(err)
	}
	return newX448Private(secret[:])
}
