package crypto

import (
	"crypto"

	"github.com/claviger/claviger/kmip"
)

// otherKey is a parsed key of an algorithm for which crypto/x509 has no type.
type otherKey interface {
	algorithm() kmip.CryptographicAlgorithm
	lengthBits() int32
	// encode returns the key in a format: bytes, or a structure; neither if
	// that is not possible.
	encode(kmip.KeyFormatType) ([]byte, *kmip.Item)
}

// otherPrivate is an otherKey that is private. Its Public is an otherKey.
type otherPrivate interface {
	otherKey
	Public() crypto.PublicKey
}
