package crypto

import (
	"crypto/ecdh"
	"crypto/ed25519"

	"github.com/claviger/claviger/kmip"
)

// parseRawPrivate reads a private key in Raw, the bytes that the standard of
// its algorithm gives it: the seed of Ed25519, the scalar of X25519.
func parseRawPrivate(alg kmip.CryptographicAlgorithm, material []byte) (any, error) {
	switch alg {
	case kmip.CryptographicAlgorithmEd25519:
		if len(material) != ed25519.SeedSize {
			return nil, errMaterial(nil)
		}
		return ed25519.NewKeyFromSeed(material), nil
	case kmip.CryptographicAlgorithmECDH:
		return ecdh.X25519().NewPrivateKey(material)
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
	case kmip.CryptographicAlgorithmECDH:
		return ecdh.X25519().NewPublicKey(material)
	}
	return nil, errFormat(kmip.KeyFormatTypeRaw)
}
