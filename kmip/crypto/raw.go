package crypto

import (
	"crypto/ecdh"
	"crypto/ed25519"

	"github.com/cloudflare/circl/dh/x448"

	"github.com/claviger/claviger/kmip"
)

// parseRawPrivate reads a private key in Raw, the bytes that the standard of
// its algorithm gives it: the seed of Ed25519 and Ed448, the scalar of X25519
// and X448, which their lengths tell apart, and those of quantum.go.
func parseRawPrivate(alg kmip.CryptographicAlgorithm, material []byte) (any, error) {
	switch alg {
	case kmip.CryptographicAlgorithmEd25519:
		if len(material) != ed25519.SeedSize {
			return nil, errMaterial(nil)
		}
		return ed25519.NewKeyFromSeed(material), nil
	case kmip.CryptographicAlgorithmEd448:
		return newEd448Private(material)
	case kmip.CryptographicAlgorithmECDH:
		if len(material) == x448.Size {
			return newX448Private(material)
		}
		return ecdh.X25519().NewPrivateKey(material)
	}
	if a, ok := quantumAlgorithms[alg]; ok {
		return a.private(material)
	}
	return nil, errFormat(kmip.KeyFormatTypeRaw)
}

// parseRawPublic reads a public key in Raw.
func parseRawPublic(alg kmip.CryptographicAlgorithm, material []byte) (any, error) {
	switch alg {
	case kmip.CryptographicAlgorithmEd25519:
		if len(material) != ed25519.PublicKeySize {
			return nil, errMaterial(nil)
		}
		return ed25519.PublicKey(append([]byte(nil), material...)), nil
	case kmip.CryptographicAlgorithmEd448:
		return newEd448Public(material)
	case kmip.CryptographicAlgorithmECDH:
		if len(material) == x448.Size {
			return newX448Public(material)
		}
		return ecdh.X25519().NewPublicKey(material)
	}
	if a, ok := quantumAlgorithms[alg]; ok {
		return a.public(material)
	}
	return nil, errFormat(kmip.KeyFormatTypeRaw)
}
